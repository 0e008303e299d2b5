// The open database behind an OutboxFile. Only bridge/outbox_file*.cpp include this.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/outbox_file.hpp"
#include "mqtt/database_file.hpp"

namespace ferrule::bridge {

inline std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
inline std::uint64_t count(std::int64_t value) { return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)); }

inline constexpr std::array kPriorityCodes{Priority::Normal, Priority::Low, Priority::High};
inline constexpr int kPriorityShift = 3;

inline Priority priority_of(std::int64_t flags) {
  const auto code = static_cast<std::size_t>(flags >> kPriorityShift & 3);
  return code < kPriorityCodes.size() ? kPriorityCodes[code] : Priority::Normal;
}

inline std::uint64_t cost_of(const Row& row) {
  return row_cost(row.topic.size(), row.payload.size(), row.properties.size());
}

/// The open database and what of it is kept in memory.
class OutboxFile::Database {
 public:
  Database(std::filesystem::path path, Durability durability);

  SQLite::Statement& statement(const char* sql) { return file.statement(sql); }
  void write_meta();

  /// Of all rows; in the file, of those up to `counted`.
  struct Meta {
    Seq reserved = 1;
    std::uint64_t rows = 0, bytes = 0, low = 0, high = 0;
    Seq counted = 0, newest = 0;
    std::uint64_t uncounted = 0;  ///< rows that were added behind `counted`
    bool stale = false;           ///< what is in the file is not true any more
  };
  void add(Seq seq, Priority priority, std::uint64_t cost);
  void take_off(Seq seq, Priority priority, std::uint64_t cost);
  void remove(const std::vector<Seq>& seqs);  ///< from all tables
  void remove(Seq first, Seq last);

  struct ParkedSize {
    std::uint64_t rows = 0, bytes = 0;
  };
  ParkedSize& parked_size();
  std::uint64_t parked_cost(Seq seq);
  void trim_parked();

  Meta meta, committed;
  std::optional<ParkedSize> parked;  // not known: to be counted
  std::uint64_t parked_dropped = 0;  // in this transaction
  std::atomic<std::uint64_t> parked_dropped_committed = 0;
  std::array<Seq, kPriorities.size()> none_before{};  // behind what is in memory: rows of that priority to be dropped
  Seq thinned_until = 0;
  Thinner thinner;
  mqtt::TopicNames topics{file};
  mqtt::DatabaseFile file;  // last: reads into the others while it opens

 private:
  void load(bool fresh);
  void begin_seqs();
  void upgrade();
  void count_the_rest();
};

/// Calls `f` with the first and the last of each run of consecutive numbers.
template <class F>
void each_run(const std::vector<Seq>& rising, F f) {
  for (auto first = rising.begin(); first != rising.end();) {
    auto last = first, next = std::next(first);
    while (next != rising.end() && *next <= *last + 1) last = next++;
    f(*first, *last);
    first = next;
  }
}

template <class F>
auto OutboxFile::guarded(F f) {
  return database_->file.guarded([&] { return f(*database_); });
}

}  // namespace ferrule::bridge
