#include "gateway/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "config/migration.hpp"
#include "gateway/edge_devices.hpp"
#include "gateway/fingerprint.hpp"
#include "gateway/route_forms.hpp"
#include "gateway/settings_checks.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::array kClocks{config::Choice<ClockTrust>{"plausible", ClockTrust::Plausible},
                             config::Choice<ClockTrust>{"synchronized", ClockTrust::Synchronized}};

/// systemd names the state directory it made for the service in STATE_DIRECTORY.
std::string default_state_dir() {
  const char* directory = std::getenv("STATE_DIRECTORY");
  return directory != nullptr && *directory != '\0' ? directory : "/var/lib/ferrule";
}

/// systemd names the directory that it made for the service's sockets in RUNTIME_DIRECTORY.
std::filesystem::path default_control(const std::filesystem::path& state_dir) {
  const char* directory = std::getenv("RUNTIME_DIRECTORY");
  const bool service = directory != nullptr && *directory != '\0';
  return (service ? std::filesystem::path(directory) : state_dir) / "control.sock";
}

std::optional<RemoteSettings> read_remote(const config::Node& node, const std::string& gateway) {
  if (!node.present()) return std::nullopt;
  RemoteSettings remote;
  const auto topic = node["topic"];
  remote.topic = topic.text(fmt::format("ferrule/{}/config", gateway));
  if (!mqtt::is_valid_topic_name(remote.result_topic()) || remote.topic.starts_with('$') ||
      remote.topic.starts_with(gateway + "/")) {
    topic.mistake("must be a topic of its own, not one below the gateway's readings", "e.g. ferrule/plant1/config");
  }
  remote.within = node["within"].duration(remote.within, std::chrono::seconds(5), std::chrono::hours(1));
  return remote;
}

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7F; }

void read_gateway(const config::Node& section, Settings& settings) {
  settings.id = section["id"].text(default_id());
  if (settings.id.empty() || settings.id.find_first_of("/+#") != std::string::npos || settings.id.front() == '$' ||
      std::ranges::any_of(settings.id, is_control)) {
    section["id"].mistake(
        "a gateway id is one topic level: not empty, without / + # and control characters, not starting with $");
  }
  settings.clock = section["clock"].one_of(settings.clock, kClocks);
  settings.state_dir = section["state_dir"].text(default_state_dir());
  settings.state_dir_where = section["state_dir"].where();
  settings.http = read_http(section["http"]);
  settings.remote = read_remote(section["remote"], settings.id);
  settings.state_dir_named = section["state_dir"].present();
}

/// Some clouds do not keep a topic with dots as it is; one warning for each uplink that carries one.
void warn_of_dots(const config::Node& section, const Settings& settings) {
  for (const auto& uplink : settings.uplinks) {
    const auto carries = [&](std::string_view topic) {
      return topic.find('.') != std::string_view::npos &&
             std::ranges::any_of(uplink.out, [&](const auto& route) { return route.from.matches(topic); });
    };
    for (const auto& bus : settings.mappings) {
      const auto found = std::ranges::find_if(bus.points, carries, &mapping::PointMapping::topic);
      if (found == bus.points.end()) continue;
      section[uplink.name].warning(
          fmt::format("carries topics with dots, such as \"{}\": RabbitMQ makes / of them, NATS closes the connection",
                      found->topic));
      break;
    }
  }
}

/// The broker's keys that hold at once when they have changed, and those of a listener.
constexpr std::array<std::string_view, 7> kAccessKeys{"listen",   "users",     "password_file",    "clients",
                                                      "everyone", "anonymous", "certificate_login"};

/// Of a bus with its devices. A template is spelled once, however many devices have it.
class BusFingerprints {
 public:
  explicit BusFingerprints(const config::Node& root) : root_(root), common_(spelled(root["publish"])) {
    // Each bus makes what routes with a format of their own carry.
    for (const auto& [name, uplink] : root["uplinks"].entries()) {
      for (const auto& route : uplink["out"].items()) {
        if (route["format"].present() || route["payload"].present()) common_ += name + spelled(route);
      }
    }
  }

  std::string of(const drivers::BusSettings& bus) {
    Fingerprint fingerprint;
    fingerprint.add(common_).add(root_["buses"][bus.name]);
    for (const auto& device : bus.devices) {
      fingerprint.add(device.name).add(device.publish).add(of_template(device.publish_template));
      if (device.own != nullptr && device.own->files != 0) fingerprint.add(std::to_string(device.own->files));
    }
    return fingerprint.value();
  }

 private:
  static std::string spelled(const config::Node& node) { return Fingerprint().add(node).value(); }
  const std::string& of_template(const config::Node& node) {
    const auto [known, added] = templates_.try_emplace(node.path());
    if (added) known->second = spelled(node);
    return known->second;
  }

  const config::Node root_;
  std::string common_;                            // of all buses
  std::map<std::string, std::string> templates_;  // by path
};

/// With what an edge node tells in its births.
std::string fingerprint_of(const bridge::UplinkSettings& uplink, const config::Node& root) {
  Fingerprint fingerprint;
  fingerprint.add(root["queue"]).add(root["uplinks"][uplink.name]).add(uplink.status_topic);
  if (!uplink.sparkplug) return fingerprint.value();
  for (const auto& device : *uplink.sparkplug->devices) {
    fingerprint.add(device.name).add(device.topic);
    for (const auto& [name, type, unit, command_topic] : device.metrics) {
      fingerprint.add(name).add(std::to_string(static_cast<unsigned>(type))).add(unit).add(command_topic);
    }
  }
  return fingerprint.value();
}

Fingerprints fingerprints_of(const Settings& settings, const config::Node& root) {
  Fingerprints all;
  BusFingerprints buses(root);
  for (const auto& bus : settings.buses) all.buses.push_back(buses.of(bus));
  Fingerprint servers;
  servers.add(root["modbus_servers"]);
  const auto add_bus = [&](std::size_t bus) { servers.add(std::to_string(bus)).add(all.buses[bus]); };
  for (const auto& one : settings.modbus_servers) {
    for (const auto& point : one.server.points) add_bus(point.bus);
    for (const auto& share : one.server.shares) add_bus(share.bus);
  }
  all.modbus_servers = servers.value();
  all.gateway = Fingerprint().add(root["gateway"]).value();
  all.broker = Fingerprint().add(root["broker"], kAccessKeys).add(root["broker"]["listen"], kAccessKeys).value();
  for (const auto& uplink : settings.uplinks) all.uplinks.push_back(fingerprint_of(uplink, root));
  return all;
}

void warn_of_idle_buses(const config::Node& section, const Settings& settings) {
  for (std::size_t bus = 0; bus < settings.buses.size(); ++bus) {
    const bool shared = std::ranges::any_of(settings.modbus_servers, [&](const auto& one) {
      return std::ranges::find(one.server.shares, bus, &drivers::modbus_server::Share::bus) != one.server.shares.end();
    });
    if (!settings.buses[bus].devices.empty() || shared) continue;
    section[settings.buses[bus].name].warning("a bus without devices has nothing to do yet");
  }
}

Settings read_settings(const config::Document& document) {
  const auto root = document.root();
  Settings settings;
  root["version"].integer(1, 1, config::kLanguageVersion);  // what an older one means is said in today's by now
  read_gateway(root["gateway"], settings);
  if (settings.state_dir.is_relative()) settings.state_dir = document.directory() / settings.state_dir;
  settings.control = root["gateway"]["control"].text(default_control(settings.state_dir).string());
  settings.control_where = root["gateway"]["control"].where();
  settings.control_named = root["gateway"]["control"].present();
  if (settings.control.is_relative()) settings.control = document.directory() / settings.control;
  settings.buses = drivers::read_buses(root);
  settings.modbus_servers = read_modbus_servers(root, settings.buses);
  warn_of_idle_buses(root["buses"], settings);
  const auto publish = mapping::read_publish(root["publish"], {});
  const auto place = mapping::read_place(root["gateway"], {settings.id, {}, {}, {}});
  settings.broker = mqtt::read_broker(root["broker"]);
  settings.uplinks = bridge::read_uplinks(root, settings.id);
  const auto forms = take_route_forms(root["uplinks"], settings.uplinks);
  settings.mappings = mapping::read_mappings(settings.buses, publish, place, forms);
  find_edge_devices(root["uplinks"], settings);
  warn_of_dots(root["uplinks"], settings);
  tell_clouds_of_status(root, settings);
  warn_of_unreachable_routes(root, settings);
  warn_of_useless_rules(root, settings);
  warn_of_shut_out_commands(root, settings);
  if (settings.remote && !settings.broker.access.restricted) {
    root["gateway"]["remote"].mistake("whoever reaches the broker could give the gateway another configuration",
                                      "say in broker.users who may publish there");
  }
  document.finish();
  settings.warnings = document.warnings();
  settings.fingerprints = fingerprints_of(settings, root);
  for (auto& bus : settings.buses) {
    settings.device_count += bus.devices.size();
    for (auto& device : bus.devices) {
      settings.point_count += device.points.size();
      // The nodes point into the document, which ends here.
      device.publish = device.publish_template = {};
      for (auto& point : device.points) point.publish = point.publish_template = {};
    }
  }
  return settings;
}

}  // namespace

std::string default_id() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "gateway";
  return name.data();
}

Settings load_settings(const std::filesystem::path& file) { return read_settings(config::Document::load(file)); }

Settings parse_settings(std::string text, std::string file_name) {
  return read_settings(config::Document::parse(std::move(text), std::move(file_name)));
}

}  // namespace ferrule::gateway
