// Any bytes as a saved session: what can be restored must also go on. The bytes are tried as they
// are, and with the checksums made right.
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "base/xxhash64.h"
#include "kernels/registry.h"
#include "model/testing/tiny_model.h"
#include "runtime/session.h"

namespace minim {
namespace {

constexpr size_t kHeaderBytes = 96;

struct Engine {
  ThreadPool threads{1};
  Context context{threads, kernels::select_kernel_table(), {}};
  std::shared_ptr<const Model> model =
      Model::load(context, testing::tiny_file(testing::tiny_config()));
};

void restore(std::span<const std::byte> bytes) {
  static const Engine engine;
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kQ8_0, DataType::kQ4_0}) {
    Session session(engine.context, engine.model, {.batch_tokens = 16, .kv_type = type});
    try {
      session.restore(bytes);
      const TokenId token = 1;
      session.append({&token, 1});
      session.restore(session.save());
    } catch (const Error&) {
    }
  }
}

void seal(std::vector<std::byte>& bytes) {
  if (bytes.size() < kHeaderBytes + sizeof(uint64_t)) return;
  const auto put = [&](size_t begin, size_t end) {
    XxHash64 hash;
    hash.update(std::span(bytes).subspan(begin, end - begin));
    const uint64_t digest = hash.digest();
    std::memcpy(bytes.data() + end, &digest, sizeof(digest));
  };
  put(0, kHeaderBytes - sizeof(uint64_t));
  put(kHeaderBytes, bytes.size() - sizeof(uint64_t));
}

}  // namespace
}  // namespace minim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto given = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(given.begin(), given.end());
  minim::restore(bytes);
  minim::seal(bytes);
  minim::restore(bytes);
  return 0;
}
