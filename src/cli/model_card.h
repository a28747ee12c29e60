// Where a model comes from and what may be done with it, in the words of its file and of the text
// beside it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/model_file.h"

namespace minim::cli {

struct ModelCard {
  std::string title;    // general.name
  std::string license;  // "apache-2.0"
  std::string source;   // where the file, or the model it was made from, was published
  // Everything that the metadata says of origin and licence: "author", "base model", ...
  std::vector<std::pair<std::string, std::string>> facts;
};

// As the file has it: nothing here is fit for a terminal before it is escaped.
ModelCard read_model_card(const ModelFile& file);

// The card that lies beside a model: NAME.md or NAME.gguf.md beside a file, README.md in a model's
// own folder, or beside a file that is the only model there.
struct CardText {
  Path path;
  std::string text;  // cut after 64 KiB
  bool is_cut = false;
};
std::optional<CardText> find_card_text(const Path& model);

// Takes the licence from the head of the card beside the model ("license: mit" between lines of
// dashes), where that names one.
void add_license_of_text(const Path& model, ModelCard& card);

// Lines for a terminal: what is no text in them is escaped.
std::string printable_lines(const std::string& text);

}  // namespace minim::cli
