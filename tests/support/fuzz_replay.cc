// Runs a fuzz target over the files of its seed corpus, for builds without libFuzzer. The last name
// printed is the seed that crashed; one that takes over ten seconds fails, as it does when fuzzing.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTimeMax = std::chrono::seconds(10);

bool replay(const std::filesystem::path& path) {
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto start = Clock::now();
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const bool in_time = Clock::now() - start < kTimeMax;
  if (!in_time) std::printf("  took longer than ten seconds\n");
  return in_time;
}

}  // namespace

int main(int argc, char** argv) {
  int count = 0;
  int slow = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      slow += replay(entry.path()) ? 0 : 1;
      ++count;
    }
  }
  std::printf("%d seeds replayed\n", count);
  return count > 0 && slow == 0 ? 0 : 1;
}
