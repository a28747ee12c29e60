// Any bytes as what a model with tools writes, in every notation: however they are cut, calls and
// text are the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tools/tool_call_parser.h"

namespace {

struct Result {
  std::string text;
  std::vector<minim::ToolCall> calls;
};

Result read(minim::ToolNotation notation, minim::ToolCallPieces told, std::string_view text,
            size_t step) {
  minim::ToolCallParser parser(notation, {}, told);
  Result result;
  const auto add = [&](const minim::ToolCallParser::Output& output) {
    result.text += output.text;
    for (const minim::ParsedToolCall& piece : output.calls) {
      if (piece.begins) result.calls.push_back({piece.call.name, ""});
      if (piece.index + size_t{1} != result.calls.size()) std::abort();
      result.calls.back().arguments += piece.call.arguments;
    }
  };
  for (size_t at = 0; at < text.size(); at += step) add(parser.push(text.substr(at, step)));
  add(parser.finish());
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using minim::ToolCallPieces;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (int i = 0; i < minim::kToolNotationCount; ++i) {
    const auto notation = static_cast<minim::ToolNotation>(i);
    for (const auto told : {ToolCallPieces::kWhole, ToolCallPieces::kAsWritten}) {
      const Result whole = read(notation, told, text, size + 1);
      const Result pieces = read(notation, told, text, 3);
      if (whole.text != pieces.text || whole.calls != pieces.calls) std::abort();
      if (whole.text.size() > size) std::abort();
      // What is told as it is written may be cut.
      if (told == ToolCallPieces::kAsWritten) continue;
      for (const minim::ToolCall& call : whole.calls) {
        if (!minim::parse_ordered_json(call.arguments, "arguments").is_object()) std::abort();
      }
    }
  }
  return 0;
}
