// From a non-deterministic automaton to a deterministic one: each of its states is a set of states.
#include <algorithm>
#include <map>
#include <span>

#include "text/grammar/nfa.h"

namespace minim {
namespace {

// Lists of states, each once and one after the other in memory.
class StateLists {
 public:
  // The number of `list`, counted as they come; `size()` before, where it is new.
  uint32_t find_or_add(std::span<const uint32_t> list) {
    if (2 * (size() + 1) > slots_.size()) grow();
    const uint32_t hash = hash_of(list);
    size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != kFree; slot = (slot + 1) & (slots_.size() - 1)) {
      const uint32_t known = slots_[slot];
      if (hashes_[known] == hash && std::ranges::equal((*this)[known], list)) return known;
    }
    slots_[slot] = size();
    states_.insert(states_.end(), list.begin(), list.end());
    begins_.push_back(states_.size());
    hashes_.push_back(hash);
    return slots_[slot];
  }

  // Until the next one is added.
  std::span<const uint32_t> operator[](uint32_t index) const {
    return std::span(states_).subspan(begins_[index], begins_[index + 1] - begins_[index]);
  }
  uint32_t size() const { return uint32_t(hashes_.size()); }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;

  static uint32_t hash_of(std::span<const uint32_t> list) {
    uint64_t hash = list.size();
    for (const uint32_t state : list) {
      hash = (hash ^ state) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    return uint32_t(hash);
  }

  void grow() {
    slots_.assign(slots_.empty() ? 64 : 2 * slots_.size(), kFree);
    for (uint32_t i = 0; i < size(); ++i) {
      size_t slot = hashes_[i] & (slots_.size() - 1);
      while (slots_[slot] != kFree) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = i;
    }
  }

  std::vector<uint32_t> states_, hashes_, slots_;
  std::vector<size_t> begins_ = {0};
};

}  // namespace

class Nfa::Subsets {
 public:
  explicit Subsets(Nfa& nfa)
      : nfa_(nfa),
        budget_(nfa.grammar_.budget()),
        seen_(nfa.heads_.size()),
        alone_(nfa.heads_.size(), kNone) {
    find_intervals();
  }

  Automaton run(State start) {
    find({&start, 1});
    for (uint32_t i = 0; i < sets_.size(); ++i) expand(i);
    return std::move(result_);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Bytes that no link tells apart are dealt with once.
  void find_intervals() {
    bool begins[257] = {true};
    for (const Link& link : nfa_.links_) {
      if (link.kind == Kind::kBytes) begins[link.first] = begins[link.last + 1] = true;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (begins[byte]) interval_begins_.push_back(byte);
      interval_of_[byte] = uint32_t(interval_begins_.size() - 1);
    }
    interval_begins_.push_back(256);
    targets_.resize(interval_begins_.size() - 1);
  }

  // The automaton's state for everything that `states` reach without reading.
  uint32_t find(std::span<const State> states) {
    if (states.size() == 1) {
      uint32_t& known = alone_[states[0]];
      return known != kNone ? known : known = close(states);
    }
    const uint32_t list = lists_.find_or_add(states);
    if (list == list_numbers_.size()) list_numbers_.push_back(close(states));
    return list_numbers_[list];
  }

  uint32_t close(std::span<const State> states) {
    ++epoch_;
    set_.clear();
    const auto reach = [&](State state) {
      if (seen_[state] == epoch_) return;
      seen_[state] = epoch_;
      work_.push_back(state);
    };
    for (const State state : states) reach(state);
    while (!work_.empty()) {
      const State state = work_.back();
      work_.pop_back();
      bool reads = state == kEnd;
      for (uint32_t k = nfa_.heads_[state]; k != kNoLink; k = nfa_.links_[k].next) {
        if (nfa_.links_[k].kind == Kind::kFree) {
          reach(nfa_.links_[k].target);
        } else {
          reads = true;
        }
        budget_.spend(1);
      }
      if (reads) set_.push_back(state);
    }
    std::sort(set_.begin(), set_.end());
    budget_.spend(int64_t(states.size() + set_.size()));
    const uint32_t known_count = sets_.size(), number = sets_.find_or_add(set_);
    if (number == known_count) {
      budget_.spend(kStateSteps);
      budget_.check_states(sets_.size());
      result_.states.emplace_back();
      result_.states.back().accepts = !set_.empty() && set_[0] == kEnd;
    }
    return number;
  }

  void expand(uint32_t index) {
    links_.clear();
    for (const State state : sets_[index]) {
      for (uint32_t k = nfa_.heads_[state]; k != kNoLink; k = nfa_.links_[k].next) {
        if (nfa_.links_[k].kind != Kind::kFree) links_.push_back(nfa_.links_[k]);
      }
    }
    budget_.spend(int64_t(links_.size()));
    std::sort(links_.begin(), links_.end(), [](const Link& a, const Link& b) {
      return a.kind != b.kind ? a.kind < b.kind : a.first < b.first;
    });
    const auto calls = std::find_if(links_.begin(), links_.end(),
                                    [](const Link& link) { return link.kind == Kind::kCall; });
    const std::span<const Link> bytes(links_.begin(), calls);
    edges_.clear();
    const bool apart =
        std::adjacent_find(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) {
          return a.last >= b.first;
        }) == bytes.end();
    if (apart) {
      for (const Link& link : bytes) add_edge(link.first, link.last, find({&link.target, 1}));
    } else {
      expand_overlapping(bytes);
    }
    result_.states[index].edges.assign(edges_.begin(), edges_.end());
    if (calls != links_.end()) expand_calls(index, {calls, links_.end()});
  }

  // REQUIRES: sorted by their first bytes.
  void expand_overlapping(std::span<const Link> links) {
    uint32_t past = 0;
    for (const Link& link : links) {
      const uint32_t low = interval_of_[link.first], high = interval_of_[link.last];
      budget_.spend(high - low + 1);
      for (uint32_t i = low; i <= high; ++i) targets_[i].push_back(link.target);
      past = std::max(past, high + 1);
    }
    for (uint32_t i = interval_of_[links[0].first]; i < past; ++i) {
      if (targets_[i].empty()) continue;
      const uint32_t target = find_unsorted(targets_[i]);
      add_edge(uint8_t(interval_begins_[i]), uint8_t(interval_begins_[i + 1] - 1), target);
      targets_[i].clear();
    }
  }

  void expand_calls(uint32_t index, std::span<const Link> links) {
    std::map<uint32_t, std::vector<State>> targets;
    for (const Link& link : links) targets[link.callee].push_back(link.target);
    std::vector<Automaton::Call> calls;
    for (auto& [callee, states] : targets) calls.push_back({callee, find_unsorted(states)});
    result_.states[index].calls = std::move(calls);
  }

  void add_edge(uint8_t first, uint8_t last, uint32_t target) {
    if (!edges_.empty() && edges_.back().target == target && edges_.back().last + 1 == first) {
      edges_.back().last = last;
    } else {
      edges_.push_back({first, last, target});
    }
  }

  uint32_t find_unsorted(std::vector<State>& targets) {
    if (targets.size() > 1) {
      std::sort(targets.begin(), targets.end());
      targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
    }
    budget_.spend(int64_t(targets.size()));
    return find(targets);
  }

  static constexpr int64_t kStateSteps = 4;

  Nfa& nfa_;
  Budget& budget_;
  std::vector<uint32_t> seen_;
  uint32_t epoch_ = 0;
  std::vector<int> interval_begins_;
  uint32_t interval_of_[256];
  std::vector<std::vector<State>> targets_;  // by interval
  std::vector<uint32_t> alone_;              // numbers of what single states reach
  StateLists lists_;                         // of other states,
  std::vector<uint32_t> list_numbers_;       // and theirs
  StateLists sets_;                          // by state of the result
  std::vector<State> set_, work_;
  std::vector<Link> links_;
  std::vector<Automaton::Edge> edges_;
  Automaton result_;
};

// Trimmed of nothing, not minimal.
Automaton Nfa::determinize(State start) { return Subsets(*this).run(start); }

}  // namespace minim
