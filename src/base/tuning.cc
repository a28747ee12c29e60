#include "base/tuning.h"

#include <fmt/core.h>

#include <cstdlib>

#include "base/error.h"
#include "base/json.h"

namespace minim {
namespace {

constexpr size_t kBytesMax = size_t{1} << 20;

[[noreturn]] void throw_bad(const Path& file, const std::string& what) {
  throw Error(ErrorCode::kFormat,
              fmt::format("tuning: '{}': {}; delete it and run `minim tune`", file.string(), what));
}

OrderedJson read_all(const Path& file) {
  if (!std::filesystem::exists(file)) return OrderedJson::object();
  const std::string text = read_file(file, kBytesMax);
  OrderedJson all;
  try {
    all = parse_ordered_json(text, "tuning");
  } catch (const Error&) {
    throw_bad(file, "it is no JSON");
  }
  if (!all.is_object()) throw_bad(file, "it is no JSON object");
  return all;
}

int64_t read_count(const Path& file, const OrderedJson& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end()) return 0;
  constexpr int64_t kMost = 1 << 20;
  if (!found->is_number_unsigned() || found->get<uint64_t>() > uint64_t{kMost}) {
    throw_bad(file,
              fmt::format("'{}' is {}, and no whole number up to {}", name, found->dump(), kMost));
  }
  return found->get<int64_t>();
}

}  // namespace

Path tuning_path() {
  if (const char* set = std::getenv("MINIM_TUNING"); set != nullptr) return set;
  // A relative path is to be ignored, says the XDG Base Directory Specification.
  if (const char* set = std::getenv("XDG_CACHE_HOME"); set != nullptr && set[0] == '/') {
    return Path(set) / "minim/tuning.json";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return Path(home) / ".cache/minim/tuning.json";
  }
  return {};
}

std::string tuning_key(InstructionSet set) {
  return fmt::format("{}, {} processors, {}", cpu_model_name(), cpu_count(),
                     instruction_set_name(set));
}

std::optional<Tuning> read_tuning(const Path& file, const std::string& key) {
  if (file.empty()) return std::nullopt;
  const OrderedJson all = read_all(file);
  const auto entry = all.find(key);
  if (entry == all.end()) return std::nullopt;
  if (!entry->is_object()) throw_bad(file, fmt::format("'{}' is no JSON object", key));
  return Tuning{
      .generation_threads = static_cast<int>(read_count(file, *entry, "generation_threads")),
      .prompt_threads = static_cast<int>(read_count(file, *entry, "prompt_threads")),
      .batch_tokens = read_count(file, *entry, "batch_tokens")};
}

void write_tuning(const Path& file, const std::string& key, const Tuning& tuning) {
  OrderedJson all = read_all(file);
  all[key] = {{"generation_threads", tuning.generation_threads},
              {"prompt_threads", tuning.prompt_threads},
              {"batch_tokens", tuning.batch_tokens}};
  if (file.has_parent_path()) {
    std::error_code error;
    std::filesystem::create_directories(file.parent_path(), error);
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("tuning: cannot make the folder '{}': {}",
                                              file.parent_path().string(), error.message()));
    }
  }
  FileWriter writer(file);
  writer.write(all.dump(2) + "\n");
  writer.commit();
}

void apply_tuning(const Tuning& tuning, ThreadPool& threads) {
  threads.set_most(ThreadWork::kMemory, tuning.generation_threads);
  threads.set_most(ThreadWork::kArithmetic, tuning.prompt_threads);
}

}  // namespace minim
