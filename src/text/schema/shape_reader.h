// The keywords of one schema, read into a shape.
#pragma once

#include <string>

#include "text/schema/schema_shape.h"

namespace minim {

// Everything but references and combinations ($ref, allOf, anyOf, oneOf). Throws kFormat for a
// keyword with a value of the wrong type, kUnsupported.
void read_keywords(const SchemaShapes& shapes, const OrderedJson& schema, SchemaShape& shape);

}  // namespace minim
