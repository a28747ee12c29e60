#include "text/jinja/print.h"

#include <fmt/core.h>
#include <fmt/format.h>
#include <utf8proc.h>

#include <charconv>
#include <cmath>

#include "text/jinja/syntax_tree.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

// Python's str.isprintable() for one character.
bool is_printable(char32_t code) {
  if (code == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
  }
}

std::string escaped_character(char32_t code, char quote) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  if (code == '\\') return "\\\\";
  if (code == static_cast<char32_t>(quote)) return std::string{'\\', quote};
  const unsigned number = code;
  if (number < 0x100) return fmt::format("\\x{:02x}", number);
  if (number < 0x10000) return fmt::format("\\u{:04x}", number);
  return fmt::format("\\U{:08x}", number);
}

void append_string_repr(std::string_view text, TextBuilder& out) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out.append({&quote, 1});
  size_t plain = 0;  // where the text that needs no escape begins
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = utf8_at(text, i);
    const char32_t code = character.code;
    if (code == '\\' || code == static_cast<char32_t>(quote) || !is_printable(code)) {
      out.append(text.substr(plain, i - plain));
      out.append(escaped_character(code, quote));
      plain = i + character.length;
    }
    i += character.length;
  }
  out.append(text.substr(plain));
  out.append({&quote, 1});
}

void append_items(Sandbox& box, const Values& items, TextBuilder& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(", ");
    append_repr(box, items[i], out);
  }
}

void append_dict(Sandbox& box, const Dict& dict, TextBuilder& out) {
  out.append("{");
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) out.append(", ");
    append_repr(box, dict.entries[i].key, out);
    out.append(": ");
    append_repr(box, dict.entries[i].value, out);
  }
  out.append("}");
}

void append_view(Sandbox& box, const Value& value, TextBuilder& out) {
  const View& view = value.as<View>();
  out.append(type_name(value));
  out.append("([");
  const char* separator = "";
  for (const Dict::Entry& entry : view.dict.dict().entries) {
    out.append(std::exchange(separator, ", "));
    if (view.what == ViewKind::kItems) out.append("(");
    if (view.what != ViewKind::kValues) append_repr(box, entry.key, out);
    if (view.what == ViewKind::kItems) out.append(", ");
    if (view.what != ViewKind::kKeys) append_repr(box, entry.value, out);
    if (view.what == ViewKind::kItems) out.append(")");
  }
  out.append("])");
}

void append_namespace(Sandbox& box, const Namespace& space, TextBuilder& out) {
  out.append("<Namespace {");
  const char* separator = "";
  for (const auto& [name, value] : space.attributes) {
    out.append(std::exchange(separator, ", "));
    append_string_repr(name, out);
    out.append(": ");
    append_repr(box, value, out);
  }
  out.append("}>");
}

std::string range_text(const Range& range) {
  std::string text = "range(" + integer_to_text(range.start) + ", " + integer_to_text(range.stop);
  if (range.step != 1) text += ", " + integer_to_text(range.step);
  return text + ")";
}

}  // namespace

std::string integer_to_text(Int value) { return fmt::format("{}", value); }

std::string real_to_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const double magnitude = std::abs(value);
  // CPython writes an exponent below 1e-4 and from 1e16 on.
  const bool scientific = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, format).ptr;
  std::string text(buffer, end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string to_text(Sandbox& box, const Value& value) {
  switch (value.kind()) {
    case Kind::kString: box.work(value.text().size()); return std::string(value.text());
    case Kind::kMissing:
    case Kind::kUndefined: return {};
    default: return to_repr(box, value);
  }
}

std::string to_repr(Sandbox& box, const Value& value) {
  TextBuilder out(box);
  append_repr(box, value, out);
  return out.take();
}

void append_repr(Sandbox& box, const Value& value, TextBuilder& out) {
  const Sandbox::Level level(box);
  switch (value.kind()) {
    case Kind::kMissing: return;
    case Kind::kNone: return out.append("None");
    case Kind::kBool: return out.append(value.boolean() ? "True" : "False");
    case Kind::kInt: return out.append(integer_to_text(value.integer()));
    case Kind::kFloat: return out.append(real_to_text(value.real()));
    case Kind::kUndefined: return out.append("Undefined");
    case Kind::kString:
      if (value.string().safe) out.append("Markup(");
      append_string_repr(value.text(), out);
      if (value.string().safe) out.append(")");
      return;
    case Kind::kList:
      out.append("[");
      append_items(box, value.items(), out);
      return out.append("]");
    case Kind::kTuple:
      out.append("(");
      append_items(box, value.items(), out);
      return out.append(value.items().size() == 1 ? ",)" : ")");
    case Kind::kDict: return append_dict(box, value.dict(), out);
    case Kind::kView: return append_view(box, value, out);
    case Kind::kRange: return out.append(range_text(value.as<Range>()));
    case Kind::kNamespace: return append_namespace(box, value.as<Namespace>(), out);
    case Kind::kMacro: {
      const std::string& name = value.as<Macro>().definition.name;
      return out.append(name.empty() ? "<Macro anonymous>" : "<Macro '" + name + "'>");
    }
    case Kind::kLoop: {
      Loop& loop = value.as<Loop>();
      return out.append(fmt::format("<LoopContext {}/{}>", loop.index0 + 1, loop.length(box)));
    }
    default: box.unsupported(fmt::format("printing a {}", type_name(value)));
  }
}

}  // namespace minim::jinja
