// Files to shards: see token_source.h.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/xxhash64.h"
#include "text/vocabulary_hash.h"
#include "train/data/source_texts.h"
#include "train/data/token_source.h"

namespace minim::train {
namespace {

constexpr uint32_t kVersion = 2;
constexpr size_t kRoundBytes = size_t{8} << 20;
constexpr size_t kHashPieceBytes = size_t{16} << 20;
constexpr const char* kListName = "source.json";

std::string shard_name(size_t index) { return fmt::format("{:04}.tokens", index); }

void update(XxHash64& hash, std::string_view text) {
  hash.update_value(uint64_t{text.size()});
  hash.update(text);
}

// Documents as they come, encoded on all threads, in the order of the files.
class SourceWriter {
 public:
  SourceWriter(const Context& context, const SourceOptions& source,
               std::shared_ptr<const Tokenizer> tokenizer, const MakeSourceOptions& options,
               uint64_t key, Path folder)
      : context_(context),
        source_(source),
        options_(options),
        encoder_(tokenizer, source.encoder),
        folder_(std::move(folder)),
        header_{.key = key, .vocabulary_size = tokenizer->size()} {}

  SourceReport write() {
    DocumentReader reader(source_.files, source_.reader);
    const std::string stage = fmt::format("tokenising {}", source_.name);
    std::vector<RawDocument> documents;
    for (bool more = true; more;) {
      documents.clear();
      size_t bytes = 0;
      RawDocument document;
      while (bytes < kRoundBytes && (more = reader.next(document))) {
        bytes += document.bytes.size() + sizeof(RawDocument);
        documents.push_back(std::move(document));
      }
      write_round(documents);
      report_progress(options_.progress,
                      {stage, reader.bytes_read(), reader.bytes_total(), "bytes"});
    }
    report_.documents_cut = reader.documents_cut();
    finish_shard();
    return report_;
  }

  size_t shard_count() const { return header_.index; }

 private:
  void write_round(const std::vector<RawDocument>& documents) {
    std::vector<EncodedDocument> encoded(documents.size());
    context_.threads.run(static_cast<int64_t>(documents.size()), [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      encoded[at] = encoder_.encode(documents[at]);
    });
    for (size_t i = 0; i < documents.size(); ++i) {
      if (encoded[i].defect) {
        count_skipped(source_, documents[i], *encoded[i].defect, encoded[i].problem, report_);
      } else {
        add(encoded[i]);
      }
    }
  }

  void add(const EncodedDocument& document) {
    if (!shard_) shard_.emplace(folder_ / shard_name(header_.index), header_);
    shard_->add(document.tokens, document.learned, document.text_hash, document.text_bytes);
    ++report_.documents;
    report_.tokens += document.tokens.size();
    report_.text_bytes += document.text_bytes;
    if (shard_->token_count() >= options_.shard_tokens) finish_shard();
  }

  void finish_shard() {
    if (!shard_) return;
    shard_->commit();
    shard_.reset();
    ++header_.index;
  }

  const Context& context_;
  const SourceOptions& source_;
  const MakeSourceOptions& options_;
  const DocumentEncoder encoder_;
  Path folder_;
  ShardHeader header_;
  std::optional<TokenShardWriter> shard_;
  SourceReport report_;
};

void save_list(const Path& path, const SourceOptions& source, uint64_t key, size_t shard_count,
               const SourceReport& report) {
  OrderedJson skipped = OrderedJson::object();
  for (size_t i = 0; i < kDefectCount; ++i) {
    if (report.skipped[i].count == 0) continue;
    skipped[defect_name(static_cast<Defect>(i))] = {{"count", report.skipped[i].count},
                                                    {"first", report.skipped[i].first}};
  }
  OrderedJson files = OrderedJson::array();
  for (const Path& file : source.files) files.push_back(file.string());
  const OrderedJson list = {{"name", source.name},
                            {"key", fmt::format("{:016x}", key)},
                            {"shards", shard_count},
                            {"documents", report.documents},
                            {"tokens", report.tokens},
                            {"text_bytes", report.text_bytes},
                            {"documents_cut", report.documents_cut},
                            {"skipped", skipped},
                            {"files", files}};
  FileWriter writer(path);
  writer.write(list.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  writer.commit();
}

uint64_t read_count(const Json& object, const char* key, const std::string& origin) {
  const auto value = json_get<int64_t>(object, key, origin);
  if (value && *value >= 0) return static_cast<uint64_t>(*value);
  throw Error(
      ErrorCode::kFormat,
      fmt::format("data: '{}' has no '{}'; delete its folder to have it made again", origin, key));
}

SourceReport read_skipped(const Json& list, const std::string& origin) {
  SourceReport report;
  report.documents = read_count(list, "documents", origin);
  report.tokens = read_count(list, "tokens", origin);
  report.text_bytes = read_count(list, "text_bytes", origin);
  report.documents_cut = read_count(list, "documents_cut", origin);
  const auto skipped = list.find("skipped");
  if (skipped == list.end() || !skipped->is_object()) return report;
  for (size_t i = 0; i < kDefectCount; ++i) {
    const auto found = skipped->find(defect_name(static_cast<Defect>(i)));
    if (found == skipped->end()) continue;
    report.skipped[i].count = read_count(*found, "count", origin);
    report.skipped[i].first = json_get<std::string>(*found, "first", origin).value_or("");
  }
  return report;
}

std::shared_ptr<const TokenSource> open_source(const std::string& name, const Path& folder,
                                               uint64_t key, bool made) {
  const std::string origin = (folder / kListName).string();
  const Json list = parse_json(read_file(folder / kListName, size_t{64} << 20), origin);
  SourceReport report = read_skipped(list, origin);
  report.made = made;
  const uint64_t shard_count = read_count(list, "shards", origin);
  std::vector<std::shared_ptr<const TokenShard>> shards;
  uint64_t documents = 0;
  for (uint64_t i = 0; i < shard_count; ++i) {
    shards.push_back(TokenShard::open(folder / shard_name(i)));
    const ShardHeader& header = shards.back()->header();
    documents += shards.back()->document_count();
    if (header.key == key && header.index == i) continue;
    throw Error(ErrorCode::kFormat,
                fmt::format("data: '{}' belongs to another source; delete its folder to have it "
                            "made again",
                            (folder / shard_name(i)).string()));
  }
  if (shards.empty() || documents != report.documents) {
    throw Error(ErrorCode::kFormat,
                fmt::format("data: '{}' does not agree with its shards; delete its folder to have "
                            "it made again",
                            origin));
  }
  return std::make_shared<const TokenSource>(name, std::move(shards), report);
}

// A folder that is removed at the end of the scope unless it was renamed.
struct PartialFolder {
  explicit PartialFolder(Path where) : path(std::move(where)) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~PartialFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  Path path;
};

void check_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (plain && !name.empty() && name.size() <= 64) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("data: '{}' is no name for a source; take up to 64 letters, digits, '-' "
                          "and '_'",
                          name));
}

[[noreturn]] void throw_no_documents(const SourceOptions& source, const SourceReport& report) {
  std::string seen;
  for (const std::string& line : describe_skipped(report)) seen += "; " + line;
  throw Error(ErrorCode::kFormat, fmt::format("data: there is no text in source '{}' ({} files){}",
                                              source.name, source.files.size(), seen));
}

}  // namespace

uint64_t source_key(const SourceOptions& source, const Vocabulary& vocabulary,
                    const ProgressSink& progress) {
  XxHash64 hash;
  hash.update_value(kVersion);
  hash.update_value(hash_vocabulary(vocabulary));
  hash.update_value(static_cast<uint32_t>(source.reader.format));
  hash.update_value(static_cast<uint32_t>(source.reader.split));
  update(hash, source.reader.separator);
  hash.update_value(uint64_t{source.reader.document_bytes_max});
  hash.update_value(uint64_t{source.encoder.fields.size()});
  for (const std::string& field : source.encoder.fields) update(hash, field);
  hash.update_value(static_cast<uint32_t>(source.encoder.trim));
  hash.update_value(static_cast<uint32_t>(source.encoder.begin));
  hash.update_value(static_cast<uint32_t>(source.encoder.end));
  hash.update_value(static_cast<uint32_t>(source.encoder.answers));
  hash.update_value(source.encoder.now);
  update(hash, source.reader.delimiter);
  update(hash, source.encoder.answer);
  update(hash, source.encoder.held_out_by);
  for (const auto* texts : {&source.reader.columns, &source.reader.rows, &source.encoder.prompts}) {
    hash.update_value(uint64_t{texts->size()});
    for (const std::string& text : *texts) update(hash, text);
  }
  hash.update_value(static_cast<uint32_t>(source.bad_documents));
  const std::string stage = fmt::format("reading {}", source.name);
  for (const Path& path : source.files) {
    const auto file = MappedFile::open(path);
    const auto bytes = file->bytes();
    hash.update_value(uint64_t{bytes.size()});
    for (size_t at = 0; at < bytes.size(); at += kHashPieceBytes) {
      const auto piece = bytes.subspan(at, std::min(kHashPieceBytes, bytes.size() - at));
      hash.update(piece);
      file->release(piece);
      report_progress(progress, {stage, at + piece.size(), bytes.size(), "bytes"});
    }
  }
  return hash.digest();
}

std::shared_ptr<const TokenSource> make_source(const Context& context, const SourceOptions& wanted,
                                               std::shared_ptr<const Tokenizer> tokenizer,
                                               const MakeSourceOptions& options) {
  check_name(wanted.name);
  SourceOptions source = wanted;
  source.encoder.format = source.reader.format;
  const uint64_t key = source_key(source, tokenizer->vocabulary(), options.progress);
  const std::string folder_name = fmt::format("{}-{:016x}", source.name, key);
  const Path folder = options.cache / folder_name;
  if (std::filesystem::exists(folder / kListName)) {
    return open_source(source.name, folder, key, false);
  }

  PartialFolder partial(options.cache / fmt::format("{}.{}.partial", folder_name, ::getpid()));
  SourceWriter writer(context, source, std::move(tokenizer), options, key, partial.path);
  const SourceReport report = writer.write();
  if (report.documents == 0) throw_no_documents(source, report);
  save_list(partial.path / kListName, source, key, writer.shard_count(), report);
  std::error_code failure;
  std::filesystem::rename(partial.path, folder, failure);
  // Another process may have made the same meanwhile.
  if (failure && !std::filesystem::exists(folder / kListName)) {
    throw Error(ErrorCode::kIo,
                fmt::format("data: cannot make '{}': {}", folder.string(), failure.message()));
  }
  return open_source(source.name, folder, key, true);
}

}  // namespace minim::train
