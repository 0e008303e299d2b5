// Where a link's QoS 2 exchanges are kept: in the outbox's file, written with the rows they belong to.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
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
  bool is_idle() const;  ///< no exchange of ours goes on
  /// What is part of an exchange that goes on.
  struct UnderWay {
    std::set<Seq> seqs;
    std::size_t followers = 0;  ///< of them, which go by another's Seq
  };
  UnderWay under_way() const;
  /// What went by this one's, in an exchange that has ended; tells it once.
  std::vector<Seq> take_followers(Seq leader);

  /// The exchange ended. `delivered`: the cloud has the message; otherwise it refused it.
  void done(Seq seq, bool delivered);

  void write(std::vector<InFlight> records, Written written) override;
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
  struct Changes {
    std::vector<Writing> added;
    std::vector<std::pair<Seq, bool>> ended;
    std::vector<std::string> released;
  };
  void add(InFlight record, Changes& changes);
  void post(const std::shared_ptr<Changes>& changes, Written written);
  void write(const Writing& writing);
  void apply(const Changes& changes);
  void take_back(Changes& changes);

  OutboxFile& file_;
  mqtt::Store& store_;
  mutable std::mutex mutex_;
  // Guarded by mutex_
  // As they will be on disk once what is under way to it is there; followers have none.
  std::map<Seq, std::map<std::string, std::string>> records_;
  std::map<Seq, std::vector<Seq>> followers_, set_free_;  // by their leader: of exchanges that go on, and ended
  std::map<Seq, std::vector<Prepared>> prepared_;         // likewise
  std::vector<std::pair<Seq, bool>> ended_;  // to be taken off the disk with the next records that are written
  std::vector<std::string> released_;        // likewise: keys of kNoRow
};

}  // namespace ferrule::bridge
