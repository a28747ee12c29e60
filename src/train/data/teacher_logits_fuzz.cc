// Any bytes as a file of a teacher's predictions: what is accepted can be read.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "train/data/teacher_logits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  try {
    const auto reader = minim::train::TeacherLogitsReader::parse(bytes, "fuzz");
    minim::train::TeacherRow row;
    for (uint64_t i = 0; i < reader->row_count(); ++i) {
      MINIM_CHECK(reader->read(reader->row_hash(i), row));
      for (const int32_t token : row.tokens) {
        MINIM_CHECK(token >= 0 && token < reader->header().vocabulary_size);
      }
      for (const float tail : row.tails) MINIM_CHECK(!std::isnan(tail));
    }
  } catch (const minim::Error&) {
  }
  return 0;
}
