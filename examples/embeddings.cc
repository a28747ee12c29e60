// embeddings MODEL QUERY TEXT...: the texts, the nearest to the query first.
#include <algorithm>
#include <iostream>
#include <minim/minim.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::cerr << "usage: embeddings MODEL QUERY TEXT...\n";
    return 2;
  }
  const minim::Engine engine;
  const minim::Model model(engine, argv[1]);
  const std::vector<float> query = model.embed(argv[2]);
  const std::vector<std::string> texts(argv + 3, argv + argc);
  const minim::Embeddings embeddings = model.embed(texts);

  std::vector<std::pair<float, std::string>> found;
  for (size_t i = 0; i < texts.size(); ++i) {
    // All are of length 1: the product is the cosine of the angle.
    const auto row = embeddings[i];
    found.emplace_back(std::inner_product(query.begin(), query.end(), row.begin(), 0.0f), texts[i]);
  }
  std::sort(found.rbegin(), found.rend());
  for (const auto& [cosine, text] : found) std::cout << cosine << "  " << text << '\n';
} catch (const minim::Error& error) {
  std::cerr << "embeddings: " << error.what() << '\n';
  return 1;
}
