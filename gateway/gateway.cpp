#include "gateway/gateway.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "gateway/status.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

/// Poll batches on their way to the broker thread. Above it a bus drops what it just read (policy: drop-newest; mapping
/// state is left alone, so that a change shows with the next poll) and counts it.
constexpr std::size_t kMaxBatchesUnderWay = 10'000;
/// Each takes up to 19 MiB while it computes an Argon2id hash.
constexpr std::size_t kPasswordThreads = 2;
constexpr auto kUplinkGrace = 500ms;
constexpr const char* kEventTopic = "$SYS/ferrule/events";
constexpr auto kFarewell = 50ms;  // for the loop to send what is left to the clients

}  // namespace

Gateway::Gateway(Settings settings, mqtt::Loop& loop)
    : settings_(std::move(settings)),
      loop_(loop),
      broker_(settings_.broker, clock_),
      password_checks_([this](std::function<void()> task) { post(std::move(task)); }, kPasswordThreads,
                       settings_.broker.access.max_logins_waiting),
      events_(clock_, [this](const Event& event) { tell(event); }) {
  const bool persistent = prepare_state_dir();
  const auto to_loop = [this](std::function<void()> task) { post(std::move(task)); };
  store_ = std::make_unique<mqtt::Store>(
      to_loop, [this](mqtt::Ticket ticket) { on_committed(ticket); },
      [this](mqtt::StoreFile& file, const std::string& what) {
        broker_.store_failed(file, what);
        for (auto& uplink : uplinks_) uplink->store_failed(file, what);
        events_.store_failed(file, what);
      });
  for (const auto& uplink : settings_.uplinks) {
    uplinks_.push_back(
        std::make_unique<bridge::Uplink>(uplink, settings_.state_dir, *store_, to_loop, clock_,
                                         [this](auto publication) { broker_.publish(std::move(publication)); }));
    broker_.attach(*uplinks_.back());
  }
  if (persistent) restore_sessions();
  keep_events();
  for (std::size_t i = 0; i < settings_.broker.listen.size(); ++i) {
    listeners_.push_back(std::make_unique<mqtt::Listener>(
        loop_, settings_.broker.listen[i], i,
        [this](std::unique_ptr<mqtt::Transport> transport) { broker_.accept(std::move(transport)); }));
  }
  broker_.check_passwords_with(password_checks_);
  broker_.also_tell([this](const mqtt::Broker::Show& show) {
    for (const auto& listener : listeners_) listener->tell(show);
    show("store/commits", store_->commits());
    show("store/failures", store_->failures());
    show("store/backlog", store_->backlog());
  });
  broker_.on_login([this](const mqtt::LoginReport& report) { note_login(report); });
  broker_.on_needs_flush([this] { post([this] { broker_.flush(); }); });
  take_commands();
  take_acknowledgements();
  open_modbus_servers();
  for (std::size_t i = 0; i < settings_.buses.size(); ++i) add_bus(i);
}

Gateway::~Gateway() {
  servers_->stop();  // what it answers goes by the buses
  for (auto& line : lines_) line->bus->request_stop();
  lines_.clear();
  listeners_.clear();
  broker_.detach(*commands_);
  broker_.detach(*acknowledgements_);
  for (auto& uplink : uplinks_) broker_.detach(*uplink);
  store_.reset();
}

/// Returns whether the broker's sessions are to be kept there. Unless somebody asked for that, a gateway without a
/// directory to write to runs all the same: so the first try by hand does.
bool Gateway::prepare_state_dir() const {
  const auto& persistence = settings_.broker.persistence;
  if (settings_.uplinks.empty() && !persistence.on) return false;
  std::error_code error;
  std::filesystem::create_directories(settings_.state_dir, error);
  if (!error && access(settings_.state_dir.c_str(), W_OK | X_OK) != 0) error.assign(errno, std::generic_category());
  if (error && settings_.uplinks.empty() && !persistence.asked && !settings_.state_dir_named) {
    spdlog::warn("cannot write to {} ({}): the broker's sessions will not survive a restart; name gateway.state_dir",
                 settings_.state_dir.string(), error.message());
    return false;
  }
  if (error) {
    throw config::Error(settings_.state_dir_where, "gateway.state_dir",
                        fmt::format("cannot write to {}: {}", settings_.state_dir.string(), error.message()),
                        EX_CANTCREAT);
  }
  return persistence.on;
}

void Gateway::restore_sessions() {
  const auto& persistence = settings_.broker.persistence;
  try {
    broker_.persist(std::make_unique<mqtt::SessionJournal>(settings_.state_dir / persistence.path, *store_, clock_,
                                                           persistence.sync));
  } catch (const std::runtime_error& error) {
    throw config::Error(persistence.where, "broker.persistence", error.what(), EX_CANTCREAT);
  }
}

/// A gateway without a file for them keeps its events in memory.
void Gateway::keep_events() {
  if (access(settings_.state_dir.c_str(), W_OK | X_OK) != 0) return;
  try {
    events_.keep(settings_.state_dir / "events.db", *store_);
  } catch (const std::runtime_error& error) {
    spdlog::warn("events: {}: kept in memory only", error.what());
  }
}

void Gateway::post(std::function<void()> task) {
  loop_.post([alive = std::weak_ptr(alive_), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

void Gateway::tell(const Event& event) {
  mqtt::Publication publication;
  publication.topic = kEventTopic;
  publication.payload = event_json_text(event);
  publication.qos = mqtt::Qos::AtLeastOnce;
  publication.published = clock_.now();
  // Not now: what happened may have happened inside the broker.
  post([this, shared = std::make_shared<const mqtt::Publication>(std::move(publication))] {
    if (!stopping_) broker_.publish(shared);
  });
}

void Gateway::note_login(const mqtt::LoginReport& report) {
  events_.note(report.ok ? "login" : "login-failed",
               fmt::format("user {}", report.user.empty() ? "(none)" : report.user),
               fmt::format("from {}{}", report.peer, report.ok ? "" : fmt::format(": {}", report.why)));
}

void Gateway::take_commands() {
  std::vector<WritablePoint> writable;
  for (std::size_t bus = 0; bus < settings_.buses.size(); ++bus) {
    drivers::PointIndex index = 0;
    for (const auto& device : settings_.buses[bus].devices) {
      for (const auto& point : device.points) {
        if (point.write) {
          const auto& mapping = settings_.mappings[bus].points[index];
          writable.push_back(
              {mapping::command_topic(mapping), bus, index, *point.write, mapping.rule->conversion.words});
        }
        ++index;
      }
    }
  }
  const Commands::Way way{
      [this](std::size_t bus, drivers::WriteRequest&& request) { return lines_[bus]->bus->submit(std::move(request)); },
      [this](mqtt::PublicationPtr publication) { broker_.publish(std::move(publication)); },
      [this](std::function<void()> task) { post(std::move(task)); },
      [this](std::string_view client, std::string_view topic) { return broker_.may_publish(client, topic); },
      [this](std::string_view who, std::string_view what) { events_.note("write", who, what); }};
  commands_ = std::make_unique<Commands>(settings_.id, std::move(writable), way, bus_clock_);
  broker_.attach(*commands_);
}

void Gateway::take_acknowledgements() {
  std::vector<AlarmPlace> places;
  for (std::size_t bus = 0; bus < settings_.mappings.size(); ++bus) {
    const auto& points = settings_.mappings[bus].points;
    for (drivers::PointIndex point = 0; point < points.size(); ++point) {
      const auto& alarms = points[point].rule->alarms;
      for (std::size_t i = 0; i < alarms.size(); ++i) {
        places.push_back({alarm_topic(points[point], alarms[i]) + "/ack", bus, point, i});
      }
    }
  }
  const Acknowledgements::Way way{
      [this](const AlarmPlace& place, std::string by) {
        return lines_[place.bus]->mapper.acknowledge(place.point, place.alarm, std::move(by), clock_.now());
      },
      [this](mqtt::PublicationPtr publication) { broker_.publish(std::move(publication)); },
      [this](std::function<void()> task) { post(std::move(task)); },
      [this](std::string_view who, std::string_view what) { events_.note("acknowledge", who, what); }};
  acknowledgements_ = std::make_unique<Acknowledgements>(std::move(places), way);
  broker_.attach(*acknowledgements_);
}

void Gateway::open_modbus_servers() {
  const ModbusServers::Way way{
      [this](const std::string& topic, drivers::Value value, std::string who, auto done) {
        post([this, topic, value = std::move(value), who = std::move(who), done = std::move(done)] {
          commands_->write(topic, value, who, done);
        });
      },
      [this](std::size_t bus) -> drivers::Bus& { return *lines_[bus]->bus; },
      [this](std::string who, std::string what) {
        post([this, who = std::move(who), what = std::move(what)] { events_.note("write", who, what); });
      }};
  servers_ = std::make_unique<ModbusServers>(settings_.modbus_servers, settings_.mappings, way, bus_clock_);
}

void Gateway::add_bus(std::size_t index) {
  std::ranges::move(std::exchange(settings_.mappings[index].announcements, {}), std::back_inserter(announcements_));
  auto& line = *lines_.emplace_back(std::make_unique<Line>(
      std::move(settings_.mappings[index]), [trust = settings_.clock](auto now) { return clock_is_set(trust, now); }));
  line.bus = std::make_unique<drivers::Bus>(
      std::move(settings_.buses[index]),
      [this, index](std::span<const drivers::Reading> readings) { take(index, readings); }, bus_clock_);
}

void Gateway::start() {
  for (const auto& listener : listeners_) spdlog::info("broker: listening on {}", listener->name());
  for (auto& uplink : uplinks_) uplink->start();
  for (const auto& announcement : std::exchange(announcements_, {})) broker_.publish(announcement);
  start_bus(0);
  servers_->start();
  events_.note("start", "gateway", FERRULE_VERSION);
  loop_.every(1s, [this] {
    broker_.tick();
    if (!stopping_) events_.tick(conditions(buses(), uplinks(), alarms()));
  });
  loop_.every(100ms, [this] {
    if (stopping_) return;
    broker_.tick_disk();
    for (auto& uplink : uplinks_) uplink->tick();
  });
}

/// One after the other, so that their first polls do not fall into one instant and their batches do not pile up.
void Gateway::start_bus(std::size_t index) {
  if (stopping_ || index == lines_.size()) return;
  lines_[index]->bus->start();
  loop_.once(1ms, [this, index] { start_bus(index + 1); });
}

bool Gateway::renew_access(const Settings& fresh) {
  const auto place = [](const mqtt::ListenSettings& listen) {
    return std::tie(listen.bind, listen.port, listen.unix_path, listen.systemd);
  };
  if (!std::ranges::equal(settings_.broker.listen, fresh.broker.listen, {}, place, place)) return false;
  for (const auto& warning : fresh.warnings) spdlog::warn("{}", warning.text());
  broker_.set_access(std::make_shared<const mqtt::Access>(fresh.broker.access));
  return true;
}

// On the bus's thread.
void Gateway::take(std::size_t index, std::span<const drivers::Reading> readings) {
  auto& line = *lines_[index];
  if (batches_under_way_ >= kMaxBatchesUnderWay) {
    skipped_readings_ += readings.size();
    servers_->miss(index, readings);
    return;
  }
  std::vector<mqtt::PublicationPtr> batch;
  line.mapper.map(readings, batch);
  servers_->take(index, readings, line.mapper);
  if (batch.empty()) return;
  ++batches_under_way_;
  post([this, batch = std::move(batch)] {
    --batches_under_way_;
    for (const auto& publication : batch) broker_.publish(publication);
  });
}

void Gateway::on_committed(mqtt::Ticket ticket) {
  broker_.store_committed(ticket);
  for (auto& uplink : uplinks_) uplink->committed(ticket);
  // A failed write was told to whom it concerns just before; the ticket of its second try covers what waits here.
  const auto owes = [](const auto& uplink) { return uplink->owes_disk(); };
  if (!broker_.owes_disk() && std::ranges::none_of(uplinks_, owes)) broker_.committed(ticket);
}

void Gateway::stop_polling() {
  for (auto& line : lines_) line->bus->request_stop();
  for (auto& line : lines_) line->bus->stop();
}

void Gateway::stop() {
  if (std::exchange(stopping_, true)) return;
  spdlog::info("stopping");
  events_.note("stop", "gateway", FERRULE_VERSION);
  events_.flush();
  listeners_.clear();
  servers_->stop();
  stop_polling();
  // Behind the last batches of the buses, so that these still reach the outboxes.
  post([this] { disconnect_clients(); });
}

void Gateway::disconnect_clients() {
  for (auto& uplink : uplinks_) uplink->stop(kUplinkGrace);
  broker_.shut_down();
  broker_.flush();
  loop_.once(kFarewell, [this] { loop_.stop(); });
}

std::vector<std::string> Gateway::listening() const {
  std::vector<std::string> names;
  for (const auto& listener : listeners_) names.push_back(listener->name());
  return names;
}

drivers::Bus* Gateway::bus(const std::string& name) {
  const auto found = std::ranges::find_if(lines_, [&](const auto& line) { return line->bus->status().name == name; });
  return found == lines_.end() ? nullptr : (*found)->bus.get();
}

std::vector<drivers::BusStatus> Gateway::buses() const {
  std::vector<drivers::BusStatus> status;
  for (const auto& line : lines_) status.push_back(line->bus->status());
  return status;
}

std::vector<bridge::UplinkStatus> Gateway::uplinks() const {
  std::vector<bridge::UplinkStatus> status;
  for (const auto& uplink : uplinks_) status.push_back(uplink->status());
  return status;
}

std::vector<mapping::PointStatus> Gateway::points() const {
  std::vector<mapping::PointStatus> points;
  for (const auto& line : lines_) std::ranges::move(line->mapper.snapshot(), std::back_inserter(points));
  return points;
}

std::vector<mapping::AlarmStatus> Gateway::alarms() const {
  std::vector<mapping::AlarmStatus> alarms;
  for (const auto& line : lines_) std::ranges::move(line->mapper.alarms(), std::back_inserter(alarms));
  return alarms;
}

std::string Gateway::status_line() const {
  std::size_t devices = 0;
  std::size_t online = 0;
  for (const auto& bus : buses()) {
    for (const auto& device : bus.devices) {
      devices += device.polled ? 1 : 0;
      online += device.polled && device.online ? 1 : 0;
    }
  }
  auto line = fmt::format("{}/{} devices ok", online, devices);
  for (const auto& uplink : uplinks())
    line += fmt::format(", uplink {} {}, queue {}", uplink.name, name(uplink.state), uplink.queued);
  return line;
}

}  // namespace ferrule::gateway
