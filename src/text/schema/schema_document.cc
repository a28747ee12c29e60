#include "text/schema/schema_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"

namespace minim {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ~0 and ~1 of RFC 6901.
std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) result += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return result;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      result += char(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool has_scheme(std::string_view uri) {
  const size_t end = uri.find_first_of(":/?#");
  return end != std::string_view::npos && end > 0 && uri[end] == ':';
}

// Joining takes time by the square of it.
void check_uri(std::string_view uri) {
  constexpr size_t kUriBytesMax = 4096;
  if (uri.size() <= kUriBytesMax) return;
  throw Error(ErrorCode::kLimit,
              fmt::format("schema: the identifier '{}...' has {} bytes, at most {} are allowed",
                          uri.substr(0, 40), uri.size(), kUriBytesMax));
}

// A reference seen from `base` (RFC 3986, section 5.2, for bases without queries). Neither has a
// fragment.
std::string join_uri(const std::string& base, const std::string& reference) {
  check_uri(base);
  check_uri(reference);
  if (reference.empty()) return base;
  if (has_scheme(reference)) return reference;
  const size_t scheme_end = has_scheme(base) ? base.find(':') + 1 : 0;
  if (reference.starts_with("//")) return base.substr(0, scheme_end) + reference;
  size_t path_begin = scheme_end;
  if (std::string_view(base).substr(scheme_end).starts_with("//")) {
    path_begin = std::min(base.find('/', scheme_end + 2), base.size());
  }
  if (reference.starts_with('/')) return base.substr(0, path_begin) + reference;
  const size_t slash = base.rfind('/');
  std::string joined =
      slash != std::string::npos && slash >= path_begin
          ? base.substr(0, slash + 1) + reference
          : base.substr(0, path_begin) + (path_begin > scheme_end ? "/" : "") + reference;
  for (size_t at; (at = joined.find("/./", path_begin)) != std::string::npos;) joined.erase(at, 2);
  for (size_t at; (at = joined.find("/../", path_begin)) != std::string::npos;) {
    const size_t before = at == path_begin ? at : joined.rfind('/', at - 1);
    joined.erase(before, at + 3 - before);
  }
  return joined;
}

const OrderedJson* follow_pointer(const OrderedJson& from, std::string_view pointer) {
  const OrderedJson* at = &from;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    std::string name;
    for (size_t i = 0; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
        name += pointer[++i] == '0' ? '~' : '/';
      } else {
        name += pointer[i];
      }
    }
    pointer.remove_prefix(end);
    if (at->is_object()) {
      const auto found = at->find(name);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array() && !name.empty() && name.size() < 7 &&
               name.find_first_not_of("0123456789") == std::string::npos) {
      const size_t index = std::stoul(name);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

}  // namespace

SchemaDocument::SchemaDocument(const OrderedJson& root) : root_(root) {
  if (root.is_object() && root.contains("$schema") && root["$schema"].is_string()) {
    const auto& draft = root["$schema"].get_ref<const std::string&>();
    for (const char* old : {"draft-07", "draft-06", "draft-04"}) {
      if (draft.find(old) != std::string::npos) ref_has_siblings_ = false;
    }
    if (draft.find("json-schema.org/") == std::string::npos) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("schema: '$schema' names '{}', a dialect that is not known; drafts "
                              "2020-12, 2019-09 and 7 are",
                              draft));
    }
  }
  by_uri_.emplace("", &root);
  index(root, "", "#");
}

void SchemaDocument::index(const OrderedJson& schema, const std::string& outer_base,
                           const std::string& path) {
  paths_.emplace(&schema, path);
  std::string base = outer_base;
  if (schema.is_object()) {
    const auto text = [&](const char* name) -> std::optional<std::string> {
      const auto found = schema.find(name);
      if (found == schema.end() || !found->is_string()) return std::nullopt;
      return found->get<std::string>();
    };
    const bool only_ref = !ref_has_siblings_ && schema.contains("$ref");
    if (const auto id = text("$id"); id && !only_ref) {
      const size_t hash = std::min(id->find('#'), id->size());
      if (hash > 0) base = join_uri(base, id->substr(0, hash));
      by_uri_.try_emplace(base, &schema);
      if (hash + 1 < id->size()) by_uri_.try_emplace(base + id->substr(hash), &schema);
    }
    for (const char* name : {"$anchor", "$dynamicAnchor"}) {
      if (const auto anchor = text(name)) by_uri_.try_emplace(base + "#" + *anchor, &schema);
    }
    for (const auto& [keyword, value] : schema.items()) index_keyword(keyword, value, base, path);
  }
  bases_.emplace(&schema, base);
}

void SchemaDocument::index_keyword(const std::string& keyword, const OrderedJson& value,
                                   const std::string& base, const std::string& path) {
  const std::string below = path + "/" + escaped(keyword);
  if (is_one_of(keyword, {"items", "additionalItems", "additionalProperties", "contains", "not",
                          "if", "then", "else", "propertyNames", "unevaluatedItems",
                          "unevaluatedProperties", "contentSchema"}) &&
      !value.is_array()) {
    index(value, base, below);
  } else if (is_one_of(keyword, {"allOf", "anyOf", "oneOf", "prefixItems", "items"}) &&
             value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) index(value[i], base, fmt::format("{}/{}", below, i));
  } else if (is_one_of(keyword, {"properties", "patternProperties", "$defs", "definitions",
                                 "dependentSchemas", "dependencies"}) &&
             value.is_object()) {
    for (const auto& [name, schema] : value.items())
      index(schema, base, below + "/" + escaped(name));
  }
}

const OrderedJson& SchemaDocument::resolve(const OrderedJson& schema) const {
  const OrderedJson& value = schema.at("$ref");
  if (!value.is_string()) {
    throw Error(ErrorCode::kFormat, fmt::format("schema: '$ref' at {} is no text", path(schema)));
  }
  const std::string& reference = value.get_ref<const std::string&>();
  const size_t hash = std::min(reference.find('#'), reference.size());
  const auto known_base = bases_.find(&schema);
  const std::string uri =
      join_uri(known_base == bases_.end() ? "" : known_base->second, reference.substr(0, hash));
  const std::string fragment =
      hash < reference.size() ? percent_decoded(std::string_view(reference).substr(hash + 1)) : "";
  const auto resource = by_uri_.find(uri);
  if (resource == by_uri_.end()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("schema: '$ref' at {} names '{}', which is not in this document; put "
                            "it into $defs",
                            path(schema), reference));
  }
  const OrderedJson* found = nullptr;
  if (fragment.empty() || fragment[0] == '/') {
    found = follow_pointer(*resource->second, fragment);
  } else if (const auto anchor = by_uri_.find(uri + "#" + fragment); anchor != by_uri_.end()) {
    found = anchor->second;
  }
  if (found == nullptr) {
    throw Error(ErrorCode::kFormat, fmt::format("schema: '$ref' at {} names '{}', which is not "
                                                "there",
                                                path(schema), reference));
  }
  return *found;
}

std::string SchemaDocument::path(const OrderedJson& schema) const {
  const auto known = paths_.find(&schema);
  return known == paths_.end() ? "#" : known->second;
}

}  // namespace minim
