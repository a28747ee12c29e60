// extract MODEL [TEXT]: what a text (else: standard input) says of a person, as JSON that any
// program can read, whatever the model.
#include <iostream>
#include <iterator>
#include <minim/minim.hpp>
#include <string>

namespace {

constexpr const char* kPerson = R"({
  "type": "object",
  "properties": {
    "name": {"type": "string", "maxLength": 60},
    "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 130},
    "role": {"enum": ["customer", "employee", "other"]},
    "contacts": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 40}}
  },
  "required": ["name", "age", "role", "contacts"],
  "additionalProperties": false
})";

void give(const minim::Model& model, minim::Session& session, const std::string& text) {
  const std::string question =
      "Who is this about? Answer with JSON of name, age, role (customer, "
      "employee or other) and contacts:\n\n" +
      text;
  if (model.info().has_chat_template != 0) {
    session.chat({{"user", question}});
  } else {
    session.append(question + "\n\n");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: extract MODEL [TEXT]\n";
    return 2;
  }
  const std::string text =
      argc == 3 ? argv[2] : std::string(std::istreambuf_iterator<char>(std::cin), {});
  const minim::Engine engine;
  const minim::Model model(engine, argv[1]);
  const auto person = minim::Constraint::json_schema(model, kPerson, minim::JsonSpacing::kSpaced);
  minim::Session session(model);
  give(model, session, text);
  for (const minim::Event& event :
       session.generate({{.temperature = 0}}, {.tokens_max = 400, .constraint = &person})) {
    std::cout << event.text << std::flush;
    if (event.type == minim::EventType::kDone && !event.complete) return 1;  // it was cut
  }
  std::cout << '\n';
} catch (const minim::Error& error) {
  std::cerr << "extract: " << error.what() << '\n';
  return 1;
}
