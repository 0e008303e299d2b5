#include "bridge/uplink_state.hpp"

#include <fmt/format.h>

#include <utility>

#include "bridge/uplink.hpp"

namespace ferrule::bridge {

namespace {

mqtt::PublicationPtr retained(std::string topic, std::string_view payload, mqtt::Qos qos) {
  auto made = std::make_shared<mqtt::Publication>();
  made->topic = std::move(topic);
  made->payload = payload;
  made->qos = qos;
  made->retain = true;
  return made;
}

/// Members of a JSON object.
std::string figures(const UplinkStatus& status) {
  const auto lost = status.dropped + status.expired + status.aged + status.thinned + status.unreadable;
  return fmt::format(R"("queued":{},"queued_bytes":{},"in_flight":{},"stalled":{},"acknowledged":{},"repeated":{},)"
                     R"("dropped":{},"parked":{},"received":{},"connections":{})",
                     status.queued, status.queued_bytes, status.in_flight, status.stalled, status.acknowledged,
                     status.repeated, lost, status.parked, status.received, status.connections);
}

}  // namespace

std::string_view name(UplinkState state) {
  switch (state) {
    case UplinkState::Offline:
      return "offline";
    case UplinkState::Connecting:
      return "connecting";
    case UplinkState::Online:
      return "online";
    case UplinkState::BackingOff:
      return "backing-off";
  }
  return "unknown";
}

mqtt::PublicationPtr local_status(const std::string& uplink, bool online) {
  return retained(fmt::format("$SYS/broker/connection/{}/state", uplink), online ? "1" : "0", mqtt::Qos::AtLeastOnce);
}

mqtt::PublicationPtr local_metrics(const UplinkStatus& status) {
  return retained(fmt::format("$SYS/broker/connection/{}/metrics", status.name), fmt::format("{{{}}}", figures(status)),
                  mqtt::Qos::AtMostOnce);
}

mqtt::PublicationPtr cloud_status(const std::string& topic, const UplinkStatus& status) {
  return retained(topic, fmt::format(R"({{"state":"online",{}}})", figures(status)), mqtt::Qos::AtMostOnce);
}

}  // namespace ferrule::bridge
