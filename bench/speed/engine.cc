#include "bench/speed/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace minim::bench {
namespace {

// "llama.cpp" for .../llama.cpp/build/bin.
std::string name_of(Path folder) {
  folder = folder.lexically_normal();
  while (!folder.has_filename() || folder.filename() == "bin" || folder.filename() == "build" ||
         folder.filename() == ".") {
    const Path parent = folder.parent_path();
    if (parent == folder || parent.empty()) return "peer";
    folder = parent;
  }
  return folder.filename().string();
}

}  // namespace

std::vector<PeerFolder> parse_peers(const std::string& list) {
  std::vector<PeerFolder> peers;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    begin = end + 1;
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    const Path folder = equals == std::string::npos ? item : item.substr(equals + 1);
    const std::string name = equals == std::string::npos ? name_of(folder) : item.substr(0, equals);
    const bool twice = std::any_of(peers.begin(), peers.end(),
                                   [&](const PeerFolder& peer) { return peer.name == name; });
    if (name.empty() || twice || name == "minim") {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("bench: peer '{}' needs a name of its own: NAME=DIR", item));
    }
    if (!std::filesystem::exists(folder / "llama-bench")) {
      throw Error(
          ErrorCode::kNotFound,
          fmt::format("bench: peer '{}': there is no llama-bench in '{}'", name, folder.string()));
    }
    peers.push_back({name, folder});
  }
  return peers;
}

int repetitions(const BenchModel& model, const Workload& work) {
  if (work.depth > 1000 || !work.is_rate()) return 1;
  return model.parameter_count < 50'000'000 ? 5 : model.parameter_count < 500'000'000 ? 3 : 1;
}

std::string start_prompt() {
  std::string prompt = "the";
  for (int i = 1; i < 31; ++i) prompt += " the";
  return prompt;
}

double median(std::vector<double> samples) {
  MINIM_CHECK(!samples.empty());
  std::sort(samples.begin(), samples.end());
  const size_t middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

}  // namespace minim::bench
