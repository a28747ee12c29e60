// The models that are at hand: files in a few folders, found by name. Files stay where and as they
// are.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"

namespace minim::cli {

struct CatalogEntry {
  std::string name;  // the path below its folder, without .gguf or .bin: "llama/tiny-q4_0"
  Path path;
  Path folder;              // that it was found in; empty for the default model
  bool is_default = false;  // $MINIM_MODEL names it
  bool is_builtin = false;
  std::string problem;  // why it cannot even be looked at: a link that leads nowhere
};

// The folders of $MINIM_MODELS, separated by ':', or else $XDG_DATA_HOME/minim/models (by default
// ~/.local/share/minim/models) and ./models.
std::vector<Path> model_folders();

// GGUF files, Hugging Face folders and llama2.c checkpoints of those folders and of up to three
// levels below, and the default model; by name; then those that are built in. Links to files are
// followed, links to folders are not, so that no circle can be walked. No file is opened but those
// ending in .bin, whose first bytes tell what they are.
std::vector<CatalogEntry> list_models();

// The model to take where none is named: $MINIM_MODEL, or else the one that is built in. Throws
// kInvalidArgument where there is neither.
std::string default_model();

// What `model` stands for: itself where there is such a file or folder, or else the path of the
// model of this name, a file's before one that is built in. Throws kInvalidArgument, listing them,
// where several have the name. A name that nobody has comes back as it is: whoever opens it says
// that it is not there.
Path resolve_model(const std::string& model);

}  // namespace minim::cli
