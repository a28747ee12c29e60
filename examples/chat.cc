// chat MODEL: a conversation, line by line, until the input ends.
#include <iostream>
#include <minim/minim.hpp>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::cerr << "usage: chat MODEL\n";
    return 2;
  }
  const minim::Engine engine;
  const minim::Model model(engine, argv[1]);
  minim::Session session(model, {.overflow = minim::Overflow::kShift});
  const minim::Sampling sampling({.temperature = 0.7, .top_p = 0.9});

  std::vector<minim::Message> messages = {{"system", "Answer briefly."}};
  for (std::string line; std::cout << "> " << std::flush && std::getline(std::cin, line);) {
    messages.push_back({"user", line});
    session.chat(messages);  // reads only what is new
    std::string answer;
    for (const minim::Event& event : session.generate(sampling, {.tokens_max = 300})) {
      std::cout << event.text << std::flush;
      answer += event.text;
    }
    std::cout << '\n';
    messages.push_back({"assistant", answer});
  }
  std::cout << '\n';
} catch (const minim::Error& error) {
  std::cerr << "chat: " << error.what() << '\n';
  return 1;
}
