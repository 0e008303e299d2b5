// The SQLite file of the broker: sessions and what they hold, retained publications, wills.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "mqtt/session_changes.hpp"
#include "mqtt/store.hpp"

namespace ferrule::mqtt {

/// Thread: the store's, but for the constructor and what is marked otherwise; the members that read may also be called
/// between the constructor and the first job. Members throw std::runtime_error when SQLite refuses.
///
///     meta          one row: when it was last written, and the highest receipt (mqtt::Receipt) of `incoming` so far
///     topic         id, name: interned
///     session       id, client_id, expiry, online, expires, done, sent, and its owner: user, proof, listener
///     will          session, and the publication with its delay and expiry
///     subscription  session, filter, options, identifier
///     publication   id (its change's number), topic, flags (QoS | retain << 2), cost, expires, receivers, properties,
///                   payload: once for all sessions that get it; erased when the last of them has settled it
///     exchange      session, number: QoS 2, between PUBREC and the moment when all before it is settled
///     incoming      session, packet_id: QoS 2 publications of the client without PUBREL
///     retained      id, topic, flags, published, expires, origin, properties, payload
///
/// Committed after the uplinks' files: a packet identifier that is on disk says that the publication need not come
/// again. Times are milliseconds since the epoch on a calendar that never goes back: see `calendar`.
class SessionFile final : public StoreFile {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Opens `path` as DatabaseFile does; when it is not there, the first `begin` makes it: a start need not wait for the
  /// disk. `now` and `wall` are the same moment on both clocks.
  SessionFile(std::filesystem::path path, Time now, std::chrono::system_clock::time_point wall);
  ~SessionFile() override;
  SessionFile(const SessionFile&) = delete;
  SessionFile& operator=(const SessionFile&) = delete;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  bool commits_last() const override { return true; }

  /// Inside a transaction. Applying a batch again, in order with those after it, changes nothing.
  void apply(const Batch& batch, Time now);

  // Reading.
  RestoredState sessions();
  using TakeRetained = std::function<void(RetainedRow, PublicationPtr)>;
  void retained(const TakeRetained& take);
  /// Those of them that are there, in their order.
  std::vector<std::pair<ChangeNo, PublicationPtr>> publications(const std::vector<ChangeNo>& rows);

  std::uint64_t size_on_disk() const;     ///< Any thread.
  std::uint64_t times_set_aside() const;  ///< Any thread.
  bool full() const;                      ///< Any thread. See DatabaseFile.

 private:
  class Database;
  class Reading;
  const std::unique_ptr<Database> database_;
};

}  // namespace ferrule::mqtt
