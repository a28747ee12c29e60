// A JSON schema and what its references lead to.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"

namespace minim {

// Finds $id, $anchor and the definitions of a schema; draft 7 and 2019-09 as well as 2020-12.
class SchemaDocument {
 public:
  // REQUIRES: `root` outlives it.
  explicit SchemaDocument(const OrderedJson& root);

  const OrderedJson& root() const { return root_; }
  // What "$ref" of `schema` names. Throws kFormat for what is not there, kUnsupported for what lies
  // in another document.
  const OrderedJson& resolve(const OrderedJson& schema) const;
  // "#/properties/a": where a schema is, for messages.
  std::string path(const OrderedJson& schema) const;
  // Whether keywords beside $ref count, as they do from 2019-09 on.
  bool ref_has_siblings() const { return ref_has_siblings_; }

 private:
  void index(const OrderedJson& schema, const std::string& base, const std::string& path);
  void index_keyword(const std::string& keyword, const OrderedJson& value, const std::string& base,
                     const std::string& path);

  const OrderedJson& root_;
  bool ref_has_siblings_ = true;
  std::unordered_map<std::string, const OrderedJson*> by_uri_;
  std::unordered_map<const OrderedJson*, std::string> bases_, paths_;
};

}  // namespace minim
