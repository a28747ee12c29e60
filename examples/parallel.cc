// parallel MODEL PROMPT PROMPT...: continues all prompts at once. Each session has a thread here
// that pulls its text; the model's own thread computes the tokens of all of them together.
#include <iostream>
#include <minim/minim.hpp>
#include <string>
#include <thread>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: parallel MODEL PROMPT...\n";
    return 2;
  }
  const minim::Engine engine;
  const minim::Model model(engine, argv[1]);
  std::vector<minim::Session> sessions;
  for (int i = 2; i < argc; ++i) sessions.emplace_back(model).append(argv[i]);

  std::vector<std::string> texts(sessions.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < sessions.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        texts[i] = sessions[i].generate_text({{.temperature = 0}}, {.tokens_max = 40});
      } catch (const minim::Error& error) {
        texts[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < texts.size(); ++i) std::cout << argv[i + 2] << texts[i] << "\n\n";
} catch (const minim::Error& error) {
  std::cerr << "parallel: " << error.what() << '\n';
  return 1;
}
