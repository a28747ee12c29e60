// minim.hpp in a program of its own: everything that it offers compiles, without warnings.
#include <iostream>
#include <string>
#include <type_traits>
#include <vector>

#include "minim/minim.hpp"

static_assert(std::ranges::input_range<minim::Generation>);
static_assert(std::is_nothrow_move_constructible_v<minim::Session>);
static_assert(std::is_nothrow_move_assignable_v<minim::Session>);
static_assert(!std::is_copy_constructible_v<minim::Model>);

void use_models(const minim::Engine& engine) {
  minim::Model model(engine, "model.gguf", {.context_tokens = 2048, .progress = {}});
  const minim::Forecast forecast = minim::Model::forecast(engine, "model.gguf");
  std::cout << forecast.fits << model.info().name << model.metadata("general.name").value_or("");
  const std::vector<std::string> texts = {"one", "two"};
  const minim::Embeddings all = model.embed(texts, {.truncate = true});
  std::cout << all[0][0] << model.embed({"one", "two"}).size() << model.embed("one")[0];
  std::cout << model.rerank("query", texts)[0] << model.rerank("query", {"one"})[0];
  std::cout << model.detokenize(model.tokenize("one")) << model.token_bytes(1)
            << model.chat_text("[]") << model.statistics().sessions << model.fallbacks().size();
}

void use_sessions(const minim::Model& model) {
  minim::Session session(model, {.overflow = minim::Overflow::kShift});
  session.chat({{"system", "Be brief."}, {"user", "Why is the sky blue?"}});
  const minim::Sampling sampling({.temperature = 0.7, .stop = {"\n\n"}});
  for (const minim::Event& event : session.generate(sampling, {.tokens_max = 200})) {
    std::cout << event.text;
  }
  std::cout << session.generate_text({{.temperature = 0}}, {.tokens_max = 10});
  minim::Session other = session.clone();
  other.append("And");
  other.append(std::vector<int32_t>{1, 2});
  other.read();
  other.rewind(0);
  other.load_bytes(session.save_bytes());
  session.save("session");
  session.load("session");
  session.on_event([] {});
  minim::Generation generation = session.generate();
  while (generation.next(100).type != minim::EventType::kDone) session.cancel();
  session = std::move(other);
  for (const minim::OptionInfo& option : minim::Sampling::options()) std::cout << option.name;
  minim::Sampling copy = sampling.clone();
  copy.set("top-k", 40).set("samplers", "top-k").add_stop("x").set_bias(1, -1).check();
}
