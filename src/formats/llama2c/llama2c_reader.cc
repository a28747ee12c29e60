#include "formats/llama2c/llama2c_reader.h"

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/checked_math.h"
#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/vocabulary.h"

namespace minim {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42"
constexpr uint64_t kHeaderBytes = 256;   // of versions 1 and 2
constexpr float kNormEpsilon = 1e-5f;
constexpr float kRopeBase = 10000.0f;

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kFormat, "llama2c: " + what);
}

struct Header {
  int version = 0;
  uint64_t data_start = 0;
  int64_t dim = 0, ffn_dim = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
  bool tied = true;
  int64_t group = 0;  // quantized values that share a scale, version 2

  int64_t head_dim() const { return dim / heads; }
  int64_t kv_dim() const { return head_dim() * kv_heads; }
};

bool in_range(int64_t value, int64_t max) { return value >= 1 && value <= max; }

// Bounds far beyond every such model, so that no product of three of them overflows.
bool is_plausible(const Header& header) {
  return in_range(header.dim, 1 << 18) && in_range(header.ffn_dim, 1 << 20) &&
         in_range(header.layers, 512) && in_range(header.heads, 1 << 12) &&
         in_range(header.kv_heads, header.heads) && header.heads % header.kv_heads == 0 &&
         header.dim % header.heads == 0 && header.head_dim() % 2 == 0 &&
         in_range(header.vocabulary, 1 << 22) && in_range(header.context, 1 << 24);
}

void read_sizes(ByteReader& reader, Header& header) {
  for (int64_t* size : {&header.dim, &header.ffn_dim, &header.layers, &header.heads,
                        &header.kv_heads, &header.vocabulary, &header.context}) {
    *size = reader.read<int32_t>("the header");
  }
}

Header read_header(std::span<const std::byte> bytes) {
  Header header;
  ByteReader reader(bytes, "llama2c");
  if (reader.read<uint32_t>("the header") == kMagic) {
    header.version = reader.read<int32_t>("the version");
    if (header.version != 1 && header.version != 2) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("llama2c: version {} is not supported", header.version));
    }
    read_sizes(reader, header);
    const auto tied = reader.read<uint8_t>("the header");
    if (tied > 1) fail(fmt::format("the flag for a shared head is {}", tied));
    header.tied = tied == 1;
    if (header.version == 2) header.group = reader.read<int32_t>("the group size");
    header.data_start = kHeaderBytes;
  } else {
    reader = ByteReader(bytes, "llama2c");
    read_sizes(reader, header);
    header.tied = header.vocabulary > 0;
    if (!header.tied) header.vocabulary = -header.vocabulary;
    header.data_start = reader.position();
  }
  if (!is_plausible(header)) {
    fail(
        fmt::format("the header's sizes cannot be a model's: {} wide, {} in the feed-forward "
                    "block, {} layers, {} heads, {} key-value heads, {} tokens, {} positions",
                    header.dim, header.ffn_dim, header.layers, header.heads, header.kv_heads,
                    header.vocabulary, header.context));
  }
  if (header.version == 2 && !in_range(header.group, header.dim)) {
    fail(fmt::format("the group size is {}", header.group));
  }
  return header;
}

TensorBytes dequantize(std::span<const std::byte> stored, size_t count, size_t group) {
  const auto result = std::make_shared<std::vector<std::byte>>(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    float scale;
    std::memcpy(&scale, stored.data() + count + i / group * sizeof(float), sizeof(float));
    const float value = scale * static_cast<float>(static_cast<int8_t>(stored[i]));
    std::memcpy(result->data() + i * sizeof(float), &value, sizeof(float));
  }
  return {*result, result};
}

// Names the parts of the file in their order.
class Layout {
 public:
  Layout(const Header& header, std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : header_(header), bytes_(bytes), owner_(std::move(owner)), position_(header.data_start) {}

  std::vector<TensorEntry> run() {
    const Header& h = header_;
    if (h.version == 0) embedding();
    norms("attn_norm");
    if (h.version != 0) {
      norms("ffn_norm");
      floats("output_norm.weight", {h.dim});
      embedding();
    }
    matrices("attn_q", h.dim, h.dim);
    matrices("attn_k", h.kv_dim(), h.dim);
    matrices("attn_v", h.kv_dim(), h.dim);
    matrices("attn_output", h.dim, h.dim);
    if (h.version == 0) norms("ffn_norm");
    matrices("ffn_gate", h.ffn_dim, h.dim);
    matrices("ffn_down", h.dim, h.ffn_dim);
    matrices("ffn_up", h.ffn_dim, h.dim);
    if (h.version == 0) {
      floats("output_norm.weight", {h.dim});
      // Tables of cosines and sines, which nothing reads any more.
      skip(static_cast<uint64_t>(h.context) * static_cast<uint64_t>(h.head_dim()) * sizeof(float));
    }
    if (!h.tied) matrix("output.weight", h.vocabulary, h.dim);
    if (position_ != bytes_.size()) {
      fail(
          fmt::format("a file with this header has {} bytes, this one has {}; it is damaged or "
                      "was not copied to its end",
                      position_, bytes_.size()));
    }
    return std::move(tensors_);
  }

 private:
  // Advances past the end as well, so that run() can say how long the file should be.
  std::span<const std::byte> skip(uint64_t count) {
    const uint64_t begin = std::min<uint64_t>(position_, bytes_.size());
    position_ += count;
    return bytes_.subspan(begin, std::min<uint64_t>(count, bytes_.size() - begin));
  }

  TensorEntry& append(std::string name, std::initializer_list<int64_t> shape) {
    TensorEntry entry;
    entry.name = std::move(name);
    entry.rank = static_cast<int>(shape.size());
    std::copy(shape.begin(), shape.end(), entry.shape.begin());
    tensors_.push_back(std::move(entry));
    return tensors_.back();
  }

  void floats(std::string name, std::initializer_list<int64_t> shape) {
    TensorEntry& entry = append(std::move(name), shape);
    const auto data = skip(entry.byte_count());
    entry.load = [data, owner = owner_] { return TensorBytes{data, owner}; };
  }

  void matrix(std::string name, int64_t rows, int64_t cols) {
    if (header_.version != 2) return floats(std::move(name), {cols, rows});
    TensorEntry& entry = append(std::move(name), {cols, rows});
    const auto count = static_cast<size_t>(rows * cols);
    const auto group = static_cast<size_t>(header_.group);
    if (count % group != 0) {
      fail(fmt::format("'{}' is no whole number of groups of {}", entry.name, group));
    }
    const auto data = skip(count + count / group * sizeof(float));
    entry.load = [data, count, group, owner = owner_] { return dequantize(data, count, group); };
  }

  void embedding() { matrix("token_embd.weight", header_.vocabulary, header_.dim); }

  void norms(const char* name) {
    for (int64_t layer = 0; layer < header_.layers; ++layer) {
      floats(fmt::format("blk.{}.{}.weight", layer, name), {header_.dim});
    }
  }

  void matrices(const char* name, int64_t rows, int64_t cols) {
    for (int64_t layer = 0; layer < header_.layers; ++layer) {
      matrix(fmt::format("blk.{}.{}.weight", layer, name), rows, cols);
    }
  }

  const Header& header_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  uint64_t position_;
  std::vector<TensorEntry> tensors_;
};

Metadata make_metadata(const Header& header, const std::string& name) {
  Metadata metadata;
  const auto set_size = [&](const char* key, int64_t value) {
    metadata.set_uint32(std::string("llama.") + key, static_cast<uint32_t>(value));
  };
  metadata.set_string("general.architecture", "llama");
  metadata.set_string("general.type", "model");
  metadata.set_string("general.name", name);
  metadata.set_uint32("general.file_type", 0);
  set_size("block_count", header.layers);
  set_size("context_length", header.context);
  set_size("embedding_length", header.dim);
  set_size("feed_forward_length", header.ffn_dim);
  set_size("attention.head_count", header.heads);
  set_size("attention.head_count_kv", header.kv_heads);
  set_size("vocab_size", header.vocabulary);
  set_size("rope.dimension_count", header.head_dim());
  metadata.set_float32("llama.rope.freq_base", kRopeBase);
  metadata.set_float32("llama.attention.layer_norm_rms_epsilon", kNormEpsilon);
  return metadata;
}

Path find_tokenizer(const Path& model, int64_t count) {
  const std::array<std::string, 2> names = {fmt::format("tok{}.bin", count), "tokenizer.bin"};
  for (const std::string& name : names) {
    std::error_code ignored;
    const Path path = model.parent_path() / name;
    if (std::filesystem::is_regular_file(path, ignored)) return path;
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("llama2c: neither {} nor {} beside '{}'; name the tokenizer file",
                          names[0], names[1], model.string()));
}

}  // namespace

bool is_llama2c(std::span<const std::byte> bytes) {
  try {
    ByteReader reader(bytes, "llama2c");
    if (reader.read<uint32_t>("the header") == kMagic) return true;
    read_header(bytes);
    return true;
  } catch (const Error&) {
    return false;
  }
}

int64_t llama2c_vocabulary_size(std::span<const std::byte> bytes) {
  return read_header(bytes).vocabulary;
}

std::shared_ptr<const ModelFile> read_llama2c(const Path& path, std::span<const std::byte> bytes,
                                              std::shared_ptr<const void> owner,
                                              const Vocabulary& vocabulary) {
  const Header header = read_header(bytes);
  if (vocabulary.tokens.size() != static_cast<size_t>(header.vocabulary)) {
    fail(fmt::format("{} tokens for a model of {}", vocabulary.tokens.size(), header.vocabulary));
  }
  auto tensors = Layout(header, bytes, std::move(owner)).run();
  Metadata metadata = make_metadata(header, path.stem().string());
  write_vocabulary(vocabulary, metadata);
  return std::make_shared<ModelFile>(path, "llama2c", std::move(metadata), std::move(tensors));
}

std::shared_ptr<const ModelFile> open_llama2c(const Path& path, const Path& tokenizer) {
  const auto file = MappedFile::open(path);
  const int64_t count = llama2c_vocabulary_size(file->bytes());
  const auto tokens = MappedFile::open(tokenizer.empty() ? find_tokenizer(path, count) : tokenizer);
  return read_llama2c(path, file->bytes(), file, read_llama2c_tokenizer(tokens->bytes(), count));
}

}  // namespace minim
