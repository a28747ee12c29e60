#include "formats/vocabulary_file.h"

#include <string>

#include "formats/gguf/gguf_writer.h"
#include "formats/huggingface/tokenizer_json.h"
#include "formats/huggingface/tokenizer_json_writer.h"
#include "formats/model_file.h"
#include "formats/vocabulary.h"

namespace minim {

Vocabulary load_vocabulary(const Path& path) {
  if (path.extension() == ".json") {
    return read_tokenizer_json(read_file(path, size_t{256} << 20));
  }
  return read_vocabulary(open_model_file(path)->metadata());
}

void save_vocabulary(const Vocabulary& vocabulary, const Path& path) {
  if (path.extension() == ".json") {
    FileWriter writer(path);
    writer.write(format_tokenizer_json(vocabulary));
    writer.commit();
    return;
  }
  Metadata metadata;
  // What llama.cpp writes for files of this kind.
  metadata.set_string("general.type", "vocab");
  metadata.set_string("general.architecture", "llama");
  write_vocabulary(vocabulary, metadata);
  GgufWriter writer(path, metadata, {});
  writer.commit();
}

}  // namespace minim
