#include "text/grammar/token_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace minim {
namespace {

using State = CompiledGrammar::State;

constexpr uint32_t kNoCaller = UINT32_MAX;  // below the bottom of a stack

void set_bit(std::span<uint64_t> bits, TokenId token) {
  bits[size_t(token) / 64] |= uint64_t{1} << (token % 64);
}

}  // namespace

TokenSet::TokenSet(std::span<const uint64_t> bits) {
  size_t count = 0;
  for (const uint64_t word : bits) count += size_t(std::popcount(word));
  if (count > bits.size()) {
    bits_.assign(bits.begin(), bits.end());
    return;
  }
  tokens_.reserve(count);
  for (size_t i = 0; i < bits.size(); ++i) {
    for (uint64_t word = bits[i]; word != 0; word &= word - 1) {
      tokens_.push_back(TokenId(64 * i) + TokenId(std::countr_zero(word)));
    }
  }
}

void TokenSet::add_to(std::span<uint64_t> bits) const {
  for (size_t i = 0; i < bits_.size(); ++i) bits[i] |= bits_[i];
  for (const TokenId token : tokens_) set_bit(bits, token);
}

size_t TokenSet::memory_bytes() const {
  return sizeof(*this) + bits_.size() * sizeof(bits_[0]) + tokens_.size() * sizeof(tokens_[0]);
}

// A trie and the grammar, step by step together.
class TokenGrammar::Walk {
 public:
  Walk(const TokenGrammar& owner, Reader& reader, std::span<uint64_t> bits)
      : grammar_(*owner.grammar_),
        tries_(*owner.tries_),
        live_(owner.live_),
        reader_(reader),
        bits_(bits),
        levels_(tries_.depth_max() + 1) {}

  // Where the floor was reached, if anywhere.
  std::vector<Exit> exits;

  // The nodes from `first` to `past`, whose parent has the places `from`.
  void run(uint32_t trie_index, uint32_t first, uint32_t past, std::span<const Place> from) {
    const TokenTrie& trie = tries_[trie_index];
    if (first == past) return;
    places_.assign(from.begin(), from.end());
    set_level(trie.depths[first] - 1u, 0);
    for (uint32_t node = first; node < past;) {
      const uint32_t depth = trie.depths[node];
      const Level& above = levels_[depth - 1];
      const State state = above.only.state == CompiledGrammar::kDead
                              ? CompiledGrammar::kDead
                              : grammar_.step(above.only.state, trie.bytes[node]);
      if ((grammar_.flags(state) & CompiledGrammar::kPlain) != 0) {
        levels_[depth] = {{state, above.only.stack}, above.end, above.end};
        allow(trie, node, depth);
        ++node;
        continue;
      }
      bool alive = false, exit = false;
      if (above.only.state == CompiledGrammar::kDead || state != CompiledGrammar::kDead) {
        alive = step(depth, trie.bytes[node]);
        exit = reader_.take_floor_reached();
      }
      if (exit) exits.push_back({trie_index, node});
      if (alive || exit) allow(trie, node, depth);
      node = alive ? node + 1 : trie.skips[node];
    }
  }

 private:
  // The places at one node of the path: a single one, or a stretch of `places_`, which holds those
  // of deeper nodes after it.
  struct Level {
    Place only;  // of state kDead: see the stretch
    uint32_t begin = 0, end = 0;
  };

  void set_level(uint32_t depth, uint32_t begin) {
    const auto end = static_cast<uint32_t>(places_.size());
    levels_[depth] = {end - begin == 1 ? places_[begin] : Place{}, begin, end};
  }

  bool step(uint32_t depth, uint8_t byte) {
    const Level above = levels_[depth - 1];
    places_.resize(above.end);
    if (above.only.state != CompiledGrammar::kDead) {
      reader_.step(above.only, byte, above.end, places_);
    } else {
      for (uint32_t i = above.begin; i < above.end; ++i) {
        reader_.step(places_[i], byte, above.end, places_);
      }
    }
    set_level(depth, above.end);
    return places_.size() > above.end;
  }

  bool is_live(const Level& level) const {
    if (level.only.state != CompiledGrammar::kDead) return live_[level.only.state];
    return std::any_of(places_.begin() + level.begin, places_.begin() + level.end,
                       [&](const Place& place) { return live_[place.state]; });
  }

  void allow(const TokenTrie& trie, uint32_t node, uint32_t depth) {
    const uint32_t begin = trie.token_begins[node], end = trie.token_begins[node + 1];
    if (begin == end || (!live_.empty() && !is_live(levels_[depth]))) return;
    for (uint32_t i = begin; i < end; ++i) set_bit(bits_, trie.tokens[i]);
  }

  const CompiledGrammar& grammar_;
  const TokenTries& tries_;
  const std::vector<bool>& live_;
  Reader& reader_;
  std::span<uint64_t> bits_;
  std::vector<Place> places_;
  std::vector<Level> levels_;  // by depth
};

std::shared_ptr<TokenGrammar> TokenGrammar::make(Grammar grammar,
                                                 std::shared_ptr<const TokenTries> tries,
                                                 size_t mask_bytes_max) {
  Budget budget(grammar.budget().limits());
  std::shared_ptr<const CompiledGrammar> compiled =
      compile_grammar(std::move(grammar), tries->bytes());
  std::shared_ptr<TokenGrammar> result(
      new TokenGrammar(std::move(compiled), std::move(tries), mask_bytes_max));
  if ((result->grammar_->bytes() & ~result->tries_->single_bytes()).any()) {
    budget.spend(result->grammar_->compile_steps());
    result->find_live_states(budget);
  }
  return result;
}

TokenGrammar::TokenGrammar(std::shared_ptr<const CompiledGrammar> grammar,
                           std::shared_ptr<const TokenTries> tries, size_t mask_bytes_max)
    : grammar_(std::move(grammar)),
      tries_(std::move(tries)),
      entries_(1),
      mask_bytes_max_(mask_bytes_max) {}

// Backwards from the states that end the text, along whole tokens.
void TokenGrammar::find_live_states(Budget& budget) {
  if (grammar_->has_calls()) {
    throw Error(ErrorCode::kUnsupported,
                "grammar: this vocabulary has no tokens for some of the bytes that the grammar "
                "needs, which only grammars without recursion can do without");
  }
  const uint32_t count = grammar_->state_count();
  std::vector<std::vector<State>> sources(count);
  std::vector<State> path(tries_->depth_max() + 1), work;
  std::vector<State> last(count, CompiledGrammar::kDead);
  live_.assign(count, false);
  for (State from = CompiledGrammar::kStart; from < count; ++from) {
    if ((grammar_->flags(from) & CompiledGrammar::kEnds) != 0)
      work.push_back(from), live_[from] = true;
    path[0] = from;
    for (size_t k = 0; k < TokenTries::kCount; ++k) {
      const TokenTrie& trie = (*tries_)[k];
      for (uint32_t node = 0; node < trie.size();) {
        budget.spend(1);
        const State state = grammar_->step(path[trie.depths[node] - 1u], trie.bytes[node]);
        path[trie.depths[node]] = state;
        if (trie.token_begins[node] != trie.token_begins[node + 1] && last[state] != from) {
          last[state] = from;
          sources[state].push_back(from);
        }
        node = state != CompiledGrammar::kDead ? node + 1 : trie.skips[node];
      }
    }
  }
  while (!work.empty()) {
    const State state = work.back();
    work.pop_back();
    for (const State source : sources[state]) {
      if (!live_[source]) live_[source] = true, work.push_back(source);
    }
  }
  if (!live_[CompiledGrammar::kStart]) {
    throw Error(ErrorCode::kFormat,
                "grammar: no text that matches it can be put together from the "
                "tokens of this vocabulary");
  }
}

bool TokenGrammar::after_ordinary(State from, std::vector<State>& out) const {
  struct Lead {
    uint8_t first, last, second_first, second_last;
    int more;
  };
  // Unicode 15, table 3-7.
  static constexpr Lead kLeads[] = {{0xC2, 0xDF, 0x80, 0xBF, 0}, {0xE0, 0xE0, 0xA0, 0xBF, 1},
                                    {0xE1, 0xEC, 0x80, 0xBF, 1}, {0xED, 0xED, 0x80, 0x9F, 1},
                                    {0xEE, 0xEF, 0x80, 0xBF, 1}, {0xF0, 0xF0, 0x90, 0xBF, 2},
                                    {0xF1, 0xF3, 0x80, 0xBF, 2}, {0xF4, 0xF4, 0x80, 0x8F, 2}};
  std::vector<State> states, next;
  // All that the states reach by the bytes; false where one of them reaches nothing, or leaves the
  // automaton.
  const auto advance = [&](const std::vector<State>& sources, int first, int last,
                           std::vector<State>& reached) {
    for (const State source : sources) {
      for (int byte = first; byte <= last; ++byte) {
        if (byte == '"' || byte == '\\') continue;
        const State state = grammar_->step(source, uint8_t(byte));
        if ((grammar_->flags(state) & CompiledGrammar::kPlain) == 0) {
          return false;
        }
        if (std::find(reached.begin(), reached.end(), state) == reached.end()) {
          reached.push_back(state);
        }
      }
    }
    return true;
  };
  const std::vector<State> start = {from};
  if (!advance(start, 0x20, 0x7F, out)) return false;
  for (const Lead& lead : kLeads) {
    states.clear();
    if (!advance(start, lead.first, lead.last, states)) return false;
    for (int i = 0; i <= lead.more; ++i) {
      next.clear();
      const int first = i == 0 ? lead.second_first : 0x80, last = i == 0 ? lead.second_last : 0xBF;
      if (!advance(states, first, last, next)) return false;
      states.swap(next);
    }
    for (const State state : states) {
      if (std::find(out.begin(), out.end(), state) == out.end()) out.push_back(state);
    }
  }
  return true;
}

int TokenGrammar::ordinary_run(State state) const {
  constexpr size_t kStatesMax = 64;
  std::vector<State> seen = {state}, reached;
  size_t done = 0;
  for (int length = 0; length < TokenTries::kShortCharacters; ++length) {
    const size_t frontier_end = seen.size();
    for (; done < frontier_end; ++done) {
      reached.clear();
      if (!after_ordinary(seen[done], reached)) return length;
      for (const State next : reached) {
        if (std::find(seen.begin(), seen.end(), next) == seen.end()) seen.push_back(next);
      }
    }
    if (seen.size() == frontier_end) return INT32_MAX;
    if (seen.size() > kStatesMax) return length;
  }
  return TokenTries::kShortCharacters;
}

std::shared_ptr<const TokenGrammar::Local> TokenGrammar::find_local(State state) {
  {
    const std::lock_guard lock(mutex_);
    const Entry& known = entry(0, state, nullptr);
    if (known.local) return known.local;
  }
  std::vector<uint64_t> bits(tries_->mask_words());
  Reader reader(*grammar_);
  Place place{state, Stacks::kBottom};
  if (!grammar_->is_outermost(state)) {
    place.stack = reader.stacks().push(CompiledGrammar::kDead, Stacks::kBottom);
    reader.set_floor(place.stack);
  }
  Walk walk(*this, reader, bits);
  const int run = live_.empty() ? ordinary_run(state) : 0;
  for (uint32_t i = 0; i < TokenTries::kCount; ++i) {
    const bool all = (i == TokenTries::kShort && run >= TokenTries::kShortCharacters) ||
                     (i == TokenTries::kLong && run == INT32_MAX);
    if (all) {
      for (size_t k = 0; k < bits.size(); ++k) bits[k] |= tries_->bits(i)[k];
    } else {
      walk.run(i, 0, (*tries_)[i].size(), {&place, 1});
    }
  }
  auto local = std::make_shared<Local>();
  local->tokens = TokenSet(bits);
  local->exits = std::move(walk.exits);

  const std::lock_guard lock(mutex_);
  make_room(local->tokens.memory_bytes() + local->exits.size() * sizeof(Exit));
  Entry& kept = entry(0, state, nullptr);
  kept.local = local;
  if (local->exits.empty()) kept.tokens = std::shared_ptr<const TokenSet>(local, &local->tokens);
  return local;
}

TokenGrammar::Entry& TokenGrammar::entry(uint32_t parent, uint32_t symbol, uint32_t* index) {
  const auto [child, fresh] =
      children_.try_emplace(uint64_t{parent} << 32 | symbol, uint32_t(entries_.size()));
  if (fresh) {
    entries_.emplace_back();
    mask_bytes_ += sizeof(Entry) + 64;  // and its place in the map
  }
  if (index != nullptr) *index = child->second;
  return entries_[child->second];
}

void TokenGrammar::make_room(size_t bytes) {
  if (mask_bytes_ + bytes > mask_bytes_max_) {
    children_.clear();
    entries_.assign(1, {});
    mask_bytes_ = 0;
  }
  mask_bytes_ += bytes;
}

std::shared_ptr<const TokenSet> TokenGrammar::find_tokens(const Reader& reader,
                                                          const Place& place) {
  const std::lock_guard lock(mutex_);
  uint32_t at = 0, symbol = place.state;
  Stacks::Id stack = place.stack;
  for (bool below = true; below;) {
    const auto child = children_.find(uint64_t{at} << 32 | symbol);
    if (child == children_.end()) return nullptr;
    at = child->second;
    if (entries_[at].tokens) return entries_[at].tokens;
    below = symbol != kNoCaller;
    symbol = stack == Stacks::kBottom ? kNoCaller : reader.stacks().target(stack);
    stack = reader.stacks().below(stack);
  }
  return nullptr;
}

void TokenGrammar::keep_tokens(const Reader& reader, const Place& place, uint32_t lowest,
                               std::shared_ptr<const TokenSet> tokens) {
  const std::lock_guard lock(mutex_);
  make_room(tokens->memory_bytes());
  uint32_t at = 0;
  Entry* kept = &entry(0, place.state, &at);
  Stacks::Id stack = place.stack;
  for (;;) {
    const uint32_t depth = reader.stacks().depth(stack);
    const bool bottom = stack == Stacks::kBottom;
    kept = &entry(at, bottom ? kNoCaller : reader.stacks().target(stack), &at);
    if (bottom || depth <= lowest) break;
    stack = reader.stacks().below(stack);
  }
  kept->tokens = std::move(tokens);
}

void TokenGrammar::allow(Reader& reader, const Place& place, std::span<uint64_t> bits) {
  if ((grammar_->flags(place.state) & CompiledGrammar::kReads) == 0) return;
  if (const auto known = find_tokens(reader, place)) {
    known->add_to(bits);
    return;
  }
  const std::shared_ptr<const Local> local = find_local(place.state);
  if (local->exits.empty()) {
    local->tokens.add_to(bits);
    return;
  }
  std::vector<uint64_t> own(bits.size());
  local->tokens.add_to(own);
  reader.reset_lowest();
  uint32_t lowest = reader.stacks().depth(place.stack);
  if (place.stack != Stacks::kBottom) {
    std::vector<Place> after;
    reader.enter({reader.stacks().target(place.stack), reader.stacks().below(place.stack)}, 0,
                 after);
    Walk walk(*this, reader, own);
    for (const Exit& exit : local->exits) {
      walk.run(exit.trie, exit.node + 1, (*tries_)[exit.trie].skips[exit.node], after);
    }
    lowest = std::min(lowest, reader.lowest());
  }
  auto tokens = std::make_shared<const TokenSet>(own);
  tokens->add_to(bits);
  keep_tokens(reader, place, lowest, std::move(tokens));
}

void TokenGrammar::allow(Reader& reader, std::span<const Place> places, std::span<uint64_t> bits) {
  for (const Place& place : places) allow(reader, place, bits);
}

size_t TokenGrammar::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return sizeof(*this) + grammar_->memory_bytes() + mask_bytes_;
}

}  // namespace minim
