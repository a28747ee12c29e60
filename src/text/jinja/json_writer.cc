// json.dumps(), which templates reach through the filter `tojson`.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/utf8.h"

namespace minim::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Sandbox& box, const JsonStyle& style) : box_(box), style_(style), out_(box) {}

  void write(const Value& value) {
    const Sandbox::Level level(box_);
    switch (value.kind()) {
      case Kind::kNone: return out_.append("null");
      case Kind::kBool: return out_.append(value.boolean() ? "true" : "false");
      case Kind::kInt: return out_.append(integer_to_text(value.integer()));
      case Kind::kFloat: return out_.append(real(value.real()));
      case Kind::kString: return write_string(value.text());
      case Kind::kList:
      case Kind::kTuple: return write_list(value.items());
      case Kind::kDict: return write_dict(value.dict());
      default:
        box_.fail(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  std::string take() { return out_.take(); }

 private:
  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return real_to_text(value);
  }

  void write_list(const Values& items) {
    if (items.empty()) return out_.append("[]");
    out_.append("[");
    ++depth_;
    for (size_t i = 0; i < items.size(); ++i) {
      separate(i);
      write(items[i]);
    }
    --depth_;
    new_line();
    out_.append("]");
  }

  void write_dict(const Dict& dict) {
    if (dict.entries.empty()) return out_.append("{}");
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(box_, a->key, b->key); });
    }
    out_.append("{");
    ++depth_;
    for (size_t i = 0; i < entries.size(); ++i) {
      separate(i);
      write_key(entries[i]->key);
      out_.append(style_.key_separator);
      write(entries[i]->value);
    }
    --depth_;
    new_line();
    out_.append("}");
  }

  void write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kString: return write_string(key.text());
      case Kind::kNone: return write_string("null");
      case Kind::kBool: return write_string(key.boolean() ? "true" : "false");
      case Kind::kInt: return write_string(integer_to_text(key.integer()));
      case Kind::kFloat: return write_string(real(key.real()));
      default:
        box_.fail(
            fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
    }
  }

  void separate(size_t position) {
    if (position > 0) out_.append(style_.item_separator);
    new_line();
  }

  void new_line() {
    if (!style_.indented) return;
    out_.append("\n");
    for (int i = 0; i < depth_; ++i) out_.append(style_.indent);
  }

  void write_string(std::string_view text) {
    out_.append("\"");
    size_t plain = 0;
    for (size_t i = 0; i < text.size();) {
      const Utf8Character character = utf8_at(text, i);
      if (needs_escape(character.code)) {
        out_.append(text.substr(plain, i - plain));
        write_escaped(character.code);
        plain = i + character.length;
      }
      i += character.length;
    }
    out_.append(text.substr(plain));
    out_.append("\"");
  }

  bool needs_escape(char32_t code) const {
    return code < 0x20 || code == '"' || code == '\\' || (style_.ascii_only && code > 0x7E);
  }

  void write_escaped(char32_t code) {
    switch (code) {
      case '"': return out_.append("\\\"");
      case '\\': return out_.append("\\\\");
      case '\n': return out_.append("\\n");
      case '\r': return out_.append("\\r");
      case '\t': return out_.append("\\t");
      case '\b': return out_.append("\\b");
      case '\f': return out_.append("\\f");
      case 0x7F: return out_.append("\x7F");
      default: break;
    }
    const unsigned number = code;
    if (number < 0x10000) return out_.append(fmt::format("\\u{:04x}", number));
    const unsigned offset = number - 0x10000;
    out_.append(
        fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10), 0xDC00 + (offset & 0x3FF)));
  }

  Sandbox& box_;
  const JsonStyle& style_;
  TextBuilder out_;
  int depth_ = 0;
};

}  // namespace

std::string to_json(Sandbox& box, const Value& value, const JsonStyle& style) {
  JsonWriter writer(box, style);
  writer.write(value);
  return writer.take();
}

}  // namespace minim::jinja
