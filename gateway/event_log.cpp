#include "gateway/event_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "gateway/event_file.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kRetry = 10s;

const char* name(EventState state) {
  switch (state) {
    case EventState::Noted:
      return "noted";
    case EventState::Open:
      return "open";
    case EventState::Resolved:
      return "resolved";
  }
  return "noted";
}

std::string duration(std::int64_t milliseconds) {
  const auto seconds = milliseconds / 1000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

}  // namespace

EventLog::EventLog(mqtt::Clock& clock, Told told) : clock_(clock), told_(std::move(told)) {}
EventLog::~EventLog() = default;

Event::Time EventLog::now() const { return std::chrono::floor<std::chrono::milliseconds>(clock_.utc()); }

void EventLog::keep(const std::filesystem::path& path, mqtt::Store& store) {
  file_ = std::make_unique<EventFile>(path);
  store_ = &store;
  auto kept = file_->load();
  if (!kept.empty()) last_id_ = kept.back().id;
  for (auto& event : kept) {
    if (event.state != EventState::Open) continue;
    event.state = EventState::Resolved;
    event.resolved = now();
    unwritten_.push_back(event);
  }
  events_ = std::move(kept);
}

bool EventLog::note(std::string kind, std::string_view who, std::string_view cause) {
  if (!limit_.allow(clock_.now())) {
    ++suppressed_;
    return false;
  }
  begin_event({0, now(), std::move(kind), mqtt::for_log(who), mqtt::for_log(cause), EventState::Noted, {}});
  return true;
}

void EventLog::note_and_tell(std::string kind, std::string_view who, std::string_view cause) {
  const auto line = fmt::format("{}: {}: {}", kind, mqtt::for_log(who), mqtt::for_log(cause));
  const auto level = kind == "login-failed" ? spdlog::level::warn : spdlog::level::info;
  if (note(std::move(kind), who, cause)) spdlog::log(level, "{}", line);
}

void EventLog::tick(const std::vector<Condition>& conditions) {
  const auto moment = clock_.now();
  for (const auto& condition : conditions) {
    const auto [found, fresh] = watches_.try_emplace({condition.kind, condition.who});
    auto& watch = found->second;
    if (fresh) watch.first = moment, watch.began = now(), watch.cause = condition.cause;
    watch.last = moment;
    if (watch.event != 0 || moment - watch.first < kHold) continue;
    begin_event({0, watch.began, condition.kind, condition.who, mqtt::for_log(watch.cause), EventState::Open, {}});
    watch.event = last_id_;
  }
  for (auto watch = watches_.begin(); watch != watches_.end();) {
    const auto absent = moment - watch->second.last;
    const bool over = watch->second.event == 0 ? absent > 0s : absent >= kHold;
    if (over && watch->second.event != 0) {
      resolve(watch->second.event, now() - std::chrono::floor<std::chrono::milliseconds>(absent));
    }
    watch = over ? watches_.erase(watch) : std::next(watch);
  }
  flush();
}

void EventLog::begin_event(Event event) {
  event.id = ++last_id_;
  events_.push_back(std::move(event));
  if (events_.size() > kMost) events_.pop_front();
  changed(events_.back());
}

void EventLog::resolve(std::uint64_t id, Event::Time at) {
  const auto found = std::ranges::lower_bound(events_, id, {}, &Event::id);
  if (found == events_.end() || found->id != id) return;  // it has given way to newer ones
  found->state = EventState::Resolved;
  found->resolved = at;
  changed(*found);
}

void EventLog::changed(const Event& event) {
  if (file_ != nullptr) unwritten_.push_back(event);
  told_(event);
}

void EventLog::flush() {
  if (file_ == nullptr) return;
  if (retry_at_ != std::chrono::steady_clock::time_point{}) {
    if (clock_.now() < retry_at_) {
      unwritten_.clear();
      return;
    }
    retry_at_ = {};
    store_->resume(*file_);
    unwritten_.assign(events_.begin(), events_.end());  // whatever was lost meanwhile
  }
  if (unwritten_.empty()) return;
  store_->write(*file_, [file = file_.get(), events = std::exchange(unwritten_, {})] { file->save(events, kMost); });
}

void EventLog::store_failed(const mqtt::StoreFile& file, const std::string& what) {
  if (&file != file_.get() || retry_at_ != std::chrono::steady_clock::time_point{}) return;
  spdlog::error("events: cannot be written ({}): kept in memory, tried again in {} s", what, kRetry.count());
  retry_at_ = clock_.now() + kRetry;
}

json event_json(const Event& event) {
  return {{"id", event.id},
          {"at", event.at.time_since_epoch().count()},
          {"kind", event.kind},
          {"who", event.who},
          {"cause", event.cause},
          {"state", name(event.state)},
          {"resolved", event.resolved ? json(event.resolved->time_since_epoch().count()) : json()}};
}

std::string event_json_text(const Event& event) {
  return event_json(event).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string events_text(const json& events) {
  std::string text;
  for (const auto& event : events) {
    const auto at = event.value("at", std::int64_t{0});
    const auto state = event.value("state", "");
    const auto end = state == "resolved"
                         ? fmt::format(" (for {})", duration(event["resolved"].get<std::int64_t>() - at))
                     : state == "open" ? " (still so)"
                                       : "";
    fmt::format_to(std::back_inserter(text), "{:%Y-%m-%dT%H:%M:%SZ} {:<14} {}: {}{}\n",
                   fmt::gmtime(static_cast<std::time_t>(at / 1000)), mqtt::for_log(event.value("kind", "")),
                   mqtt::for_log(event.value("who", "")), mqtt::for_log(event.value("cause", "")), end);
  }
  return text;
}

}  // namespace ferrule::gateway
