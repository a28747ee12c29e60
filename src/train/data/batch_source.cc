#include "train/data/batch_source.h"

#include "base/error.h"

namespace minim::train {

void check_position(const BatchSource& source, const StreamPosition& position) {
  if (position.fingerprint == source.fingerprint()) return;
  throw Error(ErrorCode::kFormat,
              "train: the checkpoint was made with other data, another mixture or another "
              "tokenizer; restore them, or start a new run from its weights");
}

}  // namespace minim::train
