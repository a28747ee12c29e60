#include "runtime/prefix_cache.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error.h"

namespace minim {
namespace {

// FNV-1a over whole tokens: only spreads the children of one block; tokens decide.
uint64_t hash_tokens(std::span<const TokenId> tokens) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const TokenId token : tokens) hash = (hash ^ static_cast<uint32_t>(token)) * 0x100000001b3;
  return hash;
}

}  // namespace

struct PrefixCache::Node {
  Node* parent = nullptr;  // null: the root of a space
  uint64_t hash = 0;       // of the tokens; of a root: the space
  std::vector<TokenId> tokens;
  KvBlock block;
  Children children;
  Node* newer = nullptr;
  Node* older = nullptr;
};

PrefixCache::PrefixCache(std::shared_ptr<const Model> model, std::shared_ptr<KvPool> pool,
                         const PrefixCacheOptions& options)
    : model_(std::move(model)),
      pool_(std::move(pool)),
      options_(options),
      blocks_max_(static_cast<int64_t>(options.bytes_max / pool_->layout().block_bytes())) {
  pool_->set_reclaimer({[this] { return drop_unused(); }, [this] { return count_unused(); }});
}

PrefixCache::~PrefixCache() {
  pool_->set_reclaimer({});
  clear();
}

PrefixCache::Node* PrefixCache::find_child(Node& parent, std::span<const TokenId> tokens) {
  const auto [begin, end] = parent.children.equal_range(hash_tokens(tokens));
  for (auto at = begin; at != end; ++at) {
    if (std::equal(tokens.begin(), tokens.end(), at->second->tokens.begin())) {
      return at->second.get();
    }
  }
  return nullptr;
}

// Behind `newer`, or as the newest.
void PrefixCache::link(Node& node, Node* newer) {
  node.newer = newer;
  node.older = newer != nullptr ? newer->older : newest_;
  (node.older != nullptr ? node.older->newer : oldest_) = &node;
  (newer != nullptr ? newer->older : newest_) = &node;
}

void PrefixCache::unlink(Node& node) {
  (node.newer != nullptr ? node.newer->older : newest_) = node.older;
  (node.older != nullptr ? node.older->newer : oldest_) = node.newer;
}

// `node` and all that it lies under become the newest, it the last of them.
void PrefixCache::touch(Node* node) {
  for (; node->parent != nullptr; node = node->parent) {
    unlink(*node);
    link(*node, nullptr);
  }
}

std::vector<KvBlock> PrefixCache::find(std::span<const TokenId> tokens, uint64_t space) {
  const auto block_tokens = static_cast<size_t>(pool_->layout().block_tokens);
  std::vector<KvBlock> blocks;
  const std::lock_guard lock(mutex_);
  ++statistics_.lookups;
  const auto root = roots_.find(space);
  if (root == roots_.end()) return blocks;
  Node* node = root->second.get();
  for (; tokens.size() >= block_tokens; tokens = tokens.subspan(block_tokens)) {
    Node* child = find_child(*node, tokens.first(block_tokens));
    if (child == nullptr) break;
    blocks.push_back(child->block);
    node = child;
  }
  touch(node);
  if (!blocks.empty()) ++statistics_.hits;
  statistics_.tokens_found += static_cast<int64_t>(blocks.size() * block_tokens);
  return blocks;
}

void PrefixCache::keep(std::span<const TokenId> tokens, std::span<const KvBlock> blocks,
                       uint64_t space) {
  const auto block_tokens = static_cast<size_t>(pool_->layout().block_tokens);
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Node>& root = roots_[space];
  if (root == nullptr) {
    root = std::make_unique<Node>();
    root->hash = space;
  }
  Node* node = root.get();
  for (const KvBlock& block : blocks) {
    if (tokens.size() < block_tokens) break;
    const auto of_block = tokens.first(block_tokens);
    tokens = tokens.subspan(block_tokens);
    Node* child = find_child(*node, of_block);
    if (child == nullptr) {
      if (block.empty()) break;
      auto made = std::make_unique<Node>();
      child = made.get();
      child->parent = node;
      child->hash = hash_tokens(of_block);
      child->tokens.assign(of_block.begin(), of_block.end());
      child->block = block;
      node->children.emplace(child->hash, std::move(made));
      link(*child, node->parent == nullptr ? nullptr : node);
      ++statistics_.blocks;
    }
    node = child;
  }
  touch(node);
  while (statistics_.blocks > blocks_max_) drop(*oldest_);
  const auto kept = roots_.find(space);
  if (kept != roots_.end() && kept->second->children.empty()) roots_.erase(kept);
}

void PrefixCache::drop(Node& leaf) {
  MINIM_CHECK(leaf.children.empty());
  unlink(leaf);
  --statistics_.blocks;
  ++statistics_.blocks_dropped;
  const auto [begin, end] = leaf.parent->children.equal_range(leaf.hash);
  Node* const parent = leaf.parent;
  parent->children.erase(
      std::find_if(begin, end, [&](const auto& child) { return child.second.get() == &leaf; }));
  if (parent->parent == nullptr && parent->children.empty()) roots_.erase(parent->hash);
}

// The oldest leaf that no sequence holds. Where a sequence holds one, it holds all that it lies
// under.
bool PrefixCache::drop_unused() {
  const std::lock_guard lock(mutex_);
  for (Node* node = oldest_; node != nullptr; node = node->newer) {
    if (!node->children.empty() || node->block.shared()) continue;
    drop(*node);
    return true;
  }
  return false;
}

// What drop_unused() can drop, one after the other: a block stays with what lies under it.
int64_t PrefixCache::count_unused() const {
  const std::lock_guard lock(mutex_);
  std::unordered_set<const Node*> needed;
  int64_t count = 0;
  for (const Node* node = oldest_; node != nullptr; node = node->newer) {
    if (!node->block.shared() && !needed.contains(node)) {
      ++count;
    } else {
      needed.insert(node->parent);
    }
  }
  return count;
}

void PrefixCache::clear() {
  const std::lock_guard lock(mutex_);
  while (oldest_ != nullptr) drop(*oldest_);
}

PrefixStatistics PrefixCache::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace minim
