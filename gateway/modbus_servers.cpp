#include "gateway/modbus_servers.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sysexits.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "gateway/host_port.hpp"

namespace ferrule::gateway {

namespace {

using drivers::modbus_server::ExposedPoint;
using drivers::modbus_server::Server;
using drivers::modbus_server::ServerSettings;
using drivers::modbus_server::Shown;

std::vector<mqtt::Network> read_allow(const config::Node& node) {
  std::vector<mqtt::Network> networks;
  for (const auto& item : node.items()) {
    const auto text = item.required_text();
    if (const auto network = mqtt::Network::parse(text)) {
      networks.push_back(*network);
    } else if (!text.empty()) {
      item.mistake("is an address or a network", "e.g. 192.168.1.0/24");
    }
  }
  return networks;
}

void read_listen(const config::Node& node, ModbusServerSettings& settings) {
  auto& server = settings.server;
  const auto listen = node["listen"];
  if (listen.present()) read_host_port(listen, server.host, server.port);
  settings.allow = read_allow(node["allow"]);
  if (is_loopback(server.host) || !settings.allow.empty()) return;
  const bool writes = std::ranges::any_of(server.points, &ExposedPoint::writable) ||
                      std::ranges::any_of(server.shares, &drivers::modbus_server::Share::writes);
  listen.warning(
      fmt::format("whoever reaches this address {} without a password, for Modbus has none: name who may "
                  "connect in `allow`",
                  writes ? "reads and writes" : "reads"));
}

/// What two servers, or a server and a bus, must not have in common.
void check_endpoint(const config::Node& node, const ServerSettings& server, const std::string& endpoint,
                    std::map<std::string, std::string>& taken) {
  const auto [other, added] = taken.emplace(endpoint, fmt::format("server {}", server.name));
  if (!added) {
    node[server.on_line ? "port" : "listen"].mistake(fmt::format("{} is also that of {}", endpoint, other->second));
  }
}

}  // namespace

std::vector<ModbusServerSettings> read_modbus_servers(const config::Node& root,
                                                      const std::vector<drivers::BusSettings>& buses) {
  std::map<std::string, std::string> taken;
  for (const auto& bus : buses) {
    if (!bus.path.empty()) taken.emplace(bus.path, fmt::format("bus {}", bus.name));
  }
  std::vector<ModbusServerSettings> servers;
  for (const auto& [name, node] : root["modbus_servers"].entries()) {
    auto& settings = servers.emplace_back();
    settings.server = drivers::modbus_server::read_server(name, node, buses);
    const auto& server = settings.server;
    if (!server.on_line) read_listen(node, settings);
    if (server.on_line && server.path.empty()) continue;
    check_endpoint(node, server, server.on_line ? server.path : fmt::format("{}:{}", server.host, server.port), taken);
  }
  return servers;
}

ModbusServers::ModbusServers(const std::vector<ModbusServerSettings>& settings,
                             const std::vector<mapping::BusMappings>& mappings, Way way, const drivers::Clock& clock)
    : way_(std::move(way)), points_(mappings.size()) {
  for (const auto& one : settings) {
    for (const auto& exposed : one.server.points) {
      points_[exposed.bus].try_emplace(exposed.point,
                                       Point{mapping::command_topic(mappings[exposed.bus].points[exposed.point]), {}});
    }
  }
  for (const auto& one : settings) {
    const auto admits = [allow = one.allow](const sockaddr_storage& address) {
      return allow.empty() ||
             std::ranges::any_of(allow, [&](const auto& network) { return network.contains(mqtt::Address(address)); });
    };
    try {
      servers_.push_back(std::make_unique<Server>(one.server, way_of(), admits, clock));
    } catch (const std::system_error& error) {
      throw config::Error(
          one.server.where, "modbus_servers." + one.server.name,
          fmt::format("cannot listen on {}:{}: {}", one.server.host, one.server.port, error.code().message()),
          EX_UNAVAILABLE);
    }
  }
}

Server::Way ModbusServers::way_of() {
  return {[this](const ExposedPoint& point) {
            const std::lock_guard lock(mutex_);
            return find(point.bus, point.point)->shown;
          },
          [this](const ExposedPoint& point, drivers::Value value, std::string who, auto done) {
            way_.command(find(point.bus, point.point)->command_topic, std::move(value), std::move(who),
                         std::move(done));
          },
          [this](std::size_t bus, std::uint8_t unit, std::span<const std::uint8_t> request, drivers::TimePoint since) {
            return way_.bus(bus).recall(unit, request, since);
          },
          [this](std::size_t bus, drivers::PassRequest&& request) { return way_.bus(bus).pass(std::move(request)); },
          way_.note};
}

void ModbusServers::start() {
  for (const auto& server : servers_) {
    server->start();
    const auto status = server->status();
    spdlog::info("modbus server {}: listening on {}", status.name, status.port);
  }
}

void ModbusServers::stop() {
  for (const auto& server : servers_) server->stop();
}

ModbusServers::Point* ModbusServers::find(std::size_t bus, drivers::PointIndex point) {
  if (bus >= points_.size()) return nullptr;  // it came with a reload
  const auto found = points_[bus].find(point);
  return found == points_[bus].end() ? nullptr : &found->second;
}

void ModbusServers::take(std::size_t bus, std::span<const drivers::Reading> readings, const mapping::Mapper& mapper) {
  if (bus >= points_.size() || points_[bus].empty()) return;
  for (const auto& reading : readings) {
    auto* point = find(bus, reading.point);
    if (point == nullptr) continue;
    auto current = mapper.current(reading.point);
    const std::lock_guard lock(mutex_);
    point->shown = {std::move(current.value), current.quality, current.failure};
  }
}

void ModbusServers::show(std::size_t bus, drivers::PointIndex point, drivers::Value value) {
  auto* exposed = find(bus, point);
  if (exposed == nullptr) return;
  const std::lock_guard lock(mutex_);
  exposed->shown = {std::move(value), drivers::Quality::Good, drivers::Failure::None};
}

void ModbusServers::miss(std::size_t bus, std::span<const drivers::Reading> readings) {
  for (const auto& reading : readings) {
    auto* point = find(bus, reading.point);
    if (point == nullptr) continue;
    const std::lock_guard lock(mutex_);
    point->shown = {{}, drivers::Quality::Bad, drivers::Failure::Stale};
  }
}

std::vector<drivers::modbus_server::ServerStatus> ModbusServers::status() const {
  std::vector<drivers::modbus_server::ServerStatus> all;
  for (const auto& server : servers_) all.push_back(server->status());
  return all;
}

}  // namespace ferrule::gateway
