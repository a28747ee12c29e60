// Searches for names through whole parts of a syntax tree.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "text/jinja/syntax_tree.h"

namespace minim::jinja {

// What the analysis of one template may cost; nested scopes are looked at more than once.
class Effort {
 public:
  void spend(size_t names) {
    if (names > left_) fail();
    left_ -= names;
  }

 private:
  [[noreturn]] static void fail();
  size_t left_ = 4'000'000;  // about a fifth of a second; published templates use 2 % at most
};

// Calls `visit` for each variable that the expression reads, in the order of the text.
void walk_names(const Expression& expression, const std::function<void(const std::string&)>& visit);

// Which of `names` the block reads before it assigns to them, functions within included.
std::set<std::string> find_undeclared(const Block& block, std::set<std::string> names,
                                      Effort& effort);

// The line of the first assignment to `name` in the loop, its target included; 0 if there is none.
int find_assignment(const ForStatement& loop, const std::string& name, Effort& effort);

}  // namespace minim::jinja
