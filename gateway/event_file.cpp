#include "gateway/event_file.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>

#include "mqtt/database_file.hpp"

namespace ferrule::gateway {

namespace {

constexpr int kApplicationId = 0x46727665;  // "Frve"
constexpr int kSchema = 1;
constexpr auto kCreate = R"(
  CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL,
                      cause TEXT NOT NULL, state INTEGER NOT NULL, resolved INTEGER);
)";

Event::Time time_of(std::int64_t milliseconds) { return Event::Time(std::chrono::milliseconds(milliseconds)); }

Event read_event(SQLite::Statement& row) {
  Event event;
  event.id = static_cast<std::uint64_t>(row.getColumn(0).getInt64());
  event.at = time_of(row.getColumn(1).getInt64());
  event.kind = row.getColumn(2).getString();
  event.who = row.getColumn(3).getString();
  event.cause = row.getColumn(4).getString();
  event.state = static_cast<EventState>(std::clamp(row.getColumn(5).getInt(), 0, 2));
  if (!row.getColumn(6).isNull()) event.resolved = time_of(row.getColumn(6).getInt64());
  return event;
}

}  // namespace

class EventFile::Database {
 public:
  explicit Database(std::filesystem::path path)
      : file(std::move(path),
             {.name = "events",
              .application_id = kApplicationId,
              .schema = kSchema,
              .create = kCreate,
              .when_damaged = "the events in it are not shown"},
             [](bool) {}, false) {}

  mqtt::DatabaseFile file;
};

EventFile::EventFile(std::filesystem::path path) : database_(std::make_unique<Database>(std::move(path))) {}
EventFile::~EventFile() = default;

void EventFile::begin() { database_->file.begin(); }
void EventFile::commit() { database_->file.commit(); }
void EventFile::rollback() noexcept { database_->file.rollback(); }

std::deque<Event> EventFile::load() {
  if (!database_->file.is_open()) return {};
  return database_->file.guarded([this] {
    std::deque<Event> events;
    auto& rows = database_->file.statement("SELECT id, at, kind, who, cause, state, resolved FROM event ORDER BY id");
    while (rows.executeStep()) events.push_back(read_event(rows));
    rows.reset();
    return events;
  });
}

void EventFile::save(const std::vector<Event>& events, std::size_t most) {
  database_->file.guarded([&] {
    for (const auto& event : events) {
      auto& insert = database_->file.statement("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)");
      insert.bind(1, static_cast<std::int64_t>(event.id));
      insert.bind(2, static_cast<std::int64_t>(event.at.time_since_epoch().count()));
      insert.bindNoCopy(3, event.kind);
      insert.bindNoCopy(4, event.who);
      insert.bindNoCopy(5, event.cause);
      insert.bind(6, static_cast<int>(event.state));
      if (event.resolved) {
        insert.bind(7, static_cast<std::int64_t>(event.resolved->time_since_epoch().count()));
      } else {
        insert.bind(7);
      }
      insert.exec();
    }
    auto& trim = database_->file.statement("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?");
    trim.bind(1, static_cast<std::int64_t>(most));
    trim.exec();
  });
}

}  // namespace ferrule::gateway
