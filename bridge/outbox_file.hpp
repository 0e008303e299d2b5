// The SQLite file of one outbox: rows in order, the records of exchanges under way, and what was parked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bridge/link.hpp"
#include "bridge/queue_settings.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

/// One queued message as it is on disk.
struct Row {
  Seq seq = 0;
  std::string topic;  ///< at the cloud
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  bool retain = false;
  Priority priority = Priority::Normal;
  std::string payload;
  std::string properties;               ///< as Publication::properties
  std::int64_t published = 0;           ///< milliseconds since the epoch, UTC
  std::optional<std::int64_t> expires;  ///< likewise
};

/// What a message counts for in the bound on the queue: its bytes and what SQLite adds to them.
std::uint64_t row_cost(std::size_t topic_bytes, std::size_t payload_bytes, std::size_t properties_bytes);

/// Where the Seqs of a new file begin: no older file of this gateway can have got there.
Seq seq_of_today();

/// Thread: the store's, but for the constructor and what is marked otherwise; the members that read may also be called
/// between the constructor and the first job. Members throw std::runtime_error when SQLite refuses.
///
///     meta     one row: how far Seqs were handed out; number and bytes of the rows up to `counted`, and how many of
///              these have a low and a high priority. Those behind are counted when the file is opened: so adding to
///              the queue need not write this row, too
///     topic    id, name: interned, because a gateway has few topics and many messages
///     queue    seq (primary key, set by us), topic (id, or text once many are interned), flags (QoS | retain << 2 |
///              priority << 3: 0 normal, 1 low, 2 high), payload, properties, published, expires (on the outbox's
///              calendar: see Outbox)
///     time     one row, once there is one: a moment on the outbox's calendar and by the machine's clock
///     exchange seq, key, packet, cut, leader: the PUBLISHes of QoS 2 that a Link has under way (LinkState). The last
///              `cut` bytes of a packet are the payload of its row, and are not written twice. `leader`: this row went
///              in the batch that goes by that Seq, and has no packet of its own
///     release  seq, key, packet: their PUBRELs
///     record   seq (0), key, packet: what came from the cloud at QoS 2 and was not released
///     receipt  session, packet_id, number, digest: of QoS 2 publications whose packet identifiers the broker had
///              perhaps not on disk yet; kHeldReceipt: certainly not
///     parked   what the cloud refused for good, with its reason
class OutboxFile final : public mqtt::StoreFile {
 public:
  /// Opens or creates `path`, alone: throws std::runtime_error when another process has it, or when it cannot be
  /// written. A file that is damaged, foreign or of another schema is renamed to `<path>.corrupt-<UTC time>` with a
  /// line in the log, and a new one is begun. Once a job finds the file damaged, the next transaction does the same.
  explicit OutboxFile(std::filesystem::path path, Durability durability = Durability::PowerLoss);
  ~OutboxFile() override;
  OutboxFile(const OutboxFile&) = delete;
  OutboxFile& operator=(const OutboxFile&) = delete;

  /// One moment on the outbox's own calendar and by the machine's clock, in milliseconds since the epoch.
  struct Noted {
    std::int64_t calendar = 0, clock = 0;
  };
  std::optional<Noted> last_noted();  ///< reading

  void begin() override;
  void commit() override;
  void rollback() noexcept override;

  // Inside a transaction.
  void insert(const Row& row);        ///< does nothing when the row is there
  void erase(std::vector<Seq> seqs);  ///< with their records; cheapest where they are consecutive
  /// Likewise, before the outbox knows: until it erases them too, it may still mean to insert them, and must not.
  void erase_delivered(const std::vector<Seq>& seqs);
  /// Rows behind `after`, but `spared`. No row below `complete_until` will be added.
  struct Range {
    Seq after = 0, complete_until = std::numeric_limits<std::int64_t>::max();
    std::set<Seq> spared{};
  };
  struct Removed {
    std::vector<Seq> seqs;  ///< rising
    std::uint64_t bytes = 0;
    bool complete = false;  ///< nothing else is to be removed for now
  };
  /// Removes the oldest rows of one priority until `bytes` are free.
  Removed drop_oldest(const Range& range, std::uint64_t bytes, Priority priority);
  /// Of the rows without a high priority that were published before `end`, keeps the first of each `interval` and
  /// topic. Looks at some thousands, going on where it was the last time.
  Removed thin(const Range& range, std::int64_t end, std::chrono::milliseconds interval);
  /// Puts a parked row into the queue again, as `as`; what it counts for, or 0 when it is not parked.
  std::uint64_t unpark(Seq seq, Seq as);
  bool erase_parked(Seq seq);  ///< false when it is not parked
  /// Moves the row to `parked`, where the newest 10,000 are kept, of 64 MB at most (but one).
  void park(Seq seq, mqtt::Reason reason, std::int64_t now);
  /// `cut`: how many bytes at the end of `packet` are the payload of the row.
  void put_record(Seq seq, const std::string& key, std::string_view packet, std::size_t cut = 0);
  void put_follower(Seq seq, Seq leader);  ///< it goes in the batch of `leader`, whose record is put besides
  void erase_records(Seq seq);
  void erase_received(const std::string& key);  ///< of kNoRow
  void clear_records();
  void put_receipt(const std::string& session, const mqtt::Receipt& receipt);  ///< replaces one of its packet_id
  void erase_receipts(std::uint64_t last);                                     ///< up to this number
  static constexpr std::uint64_t kHeldReceipt = std::numeric_limits<std::int64_t>::max();
  void hold_receipts();  ///< gives those that are there this number
  void note_time(const Noted& now);
  void reserve(Seq end);  ///< Seqs below `end` may be in use

  // Reading.
  struct Page {
    std::vector<Row> rows;
    bool complete = false;  ///< there are no rows behind these
    bool skipped = false;   ///< some before these cannot be read
  };
  /// The first rows behind `after`, at most `rows` and about `bytes` (but one, if there is one).
  Page load(Seq after, std::size_t rows, std::uint64_t bytes);
  /// The same, beginning behind what the disk cannot read (EIO), which is logged.
  Page load_readable(Seq after, std::size_t rows, std::uint64_t bytes);
  std::vector<LinkState::InFlight> records();   ///< in the order of Seq
  std::map<Seq, std::vector<Seq>> followers();  ///< by their leader
  struct Received {
    std::string session;  ///< client id
    mqtt::Receipt receipt;
  };
  std::vector<Received> receipts();
  Seq reserved() const;  ///< the end of what was reserved, at least 1
  std::uint64_t rows() const;
  std::uint64_t rows(Priority priority) const;
  std::uint64_t bytes() const;  ///< by row_cost
  std::uint64_t parked();
  /// One that the cloud refused for good.
  struct Parked {
    Row row;
    mqtt::Reason reason = mqtt::Reason::UnspecifiedError;
    std::int64_t since = 0;  ///< milliseconds since the epoch, UTC
  };
  std::vector<Parked> parked_rows(Seq after, std::size_t rows);  ///< the first behind `after`

  std::uint64_t size_on_disk() const;     ///< Any thread. Bytes of the database and its log.
  std::uint64_t times_set_aside() const;  ///< Any thread. Since the start.
  std::uint64_t parked_dropped() const;   ///< Any thread. Since the start: parked rows that had to go for newer ones.
  bool full() const;                      ///< Any thread. The disk is: see DatabaseFile.
  std::uint64_t reserve() const;          ///< Any thread. Bytes that are given back then.

 private:
  class Database;
  template <class F>
  auto guarded(F f);

  const std::unique_ptr<Database> database_;
  std::unordered_set<Seq> delivered_;  // bounded by the window: the outbox hears of each at once
};

}  // namespace ferrule::bridge
