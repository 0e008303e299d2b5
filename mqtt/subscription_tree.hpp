// Who subscribed to what: routes a topic to the sessions whose filters match it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqtt/packets.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/topic_tree.hpp"

namespace ferrule::mqtt {

class SubscriptionTree;

/// What the tree knows of a session. The tree borrows it: `SubscriptionTree::remove_all` before it is destroyed.
class Subscriber {
 public:
  std::size_t subscriptions() const { return places_.size(); }

 protected:
  Subscriber() = default;
  ~Subscriber() = default;
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Which member of a share group gets a publication: the next one that is ready, else the next that is online, else,
  // when the group has members in sessions that wait for them, the next of these.
  bool online_ = false;
  bool ready_ = false;  ///< would send a QoS 1 publication at once

 private:
  friend class SubscriptionTree;
  struct Place {  // one subscription of this subscriber
    TopicTree::NodeId node;
    std::uint32_t group;  // 0: not shared
    bool operator==(const Place&) const = default;
  };
  std::uint64_t round_ = 0;  // the `match` in which it was last found ...
  std::uint32_t index_ = 0;  // ... and where in the result it stands
  std::vector<Place> places_;
};

/// One receiver of a publication, merged from all its subscriptions that match [MQTT-3.3.4-2].
struct Match {
  static constexpr std::uint32_t kLast = 0xFFFFFFFF;

  Subscriber* subscriber = nullptr;
  Qos qos = Qos::AtMostOnce;         ///< the highest granted
  bool retain_as_published = false;  ///< one of them asked for it
  std::uint32_t identifier = 0;      ///< 0: none of them has one
  std::uint32_t more = kLast;        ///< further identifiers, for Matches::identifiers
  std::uint32_t group = 0;           ///< the share group that chose it; 0: subscriptions of its own
};

/// The result of one `match`; reused, so that matching allocates nothing.
class Matches {
 public:
  std::span<const Match> all() const { return matches_; }
  /// Every Subscription Identifier of the subscriptions that match [MQTT-3.3.4-3]; valid until the next call of any
  /// member.
  std::span<const std::uint32_t> identifiers(const Match& match);

 private:
  friend class SubscriptionTree;
  struct Further {
    std::uint32_t identifier;
    std::uint32_t next;
  };
  void clear();

  std::vector<Match> matches_;
  std::vector<Further> further_;
  std::vector<std::uint32_t> identifiers_;
};

/// Broker thread. About 90 bytes for a subscription whose last level is its own, 25 for another subscriber of the same
/// filter.
class SubscriptionTree {
 public:
  enum class Added : std::uint8_t { New, Replaced };

  /// Filters are valid, `group` is the share name or empty, `identifier` 0 or the Subscription Identifier. A
  /// subscription to the same filter is replaced, place and all pending deliveries unharmed [MQTT-3.8.4-3]
  /// [MQTT-3.8.4-4].
  Added add(Subscriber& subscriber, std::string_view group, std::string_view filter, SubscriptionOptions options,
            std::uint32_t identifier);
  /// False when there was no such subscription, compared character by character [MQTT-3.10.4-1].
  bool remove(Subscriber& subscriber, std::string_view group, std::string_view filter);
  void remove_all(Subscriber& subscriber);
  /// Those of its shared subscriptions whose filters these are get nothing, until it subscribes again or this is called
  /// again.
  void suspend_shared(Subscriber& subscriber, const std::function<bool(std::string_view filter)>& is_suspended);

  /// Every subscriber of `topic`, once; members of share groups once per group besides. `publisher` (may be null) is
  /// left out where it asked for No Local [MQTT-3.8.3-3].
  void match(std::string_view topic, const Subscriber* publisher, Matches& out);

  /// The member of a share group whose turn it is; subscriber is null when there is none.
  Match next_of_group(std::uint32_t group);

  std::size_t size() const { return size_; }
  std::size_t shared() const { return shared_; }

  struct Listed {
    std::string group, filter;
    SubscriptionOptions options;
    std::uint32_t identifier = 0;
  };
  std::vector<Listed> subscriptions_of(const Subscriber& subscriber) const;

 private:
  using NodeId = TopicTree::NodeId;

  struct Entry {
    Subscriber* subscriber = nullptr;
    std::uint32_t identifier : 28 = 0;  // at most 268,435,455
    std::uint32_t retain_handling : 2 = 0;
    std::uint32_t no_local : 1 = 0;
    std::uint32_t retain_as_published : 1 = 0;
    Qos qos = Qos::AtMostOnce;
    bool suspended = false;  // of a share group: passed over
  };

  /// Entries in no order. One stands in place, because most filters have one subscriber.
  class Entries {
   public:
    Entries() : one_() {}
    Entries(Entries&& other) noexcept;
    Entries& operator=(Entries&& other) noexcept;
    ~Entries();
    std::span<Entry> all() { return {capacity_ > 1 ? many_ : &one_, size_}; }
    std::span<const Entry> all() const { return {capacity_ > 1 ? many_ : &one_, size_}; }
    void push(const Entry& entry);
    void remove(std::size_t index);

   private:
    void move_to(std::uint32_t capacity);
    union {
      Entry one_;    // while capacity_ is 1
      Entry* many_;  // an array of our own
    };
    std::uint32_t size_ = 0, capacity_ = 1;
  };

  struct Group {
    std::string name;
    std::uint32_t number = 0;  // not used again before a billion others
    std::uint32_t turn = 0;    // whose turn it is
    Entries members;
  };

  struct Filters {  // what hangs on one node; shared subscriptions are rare, and apart
    NodeId plus = TopicTree::kNone, multi = TopicTree::kNone;  // its children `+` and `#`
    Entries entries;
  };

  NodeId node_of(std::string_view filter);
  NodeId find(std::string_view filter) const;
  Group* group_at(NodeId node, std::string_view name);
  Entries& entries_at(const Subscriber::Place& place);
  const Entries& entries_at(const Subscriber::Place& place) const;
  void drop(const Subscriber::Place& place, const Subscriber& subscriber);
  void release(NodeId node);

  void find_matching(std::string_view topic);
  void collect(NodeId node, const Subscriber* publisher, Matches& out);
  void merge(const Entry& entry, Matches& out);
  static const Entry* next_member(Group& group);
  static Match match_of(Group& group);  // subscriber is null when nobody is to get it
  static Entry entry_of(Subscriber& subscriber, SubscriptionOptions options, std::uint32_t identifier);

  TopicTree tree_;
  Slab<Filters> filters_;
  std::unordered_map<NodeId, std::vector<Group>> groups_;
  std::uint32_t last_group_ = 0;
  std::size_t size_ = 0, shared_ = 0;
  std::uint64_t round_ = 0;
  std::vector<NodeId> frontier_, next_frontier_;  // of `find_matching`
  std::string matched_;  // the last topic of `match`; empty when filters have come or gone since
  std::vector<NodeId> matching_;
};

}  // namespace ferrule::mqtt
