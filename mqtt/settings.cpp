#include "mqtt/settings.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "mqtt/listen_settings.hpp"

namespace ferrule::mqtt {

namespace {

std::size_t read_count(const config::Node& node, std::size_t fallback, std::int64_t min, std::int64_t max) {
  return static_cast<std::size_t>(node.integer(static_cast<std::int64_t>(fallback), min, max));
}

/// What 32 bits cannot count is a mistake there, not something else.
std::size_t read_size(const config::Node& node, std::size_t fallback, std::size_t min = 0) {
  return static_cast<std::size_t>(node.size(fallback, min, std::numeric_limits<std::size_t>::max()));
}

void read_limits(const config::Node& limits, BrokerSettings& settings) {
  using std::chrono::duration_cast;
  using std::chrono::hours;
  using std::chrono::seconds;
  const auto count16 = [](const config::Node& node, std::uint16_t fallback) {
    return static_cast<std::uint16_t>(node.integer(fallback, 1, 65535));
  };
  settings.max_connections = read_count(limits["connections"], settings.max_connections, 1, 1'000'000);
  settings.max_sessions = read_count(limits["sessions"], settings.max_sessions, 1, 100'000'000);
  settings.max_packet_size = limits["packet_size"].size(settings.max_packet_size, 1024, 268'435'460);
  settings.connect_timeout = limits["connect_timeout"].duration(settings.connect_timeout, seconds(1), hours(1));
  settings.receive_maximum = count16(limits["receive_maximum"], settings.receive_maximum);
  settings.max_inflight = count16(limits["inflight"], settings.max_inflight);
  settings.max_queued = read_count(limits["queued"], settings.max_queued, 0, 100'000'000);
  settings.max_queued_bytes = read_size(limits["queued_size"], settings.max_queued_bytes);
  settings.max_output_bytes = read_size(limits["output_size"], settings.max_output_bytes, 64 * 1024);
  settings.max_retained = read_count(limits["retained"], settings.max_retained, 0, 100'000'000);
  settings.max_subscriptions = read_count(limits["subscriptions"], settings.max_subscriptions, 1, 10'000'000);
  settings.max_session_expiry = duration_cast<seconds>(
      limits["session_expiry"].duration(settings.max_session_expiry, seconds(0), hours(24 * 365 * 10)));
  settings.max_keep_alive =
      duration_cast<seconds>(limits["keep_alive"].duration(settings.max_keep_alive, seconds(0), seconds(65535)));
  settings.topic_alias_maximum =
      static_cast<std::uint16_t>(limits["topic_aliases"].integer(settings.topic_alias_maximum, 0, 65535));
  settings.topic_aliases_sent =
      static_cast<std::uint16_t>(limits["topic_aliases_sent"].integer(settings.topic_aliases_sent, 0, 256));
  settings.max_half_open = read_count(limits["half_open"], settings.max_half_open, 1, 1'000'000);
  settings.max_retained_bytes = read_size(limits["retained_size"], settings.max_retained_bytes);
  settings.publish_rate =
      static_cast<std::uint32_t>(limits["publish_rate"].integer(settings.publish_rate, 0, 1'000'000));
  settings.max_memory = read_size(limits["memory"], settings.max_memory);
}

PersistenceSettings read_persistence(const config::Node& node) {
  PersistenceSettings persistence;
  persistence.where = node.where();
  if (node.is_scalar()) {
    persistence.on = persistence.asked = node.boolean(persistence.on);
    return persistence;
  }
  persistence.asked = node.present();
  persistence.path = node["path"].text(persistence.path.string());
  if (persistence.path.empty()) node["path"].mistake("a file name, within the state directory or absolute");
  persistence.sync = node["sync"].duration(persistence.sync, std::chrono::milliseconds(0), std::chrono::minutes(1));
  return persistence;
}

}  // namespace

std::string place(const ListenSettings& settings) {
  if (!settings.unix_path.empty()) return settings.unix_path;
  if (!settings.systemd.empty()) return settings.systemd;
  const bool v6 = settings.bind.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), settings.bind, settings.port);
}

std::string label(const ListenSettings& settings) { return settings.name.empty() ? place(settings) : settings.name; }

BrokerSettings read_broker(const config::Node& section) {
  BrokerSettings settings;
  if (const auto list = section["listen"]; list.present()) {
    settings.listen = read_listeners(list);
  } else {
    settings.listen.emplace_back().where = section.where();
  }
  settings.persistence = read_persistence(section["persistence"]);
  read_limits(section["limits"], settings);
  constexpr std::array<config::Choice<WhenFull>, 3> kWhenFull{{{"drop-newest", WhenFull::DropNewest},
                                                               {"drop-oldest", WhenFull::DropOldest},
                                                               {"disconnect", WhenFull::Disconnect}}};
  settings.when_full = section["when_full"].one_of<WhenFull>(settings.when_full, kWhenFull);
  settings.server_reference = section["server_reference"].text(settings.server_reference);
  settings.check_payload_format = section["check_payload_format"].boolean(settings.check_payload_format);
  settings.sys_interval = std::chrono::duration_cast<std::chrono::seconds>(
      section["sys_interval"].duration(settings.sys_interval, std::chrono::seconds(0), std::chrono::hours(24)));
  const auto sparkplug = section["sparkplug"];
  settings.sparkplug_certificates = sparkplug["certificates"].boolean(settings.sparkplug_certificates);
  settings.sparkplug_death_time = sparkplug["death_time"].boolean(settings.sparkplug_death_time);
  settings.access = read_access(section, settings.listen);
  return settings;
}

}  // namespace ferrule::mqtt
