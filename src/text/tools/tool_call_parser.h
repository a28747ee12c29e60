// Tool calls in what a model writes, whatever its notation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/partial_json.h"
#include "text/tools/call_arguments.h"
#include "text/tools/tool_list.h"
#include "text/tools/tool_notation.h"
#include "text/tools/tool_parameters.h"

namespace minim {

// A call, or a piece of one: the first piece has the name, the arguments are those of all its
// pieces together.
struct ParsedToolCall {
  int index = 0;  // among the calls of this text
  ToolCall call;
  bool begins = true;
  bool ends = true;
};

enum class ToolCallPieces : uint8_t {
  kWhole,  // a call is told when all of it was read
  // Arguments are told as they are written, as long as the name stands before them. What turns out
  // to be no call then stays one that does not end: for a text that is held to calls, which only
  // its end can cut.
  kAsWritten,
};

// Takes calls out of a text that comes in pieces, cut anywhere. What is marked as a call but is
// none (no JSON, no name, arguments that are no object, longer than kCallBytesMax) is text after
// all. In a notation without marks, a call is JSON at the beginning of the text that names a tool.
class ToolCallParser {
 public:
  static constexpr size_t kCallBytesMax = size_t{1} << 20;
  static constexpr int kCallsMax = 1024;  // further ones are text

  // `tools`: those that there are; without any, calls of any name are calls.
  explicit ToolCallParser(ToolNotation notation, const ToolList& tools = {},
                          ToolCallPieces pieces = ToolCallPieces::kWhole);

  struct Output {
    std::string text;  // that is certain now to be none of a call
    std::vector<ParsedToolCall> calls;
  };
  // If pieces are whole characters, so is the text. White space behind a call is text where text
  // follows it.
  Output push(std::string_view piece);
  // The text ends here: what was held back. A call whose JSON is whole counts without its mark of
  // the end.
  Output finish();

 private:
  enum class State : uint8_t {
    kText,  // a beginning is looked for
    kName,  // of name[ARGS]
    kJson,  // white space before it too
    kTags,  // a tagged call, up to the end of its function
    kEnd,   // white space, and the mark of the end
  };
  enum class Step : uint8_t { kDone, kWaits, kFails };
  // Each returns whether it got further.
  bool take_text(Output& output, bool is_last);
  bool take_start(Output& output, bool is_last);
  bool take_name(Output& output, bool is_last);
  bool take_json(Output& output, bool is_last);
  bool take_tags(Output& output, bool is_last);
  Step take_tag(bool is_last, Output& output);
  Step take_tag_name(std::string_view mark, bool is_last, std::string& name);
  Step take_value(Output& output);
  bool take_end(Output& output, bool is_last);
  void run(Output& output, bool is_last);
  void begin(size_t mark_size);
  bool give_up(Output& output);
  bool keep_calls(Output& output);
  bool is_known(std::string_view name) const;
  void tell(CallArguments::Event event, char c, Output& output);
  void begin_piece(const std::string& name, Output& output);
  void add_piece(std::string_view arguments, bool ends, Output& output);
  void say(Output& output, std::string_view text);
  void skip_space();
  std::string_view ahead() const { return std::string_view(held_).substr(place_); }
  bool read_calls(std::string_view json);
  bool read_call(const OrderedJson& value);

  const ToolNotation notation_;
  const ToolCallPieces pieces_;
  const ToolSyntax& syntax_;
  std::vector<std::string> names_;
  ToolParameters parameters_;
  State state_ = State::kText;
  std::string held_;  // from front_ on nothing is decided, up to place_ it was looked at
  size_t front_ = 0;
  size_t place_ = 0;
  size_t json_begin_ = 0;
  PartialJson json_;
  CallArguments written_;        // of json_, with kAsWritten
  size_t told_ = 0;              // calls of what is being read, in pieces
  std::string name_;             // of name[ARGS], or of a tagged function
  std::string parameter_;        // whose value is being read, from value_begin_ on
  size_t value_begin_ = 0;       // after front_; 0: none
  OrderedJson arguments_;        // of a tagged call
  std::vector<ToolCall> calls_;  // of the JSON at hand
  bool end_missing_ = false;     // the mark of the end need not come
  bool said_text_ = false;
  bool after_call_ = false;
  std::string space_;  // after it
  int count_ = 0;
};

}  // namespace minim
