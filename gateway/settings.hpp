// The whole configuration file as plain structs: what `check` checks and `run` runs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bridge/settings.hpp"
#include "drivers/settings.hpp"
#include "gateway/http_settings.hpp"
#include "gateway/modbus_servers.hpp"
#include "gateway/wall_clock.hpp"
#include "mapping/settings.hpp"
#include "mqtt/settings.hpp"

namespace ferrule::gateway {

/// What the parts of a configuration say; see Fingerprint. Parts whose fingerprints are the same need no restart.
struct Fingerprints {
  std::vector<std::string> buses;  ///< each with its devices, their templates and what they inherit
  std::string modbus_servers;      ///< with the buses that they show or share
  std::string gateway;
  std::string broker;                ///< without who may do what
  std::vector<std::string> uplinks;  ///< each with what it has of `queue`
};

/// Whether a configuration may come over MQTT; see RemoteConfiguration.
struct RemoteSettings {
  std::string topic;
  std::chrono::milliseconds within{60'000};  ///< the uplinks have to be back

  std::string request_topic() const { return topic + "/set"; }
  std::string result_topic() const { return topic + "/result"; }
};

struct Settings {
  std::string id;  ///< {gateway} in topics; default client id of uplinks
  ClockTrust clock = ClockTrust::Plausible;
  std::filesystem::path state_dir;  ///< outboxes; created when missing
  config::Location state_dir_where;
  bool state_dir_named = false;   ///< by the configuration
  std::filesystem::path control;  ///< the control socket
  config::Location control_where;
  bool control_named = false;            ///< by the configuration
  std::optional<HttpSettings> http;      ///< where /metrics and its kin are served; nowhere
  std::optional<RemoteSettings> remote;  ///< off
  std::vector<drivers::BusSettings> buses;
  std::vector<mapping::BusMappings> mappings;  ///< of each bus
  std::vector<ModbusServerSettings> modbus_servers;
  mqtt::BrokerSettings broker;
  std::vector<bridge::UplinkSettings> uplinks;
  std::size_t device_count = 0;  ///< of all buses
  std::size_t point_count = 0;
  Fingerprints fingerprints;
  std::vector<config::Mistake> warnings;  ///< of the file, which can be run all the same
};

/// Of a gateway whose configuration names none: the host name.
std::string default_id();

/// Reads a configuration file. Throws config::Error with every mistake in it.
Settings load_settings(const std::filesystem::path& file);
/// The same from memory; `file_name` appears in mistakes.
Settings parse_settings(std::string text, std::string file_name);

}  // namespace ferrule::gateway
