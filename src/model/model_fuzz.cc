// Any bytes as a GGUF model: what can be loaded must also run.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "formats/gguf/gguf_reader.h"
#include "kernels/registry.h"
#include "model/memory.h"
#include "model/model.h"

namespace minim {
namespace {

constexpr uint64_t kBytesMax = uint64_t{16} << 20;  // of scratch, so that runs stay short
constexpr int kTokens = 3;

void run(const Context& context, const Model& model) {
  KvLayout layout = model.kv_layout(DataType::kF32);
  layout.block_tokens = kTokens;
  if (layout.block_bytes() > kBytesMax) return;
  std::vector<std::byte> memory(layout.block_bytes());
  std::byte* const blocks[] = {memory.data()};
  const int64_t vocabulary = model.config().vocabulary_size;
  const std::vector<int32_t> tokens(kTokens, static_cast<int32_t>(vocabulary - 1));
  const std::vector<int32_t> positions = {0, 1, 2};
  const std::vector<int32_t> outputs = {0, 2};
  const SequenceChunk chunk{0, kTokens, 0, {&layout, blocks}};
  Activations activations(model.config(), kTokens);
  std::vector<float> logits(static_cast<size_t>(2 * vocabulary));
  model.forward(context, {tokens, positions, {&chunk, 1}, outputs}, activations,
                {logits.data(), 2, vocabulary, vocabulary});
}

void load_and_run(std::span<const std::byte> bytes) {
  static ThreadPool threads(1);
  static const Context context{threads, kernels::select_kernel_table(), {}};
  const auto file = read_gguf("fuzz.gguf", bytes, nullptr);
  MemoryOptions memory;
  memory.batch_rows_max = kTokens;
  memory.outputs_max = 2;
  if (estimate_memory(*file, memory).activation_bytes > kBytesMax) return;
  run(context, *Model::load(context, file));
}

}  // namespace
}  // namespace minim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> copy(data, data + size);
  try {
    minim::load_and_run(std::as_bytes(std::span(copy)));
  } catch (const minim::Error&) {
  }
  return 0;
}
