// The open database behind a SessionFile, and its calendar. Only mqtt/session_file*.cpp include this.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <vector>

#include "mqtt/database_file.hpp"
#include "mqtt/session_file.hpp"

namespace ferrule::mqtt {

/// Thread: the store's, as SessionFile.
class SessionFile::Database {
 public:
  using milliseconds = std::chrono::milliseconds;

  Database(std::filesystem::path path, Time now, std::chrono::system_clock::time_point wall);

  std::int64_t calendar(Time time) const;
  Time monotonic(std::int64_t time) const { return Time(milliseconds(time) - offset); }
  void bind_time(SQLite::Statement& statement, int index, Time time) const;  ///< nothing for Time::max()
  Time time_of(const SQLite::Column& column) const;                          ///< the other way

  void save(const StoredSession& session);
  void add(ChangeNo row, const change::AddPublication& added);
  void erase(std::vector<ChangeNo> rows);
  void settle(SessionRow session, std::uint64_t done);
  void end(SessionRow session);
  void save(const change::SaveRetained& retained);
  void note_written(Time now);
  void run(const char* literal, std::initializer_list<std::int64_t> values);

  TopicNames topics{file};
  DatabaseFile file;            // reads into `topics` while it opens
  milliseconds offset{0};       // from the monotonic clock to the calendar
  std::optional<Time> written;  // meta.written as of this process

 private:
  milliseconds last_written();
  void save_will(const StoredSession& session);
};

}  // namespace ferrule::mqtt
