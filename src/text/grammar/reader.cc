#include "text/grammar/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace minim {
namespace {

uint32_t hash(CompiledGrammar::State target, Stacks::Id below) {
  const uint64_t product = (uint64_t{target} << 32 | below) * 0x9E3779B97F4A7C15u;
  return uint32_t(product >> 32);
}

}  // namespace

Stacks::Stacks() : nodes_{{CompiledGrammar::kDead, kBottom, 0}}, slots_(16, kBottom) {}

Stacks::Id Stacks::push(CompiledGrammar::State target, Id below) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash(target, below) & mask;
  for (; slots_[slot] != kBottom; slot = (slot + 1) & mask) {
    const Node& node = nodes_[slots_[slot]];
    if (node.target == target && node.below == below) return slots_[slot];
  }
  const uint32_t depth = nodes_[below].depth + 1;
  if (depth > kDepthMax) {
    throw Error(ErrorCode::kLimit,
                fmt::format("grammar: the text nests more than {} deep", kDepthMax));
  }
  const Id id = Id(nodes_.size());
  nodes_.push_back({target, below, depth});
  slots_[slot] = id;
  if (2 * nodes_.size() > slots_.size()) grow();
  return id;
}

void Stacks::grow() {
  slots_.assign(slots_.size() * 2, kBottom);
  const size_t mask = slots_.size() - 1;
  for (Id id = 1; id < nodes_.size(); ++id) {
    size_t slot = hash(nodes_[id].target, nodes_[id].below) & mask;
    while (slots_[slot] != kBottom) slot = (slot + 1) & mask;
    slots_[slot] = id;
  }
}

void Reader::enter(Place place, size_t begin, std::vector<Place>& out) {
  const auto known = [&](const std::vector<Place>& places, size_t from, const Place& wanted) {
    return std::find(places.begin() + std::ptrdiff_t(from), places.end(), wanted) != places.end();
  };
  // Places that are passed only are looked for in `work_`, which keeps all that was seen.
  work_.assign(1, place);
  for (size_t next = 0; next < work_.size(); ++next) {
    const auto [state, stack] = work_[next];
    const uint8_t flags = grammar_->flags(state);
    const bool ends = (flags & CompiledGrammar::kEnds) != 0;
    if (((flags & CompiledGrammar::kReads) != 0 || (ends && stack == Stacks::kBottom)) &&
        !known(out, begin, {state, stack})) {
      out.push_back({state, stack});
    }
    if (work_.size() > kPlacesMax || out.size() - begin > kPlacesMax) {
      throw Error(ErrorCode::kLimit,
                  fmt::format("grammar: a text can be read in more than {} ways at once; make the "
                              "grammar less ambiguous",
                              kPlacesMax));
    }
    const auto reach = [&](Place other) {
      if (!known(work_, 0, other)) work_.push_back(other);
    };
    if (ends) {
      if (stack == floor_ && floor_ != Stacks::kBottom) {
        floor_reached_ = true;
      } else {
        lowest_ = std::min(lowest_, stacks_.depth(stack));
        if (stack != Stacks::kBottom) reach({stacks_.target(stack), stacks_.below(stack)});
      }
    }
    for (const CompiledGrammar::Call& call : grammar_->calls(state)) {
      const Stacks::Id above =
          call.target == CompiledGrammar::kCallersOwn ? stack : stacks_.push(call.target, stack);
      reach({call.start, above});
    }
  }
}

}  // namespace minim
