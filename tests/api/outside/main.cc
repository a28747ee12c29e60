#include <minim/minim.hpp>

int main(int, char** argv) {
  const minim::Engine engine({.threads = 1});
  const minim::Model model(engine, argv[1]);
  minim::Session session(model);
  session.append("Once");
  int tokens = 0;
  for (const minim::Event& event : session.generate({{.temperature = 0}}, {.tokens_max = 3})) {
    tokens += event.type == minim::EventType::kToken ? 1 : 0;
  }
  return tokens <= 3 ? 0 : 1;
}
