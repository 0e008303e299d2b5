// Retained publications: the last one of each topic, for whoever subscribes later (MQTT 5 section 3.3.1.3).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "mqtt/publication.hpp"
#include "mqtt/session_changes.hpp"
#include "mqtt/topic_tree.hpp"

namespace ferrule::mqtt {

/// Keeps each publication as one block of bytes below its topic's node: about 100 bytes and the payload. Belongs to no
/// session [MQTT-3.1.2-7 (3.1.1)]. Broker thread.
class Retained {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Id = TopicTree::NodeId;
  enum class Kept : std::uint8_t { Stored, Removed, NothingToRemove, Full };

  /// At most `max_topics` and `max_bytes` (of payloads, properties and topics); a publication beyond either is not kept
  /// (Full) and the caller counts it.
  explicit Retained(std::size_t max_topics, std::size_t max_bytes = SIZE_MAX)
      : max_topics_(max_topics), max_bytes_(max_bytes) {}
  Retained(const Retained&) = delete;
  Retained& operator=(const Retained&) = delete;

  /// Replaces what the topic had [MQTT-3.3.1-5]; an empty payload removes it [MQTT-3.3.1-6] and is not kept
  /// [MQTT-3.3.1-7].
  /// `always`: whatever the limits say, for the broker's own, which do not count against the limit of topics.
  Kept keep(const Publication& publication, bool always = false);
  /// Whether `keep` would not be Full.
  bool has_room_for(const Publication& publication) const;

  /// Where the publication of a topic stands on disk; 0: not at all. `keep` does not change it.
  RetainedRow row_of(std::string_view topic) const;
  void set_row(std::string_view topic, RetainedRow row);  ///< of a topic that has one
  std::size_t rows() const { return rows_; }              ///< on disk
  void all(std::vector<Id>& out) const;                   ///< those that begin with `$` too

  /// Appends the ids of all topics that match a valid filter. An id may later stand for nothing or for another topic.
  /// Returns how many nodes it looked at: what it cost.
  std::size_t find(std::string_view filter, std::vector<Id>& out) const;
  /// What is retained there, with its retain flag set; null when nothing is or when it has expired.
  PublicationPtr get(Id id, Time now) const;

  void drop_expired(Time now, std::vector<RetainedRow>& rows);  ///< [MQTT-3.3.2-5]; appends what goes from the disk
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t payload_bytes() const { return payload_bytes_; }

 private:
  /// The head of a block; payload, properties and origin follow it.
  struct Block {
    Time published;
    Time expires;  // Time::max(): never
    std::uint32_t payload_size;
    std::uint32_t properties_size;
    RetainedRow row;  // 0: none
    std::uint16_t origin_size;
    std::uint16_t topic_size;
    Qos qos;
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  };
  struct Free {
    void operator()(Block* block) const { ::operator delete(block); }
  };
  using BlockPtr = std::unique_ptr<Block, Free>;

  using Path = decltype(std::declval<const TopicTree&>().split({}));

  static BlockPtr make_block(const Publication& publication);
  Id block_at(const Path& path) const;
  bool has_room(Id known, const Publication& publication) const;
  void count(Id id, bool present);
  void remove(Id id);
  std::size_t find_below(Id top, std::vector<Id>& out) const;

  std::size_t max_topics_, max_bytes_;
  std::size_t size_ = 0, bytes_ = 0, payload_bytes_ = 0, rows_ = 0;
  std::size_t own_ = 0;  // kept `always`
  TopicTree tree_;
  Slab<BlockPtr> blocks_;
  std::set<std::pair<Time, Id>> expiring_;  // only those with a Message Expiry Interval
};

}  // namespace ferrule::mqtt
