#include "mqtt/topic_tree.hpp"

#include <cassert>
#include <cstring>
#include <random>

namespace ferrule::mqtt {

namespace {

constexpr std::uint64_t kPrime1 = 0xA0761D6478BD642F;
constexpr std::uint64_t kPrime2 = 0xE7037ED1A0B428DB;

/// The two halves of a 128-bit product, xored: what makes wyhash both short and good.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  const std::uint64_t cross = (a >> 32) * (b & 0xFFFFFFFF) ^ (a & 0xFFFFFFFF) * (b >> 32);
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF) ^ (a >> 32) * (b >> 32) ^ (cross << 32 | cross >> 32);
#endif
}

template <class Word>
std::uint64_t load(const char* bytes) {
  Word word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

}  // namespace

void LevelName::set(std::string_view text) {
  reset();
  size_ = static_cast<std::uint32_t>(text.size());
  if (text.size() <= kInline) {
    std::memcpy(bytes_.data(), text.data(), text.size());
    return;
  }
  char* copy = new char[text.size()];
  std::memcpy(copy, text.data(), text.size());
  store(copy);
}

void LevelName::reset() {
  if (size_ > kInline) delete[] heap();
  size_ = 0;
}

std::string_view LevelName::text() const { return {size_ <= kInline ? bytes_.data() : heap(), size_}; }

void LevelName::store(const char* heap) { std::memcpy(bytes_.data(), &heap, sizeof heap); }

const char* LevelName::heap() const {
  const char* heap = nullptr;
  std::memcpy(&heap, bytes_.data(), sizeof heap);
  return heap;
}

TopicTree::TopicTree() : table_(64, kNone) {
  std::random_device random;
  seed_ = std::uint64_t{random()} << 32 | random();
  nodes_.reach(kRoot);
  nodes_[kRoot].uses = 1;
  end_ = kRoot + 1;
}

std::uint32_t TopicTree::hash(std::string_view text) const {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t state = seed_ ^ (left * kPrime1);
  for (; left > 16; at += 16, left -= 16) {
    state = fold(load<std::uint64_t>(at) ^ kPrime1, load<std::uint64_t>(at + 8) ^ state);
  }
  // The rest as two words, which overlap unless they are full.
  std::uint64_t low = 0, high = 0;
  if (left >= 8) {
    low = load<std::uint64_t>(at);
    high = load<std::uint64_t>(at + left - 8);
  } else if (left >= 4) {
    low = load<std::uint32_t>(at);
    high = load<std::uint32_t>(at + left - 4);
  } else if (left > 0) {
    low = load<std::uint8_t>(at);
    high = load<std::uint8_t>(at + left / 2) << 8 | load<std::uint8_t>(at + left - 1);
  }
  state = fold(low ^ kPrime2, high ^ state);
  return static_cast<std::uint32_t>(state ^ state >> 32);
}

std::span<const TopicTree::Level> TopicTree::split(std::string_view topic) const {
  std::size_t count = 0;
  for (std::size_t begin = 0;;) {
    if (count == levels_.size()) return {};
    const auto slash = topic.find('/', begin);
    const auto text = topic.substr(begin, slash == std::string_view::npos ? slash : slash - begin);
    levels_[count++] = {text, hash(text)};
    if (slash == std::string_view::npos) return {levels_.data(), count};
    begin = slash + 1;
  }
}

std::size_t TopicTree::slot_of(NodeId parent, std::uint32_t level_hash) const {
  const std::uint64_t key = std::uint64_t{parent} << 32 | level_hash;
  return static_cast<std::size_t>(fold(key ^ kPrime1, kPrime2)) & (table_.size() - 1);
}

TopicTree::NodeId TopicTree::child(NodeId parent, const Level& level) const {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t slot = slot_of(parent, level.hash);; slot = (slot + 1) & mask) {
    const NodeId id = table_[slot];
    if (id == kNone) return kNone;
    const Node& node = nodes_[id];
    if (node.hash == level.hash && node.parent == parent && node.name.text() == level.text) return id;
  }
}

TopicTree::NodeId TopicTree::find(std::span<const Level> path) const {
  NodeId node = kRoot;
  for (const Level& level : path) {
    node = child(node, level);
    if (node == kNone) return kNone;
  }
  return node;
}

TopicTree::NodeId TopicTree::add(std::span<const Level> path) {
  NodeId node = kRoot;
  for (const Level& level : path) {
    const NodeId next = child(node, level);
    node = next != kNone ? next : create(node, level);
  }
  return node;
}

TopicTree::NodeId TopicTree::create(NodeId parent, const Level& level) {
  NodeId id = free_;
  if (id != kNone) {
    free_ = nodes_[id].next;
  } else {
    id = end_++;
    nodes_.reach(id);
  }
  Node& node = nodes_[id];
  Node& above = nodes_[parent];
  node.name.set(level.text);
  node.hash = level.hash;
  node.parent = parent;
  node.uses = 0;
  node.first_child = kNone;
  node.previous = kNone;
  node.next = above.first_child;
  if (above.first_child != kNone) nodes_[above.first_child].previous = id;
  above.first_child = id;
  ++above.uses;
  insert(id);
  return id;
}

TopicTree::NodeId TopicTree::unpin(NodeId node) {
  assert(nodes_[node].uses > 0);
  if (--nodes_[node].uses > 0) return kNone;
  const NodeId above = nodes_[node].parent;
  destroy(node);
  return above;
}

void TopicTree::destroy(NodeId id) {
  erase(id);
  Node& node = nodes_[id];
  if (node.previous != kNone) {
    nodes_[node.previous].next = node.next;
  } else {
    nodes_[node.parent].first_child = node.next;
  }
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  node.name.reset();
  node.parent = kNone;
  node.next = free_;
  free_ = id;
}

void TopicTree::insert(NodeId id) {
  if ((used_ + 1) * 10 > table_.size() * 7) grow_table();
  const std::size_t mask = table_.size() - 1;
  std::size_t slot = slot_of(nodes_[id].parent, nodes_[id].hash);
  while (table_[slot] != kNone) slot = (slot + 1) & mask;
  table_[slot] = id;
  ++used_;
}

/// Closes the gap by moving back what stands behind it, as far as it may, instead of leaving a tombstone.
void TopicTree::erase(NodeId id) {
  const std::size_t mask = table_.size() - 1;
  std::size_t gap = slot_of(nodes_[id].parent, nodes_[id].hash);
  while (table_[gap] != id) gap = (gap + 1) & mask;
  for (std::size_t slot = (gap + 1) & mask; table_[slot] != kNone; slot = (slot + 1) & mask) {
    const Node& node = nodes_[table_[slot]];
    const std::size_t home = slot_of(node.parent, node.hash);
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;  // its home lies behind the gap
    table_[gap] = table_[slot];
    gap = slot;
  }
  table_[gap] = kNone;
  --used_;
}

void TopicTree::grow_table() {
  const auto old = std::exchange(table_, std::vector<NodeId>(table_.size() * 2, kNone));
  const std::size_t mask = table_.size() - 1;
  for (const NodeId id : old) {
    if (id == kNone) continue;
    std::size_t slot = slot_of(nodes_[id].parent, nodes_[id].hash);
    while (table_[slot] != kNone) slot = (slot + 1) & mask;
    table_[slot] = id;
  }
}

std::string TopicTree::path(NodeId node) const {
  std::size_t size = 0;
  for (NodeId at = node; at != kRoot; at = nodes_[at].parent) size += text(at).size() + 1;
  std::string path(size == 0 ? 0 : size - 1, '/');
  for (NodeId at = node; at != kRoot; at = nodes_[at].parent) {
    const auto level = text(at);
    size -= level.size() + 1;
    level.copy(path.data() + size, level.size());
  }
  return path;
}

}  // namespace ferrule::mqtt
