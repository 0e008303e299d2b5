// The SQLite file of the event log.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <vector>

#include "gateway/event.hpp"
#include "mqtt/store.hpp"

namespace ferrule::gateway {

/// Thread: the store's, but for the constructor and `load`, which is called before the first job. Members throw
/// std::runtime_error when SQLite refuses.
///
///     event   id, at, kind, who, cause, state, resolved
class EventFile final : public mqtt::StoreFile {
 public:
  /// Opens `path` as DatabaseFile does; one that is not there is made by the first job: a start waits for no disk.
  explicit EventFile(std::filesystem::path path);
  ~EventFile() override;
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  void begin() override;
  void commit() override;
  void rollback() noexcept override;

  std::deque<Event> load();  ///< all, the oldest first
  /// Inside a transaction. Adds them or puts them in place of those with the same id, and keeps the newest `most`.
  void save(const std::vector<Event>& events, std::size_t most);

 private:
  class Database;
  const std::unique_ptr<Database> database_;
};

}  // namespace ferrule::gateway
