// resume MODEL FILE [PROMPT]: begins a text and saves the session to FILE; without a prompt, goes
// on from there as if the program had never stopped.
#include <iostream>
#include <minim/minim.hpp>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: resume MODEL FILE [PROMPT]\n";
    return 2;
  }
  const std::string file = argv[2];
  const minim::Engine engine;
  const minim::Model model(engine, argv[1]);
  minim::Session session(model);
  if (argc == 4) {
    session.append(argv[3]);
  } else {
    session.load(file);
  }
  for (const minim::Event& event : session.generate({{.temperature = 0}}, {.tokens_max = 20})) {
    std::cout << event.text << std::flush;
  }
  std::cout << '\n';
  session.save(file);
} catch (const minim::Error& error) {
  std::cerr << "resume: " << error.what() << '\n';
  return 1;
}
