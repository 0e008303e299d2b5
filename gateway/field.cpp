#include "gateway/field.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

/// Poll batches on their way to the broker thread. Above it a bus drops what it just read (policy: drop-newest; mapping
/// state is left alone, so that a change shows with the next poll) and counts it.
constexpr std::size_t kMaxBatchesUnderWay = 10'000;

std::vector<WritablePoint> writable_points(const Settings& settings) {
  std::vector<WritablePoint> writable;
  for (std::size_t bus = 0; bus < settings.buses.size(); ++bus) {
    drivers::PointIndex index = 0;
    for (const auto& device : settings.buses[bus].devices) {
      for (const auto& point : device.points) {
        if (point.write) {
          const auto& mapping = settings.mappings[bus].points[index];
          writable.push_back({mapping::command_topic(mapping), bus, index, *point.write, mapping.rule->conversion.words,
                              device.name, point.name, mapping.rule->digits, point.type});
        }
        ++index;
      }
    }
  }
  return writable;
}

std::vector<AlarmPlace> alarm_places(const Settings& settings) {
  std::vector<AlarmPlace> places;
  for (std::size_t bus = 0; bus < settings.mappings.size(); ++bus) {
    const auto& points = settings.mappings[bus].points;
    for (drivers::PointIndex point = 0; point < points.size(); ++point) {
      const auto& alarms = points[point].rule->alarms;
      for (std::size_t i = 0; i < alarms.size(); ++i) {
        places.push_back({alarm_topic(points[point], alarms[i]) + "/ack", bus, point, i});
      }
    }
  }
  return places;
}

}  // namespace

/// A bus and the mapping of its points.
struct Field::Line {
  Line(mapping::BusMappings mappings, mapping::PublicationPool& pool, mapping::Mapper::ClockCheck clock_is_set)
      : mapper(std::move(mappings), pool, std::move(clock_is_set)) {}

  std::vector<std::string> retained_topics() const {
    auto topics = mapper.retained_topics();
    for (const auto& announcement : announcements) topics.push_back(announcement->topic);
    return topics;
  }

  std::string name;
  std::string fingerprint;
  std::size_t position = 0;  // among the buses; guarded by Field::servers_mutex_
  mapping::Mapper mapper;
  std::vector<mqtt::PublicationPtr> announcements;  // to Home Assistant
  std::unique_ptr<drivers::Bus> bus;
};

struct Field::Renewal {
  Renewal(Settings settings, Renewed told) : fresh(std::move(settings)), done(std::move(told)) {}
  Renewal(const Renewal&) = delete;
  Renewal& operator=(const Renewal&) = delete;
  ~Renewal() {
    if (waits.joinable()) waits.join();
  }

  Settings fresh;
  Renewed done;
  std::vector<Line*> staying;  // of each fresh bus; null: it begins
  std::vector<Line*> ending;
  std::thread waits;  // for the ends
};

Field::Field(Settings& settings, mqtt::Broker& broker, Way way)
    : broker_(broker), way_(std::move(way)), trust_(settings.clock) {
  const Commands::Way commands{
      [this](std::size_t bus, drivers::WriteRequest&& request) { return submit(*lines_[bus], std::move(request)); },
      [this](mqtt::PublicationPtr publication) { publish(std::move(publication)); },
      way_.post,
      [this](std::string_view client, std::string_view topic) { return broker_.may_publish(client, topic); },
      [this](std::size_t bus, drivers::PointIndex point) { return lines_[bus]->mapper.current(point); },
      [this](std::string_view who, std::string_view what) { way_.note("write", who, what); }};
  commands_ = std::make_unique<Commands>(settings.id, commands, bus_clock_);
  const Acknowledgements::Way acknowledgements{
      [this](const AlarmPlace& place, std::string by) {
        return lines_[place.bus]->mapper.acknowledge(place.point, place.alarm, std::move(by), clock_.now());
      },
      [this](mqtt::PublicationPtr publication) { publish(std::move(publication)); }, way_.post,
      [this](std::string_view who, std::string_view what) { way_.note("acknowledge", who, what); }};
  acknowledgements_ = std::make_unique<Acknowledgements>(acknowledgements);
  take_for(settings);
  make_servers(settings);
  for (std::size_t i = 0; i < settings.buses.size(); ++i) {
    lines_.push_back(make_line(settings, i));
    to_start_.push_back(lines_.back().get());
  }
  broker_.attach(*commands_);
  broker_.attach(*acknowledgements_);
}

Field::~Field() {
  stop_servers();  // what they answer goes by the buses
  stop_polling();
  broker_.detach(*commands_);
  broker_.detach(*acknowledgements_);
}

void Field::publish(mqtt::PublicationPtr publication) { broker_.publish(std::move(publication)); }

void Field::take_for(const Settings& settings) {
  commands_->take_for(writable_points(settings));
  acknowledgements_->take_for(alarm_places(settings));
}

std::unique_ptr<Field::Line> Field::make_line(Settings& settings, std::size_t index) {
  auto announcements = std::exchange(settings.mappings[index].announcements, {});
  auto line = std::make_unique<Line>(std::move(settings.mappings[index]), pool_,
                                     [trust = trust_](auto now) { return clock_is_set(trust, now); });
  line->name = settings.buses[index].name;
  line->fingerprint = settings.fingerprints.buses[index];
  line->position = index;
  line->announcements = std::move(announcements);
  line->bus = std::make_unique<drivers::Bus>(
      std::move(settings.buses[index]),
      [this, &line = *line](std::span<const drivers::Reading> readings) { take(line, readings); }, bus_clock_);
  return line;
}

void Field::start() {
  for (const auto& line : lines_) {
    for (const auto& announcement : line->announcements) publish(announcement);
  }
  start_servers();
  start_next();
}

/// One after the other, so that their first polls do not fall into one instant and their batches do not pile up.
void Field::start_next() {
  if (stopping_ || to_start_.empty()) return;
  to_start_.front()->bus->start();
  to_start_.pop_front();
  way_.once(1ms, [this] { start_next(); });
}

/// What is read back is told as the point shows it, and shown to masters before they hear that it was written.
bool Field::submit(Line& line, drivers::WriteRequest&& request) {
  request.done = [this, &line, point = request.point, done = std::move(request.done)](drivers::WriteResult result) {
    if (result.read_back) result.read_back = line.mapper.shown(point, *result.read_back);
    if (result.read_back) {
      const std::lock_guard lock(servers_mutex_);
      if (servers_) servers_->show(line.position, point, *result.read_back);
    }
    done(result);
  };
  return line.bus->submit(std::move(request));
}

// On the bus's thread.
void Field::take(Line& line, std::span<const drivers::Reading> readings) {
  if (batches_under_way_ >= kMaxBatchesUnderWay) {
    skipped_readings_ += readings.size();
    const std::lock_guard lock(servers_mutex_);
    if (servers_) servers_->miss(line.position, readings);
    return;
  }
  std::vector<mqtt::PublicationPtr> batch;
  line.mapper.map(readings, batch);
  {
    const std::lock_guard lock(servers_mutex_);
    if (servers_) servers_->take(line.position, readings, line.mapper);
  }
  if (batch.empty()) return;
  ++batches_under_way_;
  way_.post([this, batch = std::move(batch)] {
    --batches_under_way_;
    for (const auto& publication : batch) broker_.publish(publication);
  });
}

/// For a bus that has ended: what was gathered goes out, behind the last that it read.
void Field::end_windows(Line& line) {
  std::vector<mqtt::PublicationPtr> batch;
  line.mapper.end_windows(clock_.now(), batch);
  if (batch.empty()) return;
  way_.post([this, batch = std::move(batch)] {
    for (const auto& publication : batch) broker_.publish(publication);
  });
}

// Modbus servers

/// Takes the place of those that there are, which have been stopped. They reach the buses by a list of their own: their
/// threads must not look at lines_.
void Field::make_servers(const Settings& settings) {
  server_buses_ = std::make_shared<std::vector<drivers::Bus*>>();
  const ModbusServers::Way way{
      [this](const std::string& topic, drivers::Value value, std::string who, auto done) {
        way_.post([this, topic, value = std::move(value), who = std::move(who), done = std::move(done)] {
          commands_->write(topic, value, who, done);
        });
      },
      [buses = server_buses_](std::size_t bus) -> drivers::Bus& { return *(*buses)[bus]; },
      [this](std::string who, std::string what) {
        way_.post([this, who = std::move(who), what = std::move(what)] { way_.note("write", who, what); });
      }};
  exchange_servers(std::make_unique<ModbusServers>(settings.modbus_servers, settings.mappings, way, bus_clock_));
  servers_fingerprint_ = settings.fingerprints.modbus_servers;
}

/// The old ones end without the lock: they may wait for a bus, and a bus for it.
void Field::exchange_servers(std::unique_ptr<ModbusServers> servers) {
  const std::lock_guard lock(servers_mutex_);
  servers_.swap(servers);
}

void Field::start_servers() {
  for (const auto& line : lines_) server_buses_->push_back(line->bus.get());
  servers_->start();
}

void Field::stop_servers() {
  if (servers_) servers_->stop();
}

void Field::stop_polling() {
  stopping_ = true;
  for (auto& line : lines_) line->bus->request_stop();
  renewal_.reset();
  for (auto& line : lines_) {
    line->bus->stop();
    end_windows(*line);
  }
}

// Renewal

void Field::renew(Settings fresh, Renewed done) {
  renewal_ = std::make_unique<Renewal>(std::move(fresh), std::move(done));
  auto& renewal = *renewal_;
  const auto& settings = renewal.fresh;
  for (std::size_t i = 0; i < settings.buses.size(); ++i) {
    const auto same = std::ranges::find(lines_, settings.buses[i].name, &Line::name);
    const bool stays = same != lines_.end() && (*same)->fingerprint == settings.fingerprints.buses[i];
    renewal.staying.push_back(stays ? same->get() : nullptr);
  }
  for (const auto& line : lines_) {
    if (std::ranges::count(renewal.staying, line.get()) == 0) renewal.ending.push_back(line.get());
  }
  if (servers_fingerprint_ != settings.fingerprints.modbus_servers) {
    stop_servers();
    exchange_servers(nullptr);
  }
  std::erase_if(to_start_, [&](Line* line) { return std::ranges::count(renewal.ending, line) > 0; });
  for (auto* line : renewal.ending) line->bus->request_stop();
  renewal.waits = std::thread([this, ending = renewal.ending] {
    for (auto* line : ending) {
      line->bus->stop();
      end_windows(*line);
    }
    way_.post([this] { finish_renewal(); });  // behind the last that they read
  });
}

void Field::finish_renewal() {
  if (stopping_ || !renewal_) return;
  const auto renewal = std::exchange(renewal_, nullptr);
  BusChanges changes;
  std::unordered_set<std::string> gone;
  for (const auto* line : renewal->ending) {
    on_end_(*line->bus);
    std::ranges::move(line->retained_topics(), std::inserter(gone, gone.end()));
    const bool again = std::ranges::count(renewal->fresh.buses, line->name, &drivers::BusSettings::name) > 0;
    (again ? changes.restarted : changes.ended).push_back(line->name);
  }
  take_for(renewal->fresh);
  const bool new_servers = !servers_;
  if (new_servers) changes.trouble = open_servers_anew(renewal->fresh);
  const auto begun = exchange_lines(*renewal, changes);
  for (const auto& line : lines_) {
    for (const auto& topic : line->retained_topics()) gone.erase(topic);
  }
  for (const auto& topic : gone) clear_retained(topic);
  for (auto* line : begun) {
    for (const auto& announcement : line->announcements) publish(announcement);
  }
  if (new_servers) start_servers();
  const bool idle = to_start_.empty();
  to_start_.insert(to_start_.end(), begun.begin(), begun.end());
  if (idle) start_next();
  renewal->done(changes);
}

/// What is wrong when they cannot be opened; the gateway goes on without them then.
std::string Field::open_servers_anew(Settings& fresh) {
  try {
    make_servers(fresh);
    return {};
  } catch (const config::Error& error) {
    fresh.modbus_servers.clear();
    make_servers(fresh);
    servers_fingerprint_.clear();  // the next reload tries again
    return error.mistakes().front().text();
  }
}

/// Puts the lines into the order of the fresh settings, and makes those that are not there yet; returns these.
std::vector<Field::Line*> Field::exchange_lines(Renewal& renewal, BusChanges& changes) {
  std::vector<Line*> begun;
  std::vector<std::unique_ptr<Line>> lines;
  for (std::size_t i = 0; i < renewal.staying.size(); ++i) {
    const auto same = std::ranges::find(lines_, renewal.staying[i], &std::unique_ptr<Line>::get);
    if (renewal.staying[i] == nullptr) {
      begun.push_back(lines.emplace_back(make_line(renewal.fresh, i)).get());
      if (std::ranges::count(changes.restarted, begun.back()->name) == 0) changes.added.push_back(begun.back()->name);
    } else {
      lines.push_back(std::move(*same));
      ++changes.untouched;
    }
  }
  const std::lock_guard lock(servers_mutex_);  // the buses that stay look at their positions
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i]->position = i;
  lines_.swap(lines);
  return begun;
}

void Field::clear_retained(const std::string& topic) {
  mqtt::Publication nothing;
  nothing.topic = topic;
  nothing.qos = mqtt::Qos::AtLeastOnce;
  nothing.retain = true;
  nothing.published = clock_.now();
  publish(std::make_shared<const mqtt::Publication>(std::move(nothing)));
}

// Looking at it

drivers::Bus* Field::bus(const std::string& name) {
  const auto found = std::ranges::find(lines_, name, &Line::name);
  return found == lines_.end() ? nullptr : (*found)->bus.get();
}

std::vector<drivers::BusStatus> Field::buses() const {
  std::vector<drivers::BusStatus> status;
  for (const auto& line : lines_) status.push_back(line->bus->status());
  return status;
}

std::vector<WatchedThread> Field::threads() const {
  std::vector<WatchedThread> threads;
  for (const auto& line : lines_) threads.push_back({"bus " + line->name, line->bus->due(), kBusPatience});
  for (const auto& server : modbus_servers()) {
    threads.push_back({"modbus server " + server.name, server.ports.due, kServerPatience});
  }
  return threads;
}

std::vector<drivers::modbus_server::ServerStatus> Field::modbus_servers() const {
  return servers_ ? servers_->status() : std::vector<drivers::modbus_server::ServerStatus>{};
}

std::vector<mapping::PointStatus> Field::points() const {
  std::vector<mapping::PointStatus> points;
  for (const auto& line : lines_) std::ranges::move(line->mapper.snapshot(), std::back_inserter(points));
  return points;
}

std::vector<mapping::AlarmStatus> Field::alarms() const {
  std::vector<mapping::AlarmStatus> alarms;
  for (const auto& line : lines_) std::ranges::move(line->mapper.alarms(), std::back_inserter(alarms));
  return alarms;
}

}  // namespace ferrule::gateway
