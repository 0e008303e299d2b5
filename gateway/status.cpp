#include "gateway/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "gateway/control_commands.hpp"
#include "gateway/gateway.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

/// To the millisecond.
double seconds(std::chrono::steady_clock::duration time) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) / 1000;
}

double seconds_since(std::chrono::steady_clock::time_point then) {
  return seconds(std::chrono::steady_clock::now() - then);
}

bool troubled(const drivers::DeviceStatus& device) {
  return device.polled && !device.online && device.failure != drivers::Failure::None;
}

json device_json(const drivers::DeviceStatus& device) {
  json failures = json::object();
  for (std::size_t i = 0; i < device.failures_by.size(); ++i) {
    if (device.failures_by[i] > 0)
      failures[std::string(name(static_cast<drivers::Failure>(i)))] = device.failures_by[i];
  }
  const char* state = !device.polled ? "write-only" : device.online ? "ok" : troubled(device) ? "failing" : "waiting";
  return {{"name", device.name},
          {"state", state},
          {"failure", device.failure == drivers::Failure::None ? json() : json(name(device.failure))},
          {"polls", device.polls},
          {"failures", device.failures},
          {"failures_by", std::move(failures)},
          {"overruns", device.overruns},
          {"unit_id", device.unit_id ? json(*device.unit_id) : json()},
          {"round_trip", device.answered && device.round_trip.count() > 0
                             ? json(std::chrono::duration<double>(device.round_trip).count())
                             : json()},
          {"last_good", device.answered ? json(seconds_since(*device.answered)) : json()}};
}

json bus_json(const drivers::BusStatus& bus) {
  json counts = json::object();
  for (const auto& [what, count] : bus.condition.counts) counts[std::string(what)] = count;
  json devices = json::array();
  for (const auto& device : bus.devices) devices.push_back(device_json(device));
  return {{"name", bus.name},
          {"port", bus.port},
          {"connected", bus.connected},
          {"trouble", bus.trouble.empty() ? bus.condition.trouble : bus.trouble},
          {"connects", bus.connects},
          {"losses", bus.losses},
          {"utilisation", bus.utilisation},
          {"planned", bus.planned ? json(*bus.planned) : json()},
          {"counts", std::move(counts)},
          {"devices", std::move(devices)}};
}

json server_json(const drivers::modbus_server::ServerStatus& server) {
  return {{"name", server.name},
          {"port", server.port},
          {"open", server.ports.lines_closed == 0},
          {"connections", server.ports.connections},
          {"refused", server.ports.refused},
          {"displaced", server.ports.displaced},
          {"requests", server.ports.requests},
          {"exceptions", server.exceptions},
          {"malformed", server.ports.malformed},
          {"unsent", server.ports.unsent},
          {"writes", server.writes},
          {"remembered", server.remembered},
          {"passed", server.passed}};
}

json uplink_json(const bridge::UplinkStatus& uplink) {
  return {{"name", uplink.name},
          {"state", name(uplink.state)},
          {"queued", uplink.queued},
          {"queued_bytes", uplink.queued_bytes},
          {"in_flight", uplink.in_flight},
          {"stalled", uplink.stalled},
          {"acknowledged", uplink.acknowledged},
          {"dropped", uplink.dropped},
          {"expired", uplink.expired},
          {"aged", uplink.aged},
          {"thinned", uplink.thinned},
          {"unreadable", uplink.unreadable},
          {"skipped", uplink.skipped},
          {"parked", uplink.parked},
          {"repeated", uplink.repeated},
          {"received", uplink.received},
          {"received_dropped", uplink.received_dropped},
          {"connections", uplink.connections},
          {"oldest", uplink.oldest ? json(seconds(*uplink.oldest)) : json()},
          {"database_bytes", uplink.database_bytes},
          {"last_error", uplink.last_error}};
}

json alarm_json(const mapping::AlarmStatus& alarm) {
  return {{"device", alarm.device},
          {"point", alarm.point},
          {"name", alarm.rule->name},
          {"state", alarm.active ? "active" : "normal"},
          {"acknowledged", alarm.acknowledged},
          {"priority", name(alarm.rule->priority)},
          {"value", alarm.value},
          {"text", alarm.rule->text},
          {"since", std::chrono::floor<std::chrono::milliseconds>(alarm.since.time_since_epoch()).count()}};
}

json broker_json(const mqtt::BrokerCounters& counters, const std::vector<std::string>& listening) {
  return {{"listening", listening},
          {"clients", counters.clients_connected},
          {"sessions", counters.sessions},
          {"subscriptions", counters.subscriptions},
          {"retained", counters.retained},
          {"received", counters.publications_received},
          {"sent", counters.publications_sent},
          {"dropped", counters.publications_dropped},
          {"queued", counters.queued}};
}

std::string cause_of(const drivers::BusStatus& bus, const drivers::DeviceStatus& device) {
  auto cause = device.failure == drivers::Failure::Timeout && bus.timeout.count() > 0
                   ? fmt::format("no reply in {} ms", bus.timeout.count())
                   : std::string(name(device.failure));
  return device.unit_id ? fmt::format("{}, unit {} on {}", cause, *device.unit_id, bus.name) : cause;
}

}  // namespace

std::vector<Condition> conditions(const std::vector<drivers::BusStatus>& buses,
                                  const std::vector<bridge::UplinkStatus>& uplinks,
                                  const std::vector<mapping::AlarmStatus>& alarms,
                                  std::chrono::steady_clock::time_point now) {
  std::vector<Condition> found;
  for (const auto& bus : buses) {
    // One cause for all of the bus's devices is one problem.
    if (!bus.connected && !bus.trouble.empty()) {
      found.push_back({"bus-lost", "bus " + bus.name, bus.trouble});
      continue;
    }
    if (!bus.condition.trouble.empty()) found.push_back({"bus-troubled", "bus " + bus.name, bus.condition.trouble});
    for (const auto& device : bus.devices) {
      if (troubled(device)) {
        found.push_back({"device-silent", "device " + device.name, cause_of(bus, device), {}});
        if (!device.answered || now < *device.answered) continue;
        const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - *device.answered);
        found.back().lately = fmt::format("silent for {}", in_words(silent));
      }
    }
  }
  for (const auto& uplink : uplinks) {
    if (uplink.last_error.empty()) continue;
    found.push_back({"uplink-down", "uplink " + uplink.name,
                     fmt::format("{}, {} messages wait", uplink.last_error, uplink.queued)});
  }
  for (const auto& alarm : alarms) {
    if (!alarm.active) continue;
    found.push_back({"alarm", fmt::format("{} {} {}", alarm.device, alarm.point, alarm.rule->name),
                     alarm.rule->text.empty() ? alarm.value : fmt::format("{} ({})", alarm.rule->text, alarm.value)});
  }
  return found;
}

std::vector<std::string> problems(const std::vector<Condition>& conditions) {
  std::vector<std::string> sentences;
  for (const auto& condition : conditions) {
    sentences.push_back(fmt::format("{}: {}{}{}", condition.who, condition.cause, condition.lately.empty() ? "" : ", ",
                                    condition.lately));
  }
  return sentences;
}

json status_of(const Gateway& gateway) {
  const auto buses = gateway.field().buses();
  const auto uplinks = gateway.uplinks();
  json bus_list = json::array();
  for (const auto& bus : buses) bus_list.push_back(bus_json(bus));
  json server_list = json::array();
  for (const auto& server : gateway.field().modbus_servers()) server_list.push_back(server_json(server));
  json uplink_list = json::array();
  for (const auto& uplink : uplinks) uplink_list.push_back(uplink_json(uplink));
  const auto alarms = gateway.field().alarms();
  json alarm_list = json::array();
  for (const auto& alarm : alarms) alarm_list.push_back(alarm_json(alarm));
  auto sentences = problems(conditions(buses, uplinks, alarms, std::chrono::steady_clock::now()));
  const auto stuck = gateway.threads_verdict();
  if (!stuck.empty()) sentences.insert(sentences.begin(), stuck + ": only a restart mends that");
  return {{"version", FERRULE_VERSION},
          {"id", gateway.settings().id},
          {"uptime", seconds_since(gateway.started())},
          {"summary", gateway.status_line()},
          {"problems", std::move(sentences)},
          {"stuck", stuck.empty() ? json() : json(stuck)},
          {"buses", std::move(bus_list)},
          {"modbus_servers", std::move(server_list)},
          {"broker", broker_json(gateway.broker().counters(), gateway.listening())},
          {"uplinks", std::move(uplink_list)},
          {"alarms", std::move(alarm_list)}};
}

json devices_of(const Gateway& gateway) {
  json devices = json::array();
  for (const auto& bus : gateway.field().buses()) {
    for (const auto& device : bus.devices) {
      devices.push_back(device_json(device));
      devices.back()["bus"] = bus.name;
    }
  }
  return devices;
}

json points_of(const Gateway& gateway, std::string_view device, std::size_t most, std::size_t after) {
  json points = json::array();
  for (const auto& point : gateway.field().points()) {
    if (points.size() >= most) break;
    if (!device.empty() && point.device != device) continue;
    if (after > 0) {
      --after;
      continue;
    }
    const bool known = !point.value.empty();
    points.push_back({{"device", point.device},
                      {"point", point.point},
                      {"unit", point.unit},
                      {"value", known ? json(point.value) : json()},
                      {"quality", name(point.quality)},
                      {"failure", point.failure == drivers::Failure::None ? json() : json(name(point.failure))},
                      {"age", known ? json(seconds_since(point.seen)) : json()}});
  }
  return points;
}

json events_of(const Gateway& gateway, std::size_t limit) {
  const auto& events = gateway.events().events();
  json newest = json::array();
  for (auto i = events.size() - std::min(limit, events.size()); i < events.size(); ++i) {
    newest.push_back(event_json(events[i]));
  }
  return newest;
}

void add_status_commands(ControlCommands& commands, const Gateway& gateway) {
  commands.on("status", [&gateway](const ControlRequest&, ControlReply reply) { reply.result(status_of(gateway)); });
  commands.on("events", [&gateway](const ControlRequest& request, ControlReply reply) {
    const auto limit = request.body.find("limit");
    if (limit != request.body.end() && !limit->is_number_unsigned()) {
      return reply.error("bad-request", "\"limit\" is how many events");
    }
    reply.result(events_of(gateway, limit == request.body.end() ? EventLog::kMost : limit->get<std::size_t>()));
  });
  commands.on("devices", [&gateway](const ControlRequest&, ControlReply reply) { reply.result(devices_of(gateway)); });
  commands.on("points", [&gateway](const ControlRequest& request, ControlReply reply) {
    const auto device = request.body.find("device");
    if (device != request.body.end() && !device->is_string()) {
      return reply.error("bad-request", "\"device\" is a device's name");
    }
    const auto number = [&](const char* name, std::size_t otherwise) {
      const auto given = request.body.find(name);
      if (given == request.body.end()) return std::optional(otherwise);
      return given->is_number_unsigned() ? std::optional(given->get<std::size_t>()) : std::nullopt;
    };
    const auto limit = number("limit", SIZE_MAX), after = number("after", 0);
    if (!limit || !after) return reply.error("bad-request", "\"limit\" and \"after\" are numbers of points");
    reply.result(
        points_of(gateway, device == request.body.end() ? std::string() : device->get<std::string>(), *limit, *after));
  });
}

}  // namespace ferrule::gateway
