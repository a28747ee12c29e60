#include "tests/api/test_models.h"

#include "base/thread_pool.h"
#include "formats/adapter/adapter_formats.h"
#include "formats/gguf/gguf_writer.h"
#include "formats/model_file.h"
#include "kernels/registry.h"
#include "model/random_model.h"
#include "model/testing/random_adapter.h"
#include "model/testing/tiny_file.h"
#include "tests/support/test_data.h"

namespace minim_test {
namespace {

constexpr const char* kTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if tools %}<tool_call>{\"name\": n, \"arguments\": {}}</tool_call>{% endif %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

void write_model(const std::filesystem::path& path, const char* chat_template, minim::DataType type,
                 int64_t context_tokens) {
  minim::ModelConfig config = minim::testing::tiny_file_config();
  minim::ThreadPool threads(1);
  const minim::Context context{threads, minim::kernels::select_kernel_table(), {}};
  config.context_length = config.rope.original_context_length = context_tokens;
  const std::filesystem::path bare = path.string() + ".bare";
  minim::write_random_model(context, config, bare, {.type = type, .seed = 7});
  const auto file = minim::open_model_file(bare);
  minim::Metadata metadata = file->metadata();
  if (chat_template != nullptr) metadata.set_string("tokenizer.chat_template", chat_template);
  metadata.set_uint32("test.number", 42);
  minim::save_gguf(path, metadata, file->tensors());
  std::filesystem::remove(bare);
}

const minim::testing::TemporaryFolder& folder() {
  static const minim::testing::TemporaryFolder kept;
  return kept;
}

}  // namespace

std::string scratch_path(const std::string& name) { return folder().path() / name; }

void write_chat_model(const std::filesystem::path& path, int64_t context_tokens) {
  write_model(path, kTemplate, minim::DataType::kF32, context_tokens);
}

std::string chat_model() {
  static const std::string path = [] {
    const std::string made = scratch_path("chat.gguf");
    write_chat_model(made);
    return made;
  }();
  return path;
}

std::string chat_adapter(uint64_t seed) {
  const std::string path = scratch_path("adapter" + std::to_string(seed) + ".gguf");
  const auto model = minim::open_model_file(chat_model());
  const minim::AdapterFile adapter = minim::testing::random_adapter(*model, seed);
  minim::save_gguf_adapter(path, adapter);
  return path;
}

std::string plain_model() {
  static const std::string path = [] {
    const std::string made = scratch_path("plain.gguf");
    write_model(made, nullptr, minim::DataType::kQ8_0, 512);
    return made;
  }();
  return path;
}

}  // namespace minim_test
