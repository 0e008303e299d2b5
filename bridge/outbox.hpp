// The broker thread's part of an outbox: what waits for one cloud, in order, most of it on disk and its head in memory.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "bridge/link.hpp"
#include "bridge/outbox_file.hpp"
#include "bridge/rate.hpp"
#include "bridge/routes.hpp"
#include "bridge/settings.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

/// Three parts, oldest first: the head in memory, which the uplink sends from; the backlog, only on disk; the tail in
/// memory, on its way to the disk. While there is no backlog, new messages join the head and the tail is empty.
/// With Backfill::LiveFirst there is a fourth: what comes while the uplink is online and others wait is in memory
/// beside them, and sent first.
///
/// Ages and expiries follow a calendar of the outbox's own, which goes on evenly while it lives, and by the machine's
/// clock while it does not, unless that went back or is a season ahead: a clock that jumps makes nothing old.
///
/// A message that somebody waits for is handed to the store at once. The others are when they are `commit_interval`
/// old, unless the cloud acknowledged them before: a healthy uplink leaves the disk alone.
///
/// On a full disk the queue's bound is what it holds by then, with the policy for a full queue. What could not be
/// written is tried again every second. Then, and as long as the disk is full, it is written in pieces: a deletion
/// needs as much of SQLite's log as it frees.
///
/// Thread: the broker's. `file`, `store` and `clock` must outlive it.
class Outbox {
 public:
  struct Entry {
    Seq seq = 0;
    mqtt::PublicationPtr publication;
    std::string topic;  ///< at the cloud; empty: the publication's own
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
    Priority priority = Priority::Normal;
    bool in_flight = false;
    bool unwritten = true;       ///< not handed to the store, or in vain
    bool maybe_on_disk = false;  ///< has to be erased there once it is settled
    mqtt::Ticket written_by = 0;
    std::chrono::steady_clock::time_point added{}, sent{};
    std::uint64_t cost = 0;
    std::optional<mqtt::Receipt> receipt;

    const std::string& cloud_topic() const { return topic.empty() ? publication->topic : topic; }
  };

  struct Counters {
    std::uint64_t dropped_full = 0;     ///< by the policy for a full queue, because of `max_size`
    std::uint64_t dropped_disk = 0;     ///< likewise, because the disk was full
    std::uint64_t dropped_expired = 0;  ///< the Message Expiry Interval ran out
    std::uint64_t dropped_aged = 0;     ///< older than `max_age`
    std::uint64_t dropped_thinned = 0;  ///< old, and enough others of its topic are kept
    std::uint64_t unreadable = 0;       ///< left on the disk
    std::uint64_t parked = 0;           ///< refused by the cloud for good; kept in the database
    std::uint64_t never_written = 0;    ///< acknowledged before they had to be on disk
  };

  /// Reads the head from `file`, which no job may use yet. Throws std::runtime_error.
  Outbox(OutboxFile& file, mqtt::Store& store, const QueueSettings& settings, mqtt::Clock& clock);
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  /// Returns the ticket to wait for when `durable`; refuses with QuotaExceeded when the queue or the disk is full and
  /// its policy says so, and with ImplementationSpecificError what cannot be made durable because the disk fails.
  tl::expected<mqtt::Ticket, mqtt::Reason> append(Routed routed, bool durable, const mqtt::Receipt* receipt = nullptr);
  std::uint64_t remember(std::uint64_t receipt);  ///< see Consumer::remember

  /// The next message to be sent, or null when there is none in memory; more may be on their way from the disk (see
  /// on_loaded). `window`: how many may be in flight; with Backfill::LiveFirst what waited gets a quarter of it. Valid until
  /// the next call of any member.
  Entry* next(std::size_t window);
  void online(bool online) { online_ = online; }
  void use(const QueueSettings& settings);  ///< from now on
  void sent(Entry& entry);                  ///< it is in flight now
  void hold(Seq seq);                       ///< likewise, for an exchange that goes on after a restart
  bool settle(Seq seq);                     ///< the cloud has it; false when nobody knows it
  void park(Seq seq, mqtt::Reason reason);  ///< the cloud refused it for good
  void requeue(Seq seq);                    ///< it is to be sent again
  /// Everything in flight is to be sent again, except where `keep`; returns how many.
  std::size_t requeue_all(const std::function<bool(Seq)>& keep);

  /// Parked ones join the queue at its end; `told` how many did.
  void retry_parked(std::vector<Seq> seqs, std::function<void(std::size_t)> told);

  void tick();  ///< every 100 ms
  void committed(mqtt::Ticket ticket);
  /// Whether something that was handed to the store in vain is not on disk yet: until then nobody may be told that what
  /// it waits for is.
  bool owes_disk() const { return !disk_error_.empty() || owing_ || committed_ < owed_until_; }
  void failed(const std::string& what);  ///< the store could not write the file; tried again every second
  void flush();                          ///< hands everything to the store
  void on_loaded(std::function<void()> told) { on_loaded_ = std::move(told); }

  std::uint64_t size() const { return rows_; }
  std::uint64_t bytes() const { return bytes_; }
  std::size_t in_flight() const { return in_flight_; }
  std::optional<Seq> oldest_in_flight() const;
  /// When it was sent; nothing when it is not in flight.
  std::optional<std::chrono::steady_clock::time_point> sent_at(Seq seq);
  /// How long the oldest in memory has waited; nothing is older but for a moment while more comes from the disk.
  std::optional<std::chrono::milliseconds> age() const;
  const Counters& counters() const { return counters_; }
  const std::string& disk_error() const { return disk_error_; }  ///< empty: none
  Row row_of(const Entry& entry) const;

 private:
  struct Erasure {
    Seq seq;
    std::uint64_t cost;
    std::optional<mqtt::Reason> parked;
  };
  using Entries = std::deque<Entry>;
  struct Place {
    Entries* part;  ///< null: nowhere
    Entries::iterator entry;
  };

  static constexpr std::size_t kHeadRows = 4'096;
  static constexpr std::uint64_t kHeadBytes = 8 << 20;
  static constexpr std::size_t kLiveRows = 1'000;
  static constexpr std::uint64_t kLiveBytes = 2 << 20;
  static constexpr std::size_t kBehind = 200;  ///< when so many wait, what comes is sent before them

  bool is_here(const std::string& session, const mqtt::Receipt& receipt);
  void reserve_first();
  Seq take_seq();
  void reserve();
  std::uint64_t limit() const { return std::min(settings_.max_size, disk_limit_); }
  tl::expected<mqtt::Ticket, mqtt::Reason> refuse(std::uint64_t cost, Priority priority);
  std::uint64_t& dropped() { return file_.full() ? counters_.dropped_disk : counters_.dropped_full; }
  bool make_room(std::uint64_t cost, Priority priority);
  std::uint64_t drop_from(Entries& part, std::uint64_t bytes, Priority priority);
  std::uint64_t slack() const;
  OutboxFile::Range on_disk() const;
  bool& backlog_of(Priority priority) { return backlog_of_[static_cast<std::size_t>(priority)]; }
  void drop_from_disk(std::uint64_t needed, Priority priority);
  void dropped_from_disk(const OutboxFile::Removed& removed, std::uint64_t wanted, Priority priority);
  void gone_from_disk(const OutboxFile::Removed& removed);
  bool drop_if_expired(Entries& part, Entries::iterator entry);
  void drop_aged();
  void thin();
  void thin_head();
  void thin_disk();
  bool is_aged(const Entry& entry) const;
  Entry* next_of(Entries& part, Seq& cursor);
  bool is_live() const;
  bool may_backfill(std::size_t window);
  void leave_out_known(OutboxFile::Page& page) const;
  Entry& keep(Entry entry);

  void write(const std::vector<Entry*>& entries);
  void write_older_than(std::chrono::milliseconds age);
  bool any_older_than(std::chrono::milliseconds age) const;
  std::vector<Entry*> unwritten(std::chrono::milliseconds age, std::uint64_t bytes);
  void write_erasures(std::uint64_t bytes = UINT64_MAX);
  void write_pieces(std::chrono::milliseconds age);
  bool write_piece(std::chrono::milliseconds age);
  std::uint64_t piece() const;
  void watch_room();
  void retry_disk();
  void start_over();

  Place find(Seq seq);
  static Entries::iterator find_in(Entries& part, Seq seq);
  std::uint64_t& bytes_of(const Entries& part);
  void forget(Entries& part, Entries::iterator entry);
  void count_out(const Entries& part, const Entry& entry);
  void remove(Entries& part, Entries::iterator entry);
  void refill();
  void loaded(OutboxFile::Page page);
  void not_loaded();
  void count_unreadable();
  Entry entry_of(Row row) const;
  void add_to_head(Entry entry);
  void begin_calendar();
  std::int64_t calendar(std::chrono::steady_clock::time_point time) const;
  std::chrono::steady_clock::time_point monotonic(std::int64_t time) const;
  std::optional<OutboxFile::Noted> time_to_note();
  template <class F>
  void each(F f);
  mqtt::Ticket post(std::function<void()> job);

  // Constant after construction
  OutboxFile& file_;
  mqtt::Store& store_;
  QueueSettings settings_;
  mqtt::Clock& clock_;
  std::function<void()> on_loaded_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // what is posted back asks whether we are

  // Owned by the broker thread
  Entries head_, tail_, live_;
  std::set<Seq> held_;  ///< held, and not in the head yet
  /// What was on disk at the start and may come again, by client id and packet identifier.
  std::map<std::pair<std::string, std::uint16_t>, mqtt::Receipt> receipts_;
  std::optional<std::uint64_t> remembered_;            ///< by the broker
  bool backlog_ = false;                               ///< there may be rows on disk between head_ and tail_
  std::array<bool, kPriorities.size()> backlog_of_{};  ///< or in tail_, of that priority, that can be dropped
  bool loading_ = false;
  bool dropping_ = false;
  int vain_loads_ = 0;    ///< in a row
  bool skipped_ = false;  ///< something on the disk that cannot be read, and not counted yet
  std::uint64_t head_bytes_ = 0, tail_bytes_ = 0, live_bytes_ = 0;
  std::size_t live_in_flight_ = 0;
  bool online_ = false;
  bool live_first_;  ///< what comes is sent before what waits
  Rate backfill_;
  std::chrono::milliseconds offset_{0};  ///< of the calendar from the monotonic clock
  std::optional<std::chrono::steady_clock::time_point> noted_at_;
  std::chrono::steady_clock::time_point thin_at_{};
  Seq next_seq_ = 1, reserved_ = 1;
  Seq cursor_ = 0;        ///< nothing in the head below it waits to be sent
  Seq live_cursor_ = 0;   ///< likewise of the live part
  Seq last_in_head_ = 0;  ///< the newest that ever was in the head
  std::uint64_t rows_ = 0, bytes_ = 0;
  std::size_t in_flight_ = 0, unwritten_ = 0;
  std::vector<Erasure> erasures_;                                      ///< not handed to the store
  std::deque<std::pair<mqtt::Ticket, std::vector<Erasure>>> erasing_;  ///< not committed
  std::chrono::steady_clock::time_point erasures_since_{}, retry_at_{}, load_again_at_{};
  mqtt::Ticket committed_ = 0;
  mqtt::Ticket owed_until_ = 0;            ///< of what was written again after a failure
  bool owing_ = false;                     ///< some of it is to be written yet
  std::uint64_t disk_limit_ = UINT64_MAX;  ///< bytes, while the disk is full
  std::uint64_t times_set_aside_ = 0;
  std::string disk_error_;
  Counters counters_;
};

}  // namespace ferrule::bridge
