// The event log: what was wrong and for how long, who wrote what, who came in and who did not.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gateway/event.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/log_limit.hpp"
#include "mqtt/store.hpp"

namespace ferrule::gateway {

class EventFile;

/// Something that is wrong now.
struct Condition {
  std::string kind;
  std::string who;
  std::string cause;
  std::string lately{};  ///< what changes all the time, and so stands in no event: "silent for 4 min"
};

/// Keeps the newest thousand events, in memory and, when it is told where, on disk. Belongs to the broker thread.
class EventLog {
 public:
  using Told = std::function<void(const Event&)>;
  static constexpr std::size_t kMost = 1000;  ///< events; the oldest give way
  /// How long something is wrong before it is an event, and right before that event is resolved: what comes and goes
  /// with each poll is one event.
  static constexpr std::chrono::seconds kHold{5};

  /// `told` hears of each event that begins or is resolved.
  EventLog(mqtt::Clock& clock, Told told);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// Takes over what `path` has, and writes there what changes from now on. Throws std::runtime_error when it cannot be
  /// opened. What was open is resolved: this run finds out anew. `store` must be destroyed before this.
  void keep(const std::filesystem::path& path, mqtt::Store& store);

  /// Something that happened once. At most twenty in ten seconds; the rest is only counted: false.
  bool note(std::string kind, std::string_view who, std::string_view cause);
  /// The same for what nobody else tells the log.
  void note_and_tell(std::string kind, std::string_view who, std::string_view cause);
  /// All that is wrong now; call about once a second. Also writes what gathered.
  void tick(const std::vector<Condition>& conditions);
  void flush();  ///< writes what gathered
  /// From the store. The file is tried again after ten seconds.
  void store_failed(const mqtt::StoreFile& file, const std::string& what);

  const std::deque<Event>& events() const { return events_; }  ///< the oldest first
  std::uint64_t suppressed() const { return suppressed_; }

 private:
  struct Watch {
    std::chrono::steady_clock::time_point first, last;
    Event::Time began;
    std::string cause;
    std::uint64_t event = 0;  // 0: not yet
  };

  Event::Time now() const;
  void begin_event(Event event);
  void resolve(std::uint64_t id, Event::Time at);
  void changed(const Event& event);

  // Constant after construction.
  mqtt::Clock& clock_;
  const Told told_;
  // Thread: broker.
  mqtt::Store* store_ = nullptr;
  std::unique_ptr<EventFile> file_;  // absent: nothing is kept
  std::deque<Event> events_;
  std::map<std::pair<std::string, std::string>, Watch> watches_;  // by kind and who
  std::vector<Event> unwritten_;
  std::chrono::steady_clock::time_point retry_at_{};  // set: the file failed
  std::uint64_t last_id_ = 0;
  mqtt::LogLimit limit_;
  std::uint64_t suppressed_ = 0;
};

/// As docs/control.md has it.
nlohmann::json event_json(const Event& event);
std::string event_json_text(const Event& event);
/// A line for each, the newest last, from what the `events` command answered.
std::string events_text(const nlohmann::json& events);

}  // namespace ferrule::gateway
