#include "bridge/handshake.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "bridge/edge_node.hpp"
#include "bridge/refusal_text.hpp"
#include "bridge/uplink_state.hpp"
#include "mqtt/codec.hpp"
#include "mqtt/output_buffer.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Qos;
using mqtt::Reason;
using mqtt::Version;

constexpr std::size_t kReadSize = 4096;

Attempt failed(std::string cause) {
  Attempt attempt;
  attempt.cause = std::move(cause);
  return attempt;
}

Attempt ended(const StreamEnd& end, bool is_secure) {
  auto attempt = failed(end.unsaid ? "closed without an answer to CONNECT" : end.cause);
  attempt.wrong_version = end.unsaid;  // some 3.1.1 servers answer a CONNECT of MQTT 5 so
  if (end.unsaid && is_secure) attempt.cause += "; perhaps it wants another certificate of ours";
  return attempt;
}

}  // namespace

std::string connect_packet(const UplinkSettings& settings, int mqtt_version, std::string_view password,
                           std::uint8_t bd_seq, bool anew) {
  mqtt::PropertyBuilder properties;
  if (mqtt_version == 5) {
    properties.add(PropertyId::SessionExpiryInterval, static_cast<std::uint32_t>(settings.session_expiry.count()))
        .add(PropertyId::ReceiveMaximum, kReceiveMaximum)
        .add(PropertyId::MaximumPacketSize, kMaxIncoming);
  }
  mqtt::Connect connect;
  connect.version = mqtt_version == 5 ? Version::V5 : Version::V311;
  // An edge node's is 0 [tck-id-principles-persistence-clean-session-311]
  // [tck-id-principles-persistence-clean-session-50].
  connect.clean_start = anew || settings.session_expiry.count() == 0;
  connect.keep_alive = settings.keep_alive;
  connect.client_id = settings.client_id;
  if (!settings.username.empty()) connect.user_name = settings.username;
  if (!password.empty()) connect.password = password;
  if (!settings.status_topic.empty()) {
    connect.will.emplace();
    connect.will->topic = settings.status_topic;
    connect.will->payload = kOfflineStatus;
    connect.will->qos = std::min(Qos::AtLeastOnce, settings.max_qos);
    connect.will->retain = settings.retain;
  }
  std::string death_topic, death;
  if (settings.sparkplug) {
    death_topic = edge_topic(*settings.sparkplug, "NDEATH");
    death = death_payload(bd_seq);
    // [tck-id-message-flow-edge-node-birth-publish-will-message] [tck-id-payloads-ndeath-will-message]
    connect.will.emplace();
    connect.will->topic = death_topic;
    connect.will->payload = death;
    // [tck-id-message-flow-edge-node-birth-publish-will-message-qos] [tck-id-payloads-ndeath-will-message-qos]
    connect.will->qos = Qos::AtLeastOnce;
    // [tck-id-message-flow-edge-node-birth-publish-will-message-will-retained]
    // [tck-id-payloads-ndeath-will-message-retain]
    connect.will->retain = false;
  }
  connect.properties = properties.view();
  mqtt::BlockPool pool;
  mqtt::OutputBuffer bytes(pool);
  encode(connect, bytes);
  return bytes.text();
}

namespace {

LinkLimits limits_of(const mqtt::Properties& properties) {
  LinkLimits limits;
  if (const auto number = properties.number(PropertyId::ReceiveMaximum)) {
    limits.receive_maximum = static_cast<std::uint16_t>(*number);
  }
  if (const auto number = properties.number(PropertyId::MaximumQos)) limits.maximum_qos = static_cast<Qos>(*number & 1);
  if (const auto number = properties.number(PropertyId::RetainAvailable)) limits.retain_available = *number != 0;
  if (const auto number = properties.number(PropertyId::TopicAliasMaximum)) {
    limits.topic_alias_maximum = static_cast<std::uint16_t>(*number);
  }
  if (const auto number = properties.number(PropertyId::MaximumPacketSize)) limits.maximum_packet_size = *number;
  return limits;
}

}  // namespace

Attempt read_answer(const mqtt::Frame& frame, int mqtt_version) {
  Attempt attempt;
  attempt.answered = true;
  if (frame.type() != PacketType::Connack) {
    attempt.cause = "the answer to CONNECT was no CONNACK";
    return attempt;
  }
  // A server of 3.1.1 answers a CONNECT of MQTT 5 in its own words.
  const bool is_old = mqtt_version != 5 || frame.body.size() == 2;
  const auto connack = mqtt::decode_connack(frame, is_old ? Version::V311 : Version::V5);
  if (!connack) {
    attempt.cause = breach(connack.error()).value();
  } else if (connack->reason != Reason::Success) {
    attempt.wrong_version = connack->reason == Reason::UnsupportedProtocolVersion;
    attempt.cause = "refused: " + (is_old ? return_code_text(frame.body[1]) : with_code(connack->reason));
    if (const auto server = connack->properties.text(PropertyId::ServerReference)) attempt.server_reference = *server;
    if (const auto text = connack->properties.text(PropertyId::ReasonString)) {
      attempt.cause += fmt::format(": {}", text->substr(0, 200));
    }
  } else if (is_old && mqtt_version == 5) {
    attempt.cause = "it answered in another version than it was asked in";
    attempt.wrong_version = true;
  } else {
    attempt.connected = true;
    attempt.session_present = connack->session_present;
    attempt.limits = limits_of(connack->properties);
    if (const auto seconds = connack->properties.number(PropertyId::ServerKeepAlive)) {
      attempt.keep_alive = std::chrono::seconds(*seconds);  // [MQTT-3.1.2-21]
    }
  }
  return attempt;
}

Attempt shake_hands(Stream& stream, mqtt::Framer& framer, const std::string& connect, int mqtt_version, bool is_secure,
                    const Wait& wait) {
  static_cast<void>(write_all(stream, connect, wait));  // if it failed, reading tells why
  std::array<char, kReadSize> buffer;
  for (;;) {
    if (!wait(stream.descriptor(), static_cast<short>(POLLIN | stream.waits_for()))) return failed("no answer in time");
    const auto size = stream.read(buffer);
    if (!size) return ended(size.error(), is_secure);
    framer.feed({buffer.data(), *size});
    const auto frame = framer.next();
    if (!frame) return failed(fmt::format("the answer to CONNECT is not MQTT: {}", frame.error().detail));
    if (!*frame) continue;
    auto answer = read_answer(**frame, mqtt_version);
    framer.keep();
    return answer;
  }
}

}  // namespace ferrule::bridge
