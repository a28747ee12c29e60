#include "text/grammar/utf8_automaton.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>

namespace minim {
namespace {

class Builder {
 public:
  Utf8Automaton run(const CharacterSet& set) {
    result_.begins = {0, 0};  // the end
    const std::vector<ByteSequence> sequences = utf8_sequences(set);
    add(sequences, 0);
    return std::move(result_);
  }

 private:
  using Edge = Utf8Automaton::Edge;
  struct Less {
    bool operator()(const std::vector<Edge>& a, const std::vector<Edge>& b) const {
      return std::lexicographical_compare(
          a.begin(), a.end(), b.begin(), b.end(), [](const Edge& x, const Edge& y) {
            return std::tie(x.first, x.last, x.target) < std::tie(y.first, y.last, y.target);
          });
    }
  };

  // The node for what follows the first `depth` bytes, which these have in common. Byte ranges of
  // disjoint characters are the same or apart.
  uint32_t add(std::span<const ByteSequence> sequences, int depth) {
    std::vector<Edge> edges;
    for (size_t begin = 0, end = 0; begin < sequences.size(); begin = end) {
      const ByteRange range = sequences[begin].bytes[depth];
      end = begin + 1;
      while (end < sequences.size() && sequences[end].bytes[depth].first == range.first) ++end;
      const bool last = sequences[begin].length == depth + 1;
      const uint32_t target = last ? 0 : add(sequences.subspan(begin, end - begin), depth + 1);
      if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == range.first) {
        edges.back().last = range.last;
      } else {
        edges.push_back({range.first, range.last, target});
      }
    }
    const auto [known, fresh] = nodes_.try_emplace(edges, result_.node_count());
    if (fresh) {
      result_.edges.insert(result_.edges.end(), edges.begin(), edges.end());
      result_.begins.push_back(uint32_t(result_.edges.size()));
    }
    return known->second;
  }

  Utf8Automaton result_;
  std::map<std::vector<Edge>, uint32_t, Less> nodes_;
};

}  // namespace

Utf8Automaton utf8_automaton(const CharacterSet& set) { return Builder().run(set); }

}  // namespace minim
