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

  /// A QoS 2 message is about to be sent: its row is written with its first record, if it is not there yet. A packet
  /// must not leave before its row is on disk: after a restart the same packet identifier could stand for another
  /// message, which the cloud would take for a repetition and swallow.
  void prepare(Row row);
  /// The link gave it back: nothing is to be written for it.
  void unprepare_all();
  bool holds(Seq seq) const;  ///< an exchange goes on

  void put(const std::vector<InFlight>& records) override;
  void done(Seq seq, bool delivered) override;
  void released(const std::string& key) override;
  void clear() override;
  std::vector<InFlight> restore() override;

 private:
  OutboxFile& file_;
  mqtt::Store& store_;
  mutable std::mutex mutex_;
  // Guarded by mutex_
  std::map<Seq, std::map<std::string, std::string>> records_;  // as on disk, but for ended_
  std::map<Seq, Row> prepared_;
  std::vector<std::pair<Seq, bool>> ended_;  // to be taken off the disk before another record is written
  std::vector<std::string> released_;        // likewise: keys of kNoRow
};

}  // namespace ferrule::bridge
