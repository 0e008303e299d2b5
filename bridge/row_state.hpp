// Where a link's QoS 2 exchanges are kept: in the outbox's file, written with the rows they belong to.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bridge/link.hpp"
#include "bridge/outbox_file.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

/// Thread: any. `file` and `store` must outlive the link that uses it.
class RowState final : public LinkState {
 public:
  /// Reads the records of `file`, which no job may use yet. Throws std::runtime_error.
  RowState(OutboxFile& file, mqtt::Store& store);

  /// A row of a message that is about to be sent at QoS 2.
  struct Prepared {
    Row row;
    bool written = false;  ///< handed to the store already
  };
  /// Of rising Seqs. They go as one, by the first: those that are not there yet are written with its record. A packet
  /// must not leave before its rows are on disk: after a restart the same packet identifier could stand for another
  /// message, which the cloud would take for a repetition and swallow.
  void prepare(std::vector<Prepared> rows);
  /// The link gave it back: nothing is to be written for it.
  void unprepare_all();
  bool holds(Seq seq) const;           ///< an exchange goes on that it is part of
  bool is_idle() const;                ///< no exchange of ours goes on
  std::vector<Seq> followers() const;  ///< what goes by another's Seq
  /// What went by this one's, in an exchange that has ended; tells it once.
  std::vector<Seq> take_followers(Seq leader);

  void put(const std::vector<InFlight>& records) override;
  void done(Seq seq, bool delivered) override;
  void released(const std::string& key) override;
  void clear() override;
  std::vector<InFlight> restore() override;

 private:
  /// A record on its way to the disk, with the rows it is the first of.
  struct Writing {
    InFlight record;
    std::vector<Prepared> rows;
    std::size_t cut() const;
  };
  void write(const Writing& writing);
  void keep(Writing& writing);

  OutboxFile& file_;
  mqtt::Store& store_;
  mutable std::mutex mutex_;
  // Guarded by mutex_
  std::map<Seq, std::map<std::string, std::string>> records_;  // as on disk, but for ended_; followers have none
  std::map<Seq, std::vector<Seq>> followers_, set_free_;       // by their leader: of exchanges that go on, and ended
  std::map<Seq, std::vector<Prepared>> prepared_;              // likewise
  std::vector<std::pair<Seq, bool>> ended_;  // to be taken off the disk before another record is written
  std::vector<std::string> released_;        // likewise: keys of kNoRow
};

}  // namespace ferrule::bridge
