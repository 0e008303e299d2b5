#include "bridge/presets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using mqtt::Qos;

/// As public documentation has them (AWS: about 2019). All but what a cloud forbids can be overridden.
struct Cloud {
  std::string_view name;
  bool knows_5 = true, needs_tls = true;
  Qos max_qos = Qos::ExactlyOnce;
  bool retain = true;
  std::uint32_t max_packet = 0;  // bytes of a packet; 0: the cloud says it itself
  int rate = 0;                  // messages per second; 0: no limit
  std::uint32_t byte_rate = 0;   // bytes per second; likewise
  std::size_t window = 100;      // messages in flight
  std::chrono::seconds shortest_keep_alive = 5s, longest_keep_alive = 65535s;
  std::chrono::seconds session_expiry = 7 * 24h;
  std::size_t topic_size = 65535, topic_levels = 65535;
};

constexpr std::array kClouds{
    Cloud{.name = "aws-iot",
          .max_qos = Qos::AtLeastOnce,
          .max_packet = 128 << 10,
          .rate = 100,
          .byte_rate = 512 << 10,
          .shortest_keep_alive = 30s,
          .longest_keep_alive = 1200s,
          .session_expiry = 1h,
          .topic_size = 256,
          .topic_levels = 8},
    Cloud{.name = "azure-iot-hub",
          .knows_5 = false,
          .max_qos = Qos::AtLeastOnce,
          .max_packet = 256 << 10,
          .longest_keep_alive = 1177s},
    Cloud{.name = "azure-event-grid",
          .max_qos = Qos::AtLeastOnce,
          .retain = false,
          .max_packet = 512 << 10,
          .rate = 1000,
          .byte_rate = 1'000'000,
          .longest_keep_alive = 1160s,
          .session_expiry = 8h},
    Cloud{.name = "emqx", .max_packet = 1 << 20, .session_expiry = 2h, .topic_levels = 10},
    Cloud{.name = "hivemq"},
};

const Cloud* find(std::string_view name) {
  const auto* found = std::ranges::find(kClouds, name, &Cloud::name);
  return found == kClouds.end() ? nullptr : found;
}

std::size_t levels(std::string_view topic) { return static_cast<std::size_t>(std::ranges::count(topic, '/')) + 1; }

/// Azure IoT Hub knows one topic for what a device sends; properties may follow.
std::string events_topic(const UplinkSettings& settings) {
  return fmt::format("devices/{}/messages/events/", settings.client_id);
}

void check_route(const config::Node& node, const UplinkSettings& settings, const Cloud& cloud, const OutRoute& route) {
  const auto to = node["to"];
  if (route.qos && *route.qos > cloud.max_qos) {
    node["qos"].mistake(fmt::format("{} takes no QoS {}", cloud.name, static_cast<int>(*route.qos)), "qos: 1");
  }
  if (cloud.name == "azure-iot-hub" && !route.to.starts_with(events_topic(settings))) {
    to.mistake("a device of azure-iot-hub can only send to its own topic",
               fmt::format("to: \"{}\"", events_topic(settings)));
  }
  if (cloud.name == "aws-iot" && route.to.starts_with('$') && !route.to.starts_with("$aws/")) {
    to.mistake("aws-iot takes no topic that begins with \"$\"");
  }
  if (route.to.size() > cloud.topic_size) {
    to.mistake(fmt::format("{} takes no topic of more than {} bytes", cloud.name, cloud.topic_size));
  }
  if (levels(route.to) > cloud.topic_levels) {
    to.mistake(fmt::format("{} takes no topic of more than {} levels", cloud.name, cloud.topic_levels));
  }
}

}  // namespace

void apply_preset(const config::Node& node, UplinkSettings& settings) {
  std::array<config::Choice<const Cloud*>, kClouds.size()> choices;
  for (std::size_t i = 0; i < kClouds.size(); ++i) choices[i] = {kClouds[i].name, &kClouds[i]};
  const auto* cloud = node["preset"].one_of<const Cloud*>(nullptr, choices);
  if (cloud == nullptr) return;
  settings.preset = cloud->name;
  settings.mqtt_version = cloud->knows_5 ? 5 : 4;
  settings.max_qos = cloud->max_qos;
  settings.retain = cloud->retain;
  settings.max_packet = cloud->max_packet;
  settings.rate = cloud->rate;
  settings.byte_rate = cloud->byte_rate;
  settings.window = cloud->window;
  settings.keep_alive = std::clamp(settings.keep_alive, cloud->shortest_keep_alive, cloud->longest_keep_alive);
  settings.session_expiry = cloud->session_expiry;
  const auto first = settings.urls.empty() ? std::nullopt : parse_url(settings.urls.front());
  if (cloud->name == "aws-iot" && first && first->port == 443 && !first->is_websocket()) {
    settings.tls.alpn = {"x-amzn-mqtt-ca"};
  }
  if (cloud->name == "azure-iot-hub" && first) {
    settings.username = fmt::format("{}/{}/?api-version=2021-04-12", first->host, settings.client_id);
  }
}

void check_preset(const config::Node& node, const UplinkSettings& settings) {
  const auto* cloud = find(settings.preset);
  if (cloud == nullptr) return;
  const auto secure = [](const std::string& url) { return url.starts_with("mqtts:") || url.starts_with("wss:"); };
  if (cloud->needs_tls && !std::ranges::all_of(settings.urls, secure)) {
    node["url"].mistake(fmt::format("{} wants TLS", cloud->name), "mqtts://host");
  }
  if (!cloud->knows_5 && settings.mqtt_version == 5) {
    node["mqtt"].mistake(fmt::format("{} does not know MQTT 5", cloud->name), "mqtt: 3.1.1");
  }
  if (settings.keep_alive < cloud->shortest_keep_alive || settings.keep_alive > cloud->longest_keep_alive) {
    node["keep_alive"].mistake(fmt::format("{} takes {} s to {} s", cloud->name, cloud->shortest_keep_alive.count(),
                                           cloud->longest_keep_alive.count()));
  }
  if (settings.max_qos > cloud->max_qos) {
    node["max_qos"].mistake(fmt::format("{} takes no QoS {}", cloud->name, static_cast<int>(settings.max_qos)), "1");
  }
  const auto routes = node["out"].items();
  for (std::size_t i = 0; i < std::min(routes.size(), settings.out.size()); ++i) {
    check_route(routes[i], settings, *cloud, settings.out[i]);
  }
}

}  // namespace ferrule::bridge
