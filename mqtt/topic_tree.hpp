// Topics cut into levels and kept as a tree of numbered nodes: what subscriptions and retained messages are filed
// under.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/slab.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {

/// One level's text in 16 bytes: up to 12 bytes in place, longer ones on the heap.
class LevelName {
 public:
  LevelName() = default;
  ~LevelName() { reset(); }
  LevelName(const LevelName&) = delete;
  LevelName& operator=(const LevelName&) = delete;

  void set(std::string_view text);
  void reset();
  std::string_view text() const;

 private:
  static constexpr std::size_t kInline = 12;
  void store(const char* heap);
  const char* heap() const;

  std::uint32_t size_ = 0;
  std::array<char, kInline> bytes_{};  // the text, or a pointer to it
};

/// All nodes hang in one hash table keyed by (parent, level), so that a step down costs one probe however many children
/// there are, and a node costs 40 bytes and a slot. No member recurses. Broker thread.
class TopicTree {
 public:
  using NodeId = std::uint32_t;
  static constexpr NodeId kRoot = 0;
  static constexpr NodeId kNone = 0xFFFFFFFF;

  struct Level {
    std::string_view text;
    std::uint32_t hash = 0;
  };

  TopicTree();
  TopicTree(const TopicTree&) = delete;
  TopicTree& operator=(const TopicTree&) = delete;

  /// Cuts a topic or filter into levels, as views into it; valid until the next `split`. Empty when there are more than
  /// kMaxTopicLevels.
  std::span<const Level> split(std::string_view topic) const;

  NodeId child(NodeId parent, const Level& level) const;  ///< kNone when there is none
  NodeId find(std::span<const Level> path) const;
  /// The node of `path`, with all nodes on the way to it. Pin it, or nothing ever removes the new ones.
  NodeId add(std::span<const Level> path);

  void pin(NodeId node) { ++nodes_[node].uses; }
  /// Takes back one `pin`, or what a child that is gone held. A node without pins and children is gone: then returns
  /// its parent, to be unpinned next; kNone otherwise.
  [[nodiscard]] NodeId unpin(NodeId node);

  NodeId parent(NodeId node) const { return nodes_[node].parent; }
  std::string_view text(NodeId node) const { return nodes_[node].name.text(); }
  NodeId first_child(NodeId node) const { return nodes_[node].first_child; }
  NodeId next_sibling(NodeId node) const { return nodes_[node].next; }
  std::string path(NodeId node) const;  ///< the topic or filter that leads to it

  NodeId end() const { return end_; }  ///< every node id is below this
  std::size_t size() const { return used_; }

 private:
  struct Node {
    NodeId parent = kNone;
    NodeId first_child = kNone, next = kNone, previous = kNone;
    std::uint32_t uses = 0;  // pins and children
    std::uint32_t hash = 0;  // of the name
    LevelName name;
  };

  std::uint32_t hash(std::string_view text) const;
  std::size_t slot_of(NodeId parent, std::uint32_t level_hash) const;
  NodeId create(NodeId parent, const Level& level);
  void destroy(NodeId node);
  void insert(NodeId node);
  void erase(NodeId node);
  void grow_table();

  std::uint64_t seed_;  // so that a peer cannot choose names that collide
  Slab<Node> nodes_;
  NodeId end_ = 0;
  NodeId free_ = kNone;        // chained through `next`
  std::vector<NodeId> table_;  // linear probing; kNone: empty
  std::size_t used_ = 0;
  mutable std::array<Level, kMaxTopicLevels> levels_;  // of the last `split`
};

}  // namespace ferrule::mqtt
