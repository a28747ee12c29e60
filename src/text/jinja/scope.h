// Which variable a name means. jinja2 decides this when it compiles a template, and the rules show:
// a {% set %} in a loop ends with the loop, one in an {% if %} does not, a macro sees later changes
// of the variables around it. This follows its analysis (jinja2/idtracking.py) step by step.
#pragma once

#include "text/jinja/syntax_tree.h"

namespace minim::jinja {

// Fills in the slots and scopes of the whole template. Throws kFormat where the special variable
// `loop` is assigned to, kUnsupported for filters and tests that are not known and certain to run.
void resolve_variables(Template& program);

}  // namespace minim::jinja
