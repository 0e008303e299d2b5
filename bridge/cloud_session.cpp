#include "bridge/cloud_session.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <variant>

#include "bridge/edge_node.hpp"
#include "bridge/exchange_record.hpp"
#include "bridge/refusal_text.hpp"
#include "bridge/uplink_state.hpp"
#include "mqtt/codec.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Qos;
using mqtt::Reason;
using mqtt::Version;

constexpr auto kIdProperty = "ferrule-id";
constexpr std::string_view kBdSeq = "bd";        // kind of record
constexpr std::uint32_t kMaxIncoming = 1 << 20;  // bytes of a packet
constexpr std::uint16_t kReceiveMaximum = 100;
constexpr char kDup = 0x08;
constexpr std::size_t kMaxAliases = 1'000;
constexpr std::size_t kLongestReference = 200;  // bytes
constexpr std::uint8_t kNoRetained = 2;         // Retain Handling

tl::unexpected<std::string> breach(const mqtt::Refusal& refusal) {
  return tl::unexpected(fmt::format("the cloud broke the protocol: {} [{}]", refusal.detail, refusal.statement));
}

tl::unexpected<std::string> breach(std::string_view what) {
  return tl::unexpected(fmt::format("the cloud broke the protocol: {}", what));
}

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

/// What travels with a publication, what is left of its life [MQTT-3.3.2-6], and its name.
std::string properties_of(const mqtt::Publication& publication, const std::string& id, CloudSession::Time now) {
  mqtt::PropertyBuilder own;
  if (publication.expires) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*publication.expires - now).count();
    own.add(PropertyId::MessageExpiryInterval,
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, std::numeric_limits<std::uint32_t>::max())));
  }
  if (!id.empty()) own.add_user(kIdProperty, id);
  return publication.properties + own.encoded();
}

}  // namespace

CloudSession::CloudSession(const UplinkSettings& settings, LinkState& state, LinkEvents& events)
    : settings_(settings), state_(state), events_(events) {
  if (!settings_.sparkplug) return;
  for (const auto& record : state_.restore()) {
    const auto key = parse_record_key(record.key);
    if (key.kind == kBdSeq) bd_seqs_ = static_cast<std::uint8_t>(key.number + 1);
  }
}

// ---- connect

std::string CloudSession::connect_packet(int mqtt_version, std::string_view password, bool anew) {
  mqtt_version_ = mqtt_version;
  mqtt::PropertyBuilder properties;
  if (mqtt_version == 5) {
    properties.add(PropertyId::SessionExpiryInterval, static_cast<std::uint32_t>(settings_.session_expiry.count()))
        .add(PropertyId::ReceiveMaximum, kReceiveMaximum)
        .add(PropertyId::MaximumPacketSize, kMaxIncoming);
  }
  mqtt::Connect connect;
  connect.version = version();
  // An edge node's is 0 [tck-id-principles-persistence-clean-session-311]
  // [tck-id-principles-persistence-clean-session-50].
  connect.clean_start = anew || settings_.session_expiry.count() == 0;
  connect.keep_alive = settings_.keep_alive;
  connect.client_id = settings_.client_id;
  if (!settings_.username.empty()) connect.user_name = settings_.username;
  if (!password.empty()) connect.password = password;
  if (!settings_.status_topic.empty()) {
    connect.will.emplace();
    connect.will->topic = settings_.status_topic;
    connect.will->payload = kOfflineStatus;
    connect.will->qos = std::min(Qos::AtLeastOnce, settings_.max_qos);
    connect.will->retain = settings_.retain;
  }
  std::string death_topic, death;
  if (settings_.sparkplug) {
    bd_seq_ = bd_seqs_++;  // of 256
    death_topic = edge_topic(*settings_.sparkplug, "NDEATH");
    death = death_payload(bd_seq_);
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
  scratch_.clear();
  encode(connect, scratch_);
  return scratch_.text();
}

Attempt CloudSession::read_answer(const mqtt::Frame& frame, int mqtt_version) {
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

void CloudSession::open(const Attempt& answer) {
  limits_ = answer.limits;
  received_.clear();
  if (answer.session_present) take_up();
  if (settings_.sparkplug) {  // on disk before a birth leaves: the next will, after a kill too, has another
    records_.push_back({LinkState::kNoRow, record_key(kBdSeq, bd_seq_, mqtt_version_), {}});
  }
  resume();
}

/// LinkState knows what goes on, after a cut cable as after a kill.
void CloudSession::take_up() {
  std::vector<Seq> given_up;  // they belong to a session that cannot be had with this version
  for (auto& record : state_.restore()) {
    const auto key = parse_record_key(record.key);
    const auto packet_id = static_cast<std::uint16_t>(key.number);
    if (key.kind == kBdSeq) continue;
    if (record.seq == LinkState::kNoRow) {
      key.mqtt_version == mqtt_version_ ? static_cast<void>(received_.insert(packet_id)) : state_.released(record.key);
    } else if (key.mqtt_version != mqtt_version_) {
      if (given_up.empty() || given_up.back() != record.seq) given_up.push_back(record.seq);
    } else if (key.kind == "sc") {
      exchanges_[packet_id] = {record.seq, Qos::ExactlyOnce, true};
      std::erase_if(to_resume_, [&](const Resumed& other) { return other.packet_id == packet_id; });
      to_resume_.push_back({packet_id, {}});
    } else {
      exchanges_[packet_id] = {record.seq, Qos::ExactlyOnce, false};
      to_resume_.push_back({packet_id, std::move(record.packet)});
    }
  }
  exactly_once_ = exchanges_.size();
  for (const auto seq : given_up) {
    state_.done(seq, false);
    events_.on_settled(seq, Reason::UnspecifiedError);
  }
}

/// In the order in which they were sent first [MQTT-4.6.0-1] [MQTT-4.4.0-1].
void CloudSession::resume() {
  while (!to_resume_.empty()) {
    auto& [packet_id, packet] = to_resume_.front();
    if (!exchanges_.contains(packet_id)) {
      // the cloud ended it unasked
    } else if (packet.empty()) {
      send_ack(PacketType::Pubrel, packet_id);
    } else {
      if (resumed_ >= limits_.receive_maximum) return;  // [MQTT-3.3.4-9]
      ++resumed_;
      packet[0] = static_cast<char>(packet[0] | kDup);  // [MQTT-3.3.1-1]
      output_.append(packet);
    }
    to_resume_.pop_front();
  }
}

void CloudSession::close() {
  exchanges_.clear();
  exactly_once_ = 0;
  records_.clear();
  released_ = false;
  arrived_.clear();
  unanswered_.clear();
  subscribing_.clear();
  to_resume_.clear();
  resumed_ = 0;
  aliases_.clear();
  unconfirmed_.clear();
  pings_.clear();
  output_.clear();
}

// ---- publish

std::uint16_t CloudSession::take_packet_id() {
  do {
    if (++last_packet_id_ == 0) ++last_packet_id_;  // [MQTT-2.2.1-3]
  } while (exchanges_.contains(last_packet_id_) || subscribing_.contains(last_packet_id_));
  return last_packet_id_;
}

/// The first topics get an alias, as many as the cloud takes [MQTT-3.3.2-9]. A topic is sent with its alias once, and
/// then not at all.
std::string_view CloudSession::aliased(const std::string& topic, std::string& properties) {
  const auto most = std::min<std::size_t>(limits_.topic_alias_maximum, kMaxAliases);
  const auto known = aliases_.find(topic);
  if (known == aliases_.end() && aliases_.size() >= most) return topic;
  const auto alias = known == aliases_.end() ? static_cast<std::uint16_t>(aliases_.size() + 1) : known->second;
  mqtt::PropertyBuilder property;
  property.add(PropertyId::TopicAlias, alias);
  properties += property.encoded();
  if (known != aliases_.end()) return {};
  aliases_.emplace(topic, alias);
  return topic;
}

void CloudSession::send(Seq seq, const mqtt::Publication& publication, const std::string& topic, Qos qos, Time now) {
  const bool numbered = qos != Qos::AtMostOnce;
  mqtt::Publish publish;
  publish.topic = topic;
  publish.payload = publication.payload;
  publish.qos = qos;
  publish.retain = publication.retain && limits_.retain_available;  // [MQTT-3.2.2-14]
  std::string properties;
  if (mqtt_version_ == 5) {
    const auto id = numbered ? fmt::format("{}-{}", settings_.client_id, seq) : std::string();
    properties = properties_of(publication, id, now);
    // What may go on after a restart has to be understood then, too.
    if (qos != Qos::ExactlyOnce) publish.topic = aliased(topic, properties);
    publish.properties = mqtt::Properties::trusted(properties);
  }
  if (numbered) {
    publish.packet_id = take_packet_id();
    exchanges_[publish.packet_id] = {seq, qos, false};
    exactly_once_ += qos == Qos::ExactlyOnce ? 1 : 0;
  }
  if (qos != Qos::ExactlyOnce) {
    encode(publish, version(), output_);
    if (qos == Qos::AtMostOnce && seq != 0) unconfirmed_.push_back(seq);
    return;
  }
  scratch_.clear();
  encode(publish, version(), scratch_);
  auto packet = scratch_.text();
  output_.append(packet);
  records_.push_back({seq, record_key("s", publish.packet_id, mqtt_version_), std::move(packet)});
}

bool CloudSession::commit() {
  if (!unconfirmed_.empty() && pings_.empty()) ping();
  const bool writes = !records_.empty() || released_;
  if (writes) state_.put(records_);
  records_.clear();
  released_ = false;
  for (auto& [publication, arrival] : std::exchange(arrived_, {})) {
    events_.on_message(std::move(publication), arrival);
  }
  return writes;
}

// ---- the cloud's packets

tl::expected<void, std::string> CloudSession::take(const mqtt::Frame& frame, Time now) {
  const auto packet = mqtt::decode(frame, version(), mqtt::Sender::Server);
  if (!packet) return breach(packet.error());
  if (const auto* ack = std::get_if<mqtt::Ack>(&*packet)) return take_ack(*ack);
  if (const auto* publish = std::get_if<mqtt::Publish>(&*packet)) return take_publish(*publish, now);
  if (std::holds_alternative<mqtt::Pingresp>(*packet)) {
    confirm();
    return {};
  }
  if (const auto* suback = std::get_if<mqtt::Suback>(&*packet)) {
    take_suback(*suback);
    return {};
  }
  if (const auto* disconnect = std::get_if<mqtt::Disconnect>(&*packet)) {
    auto cause = "the cloud ended it: " + with_code(disconnect->reason);
    if (disconnect->reason == Reason::ReceiveMaximumExceeded || disconnect->reason == Reason::MessageRateTooHigh ||
        disconnect->reason == Reason::QuotaExceeded) {
      events_.on_too_much(disconnect->reason);
    }
    if (const auto server = disconnect->properties.text(PropertyId::ServerReference)) {
      server_reference_ = server->substr(0, kLongestReference);
      cause += fmt::format(", it names {}", server_reference_);
    }
    return tl::unexpected(std::move(cause));
  }
  return breach("a packet that nobody asked for");
}

tl::expected<void, std::string> CloudSession::take_ack(const mqtt::Ack& packet) {
  if (packet.type == PacketType::Pubrel) {
    take_release(packet.packet_id);
    return {};
  }
  const auto exchange = exchanges_.find(packet.packet_id);
  if (exchange == exchanges_.end()) {
    // It ended already, and this is what a cloud repeats that does not know it yet [MQTT-4.3.3-4].
    if (packet.type == PacketType::Pubrec && !is_error(packet.reason)) {
      send_ack(PacketType::Pubrel, packet.packet_id, Reason::PacketIdentifierNotFound);
    }
    return {};
  }
  const bool exactly_once = exchange->second.qos == Qos::ExactlyOnce;
  if (exactly_once != (packet.type != PacketType::Puback)) return breach("an acknowledgement of another QoS");
  if (packet.type == PacketType::Pubrec && !is_error(packet.reason)) {
    release(packet.packet_id, exchange->second);
  } else {
    if (packet.type == PacketType::Pubcomp && !exchange->second.released) return breach("PUBCOMP before PUBREL");
    end(exchange, packet.reason);
  }
  return {};
}

void CloudSession::release(std::uint16_t packet_id, Exchange& exchange) {
  send_ack(PacketType::Pubrel, packet_id);
  if (std::exchange(exchange.released, true)) return;
  constexpr char kPubrel = 0x62, kSize = 2;
  const std::string packet{kPubrel, kSize, static_cast<char>(packet_id >> 8), static_cast<char>(packet_id)};
  records_.push_back({exchange.seq, record_key("sc", packet_id, mqtt_version_), packet});
}

void CloudSession::end(Exchanges::iterator exchange, Reason reason) {
  const auto ended = exchange->second;
  exchanges_.erase(exchange);
  exactly_once_ -= ended.qos == Qos::ExactlyOnce ? 1 : 0;
  if (ended.released) reason = Reason::Success;  // 0x92 in PUBCOMP: the cloud has done with it already
  if (ended.qos == Qos::ExactlyOnce) state_.done(ended.seq, !is_error(reason));
  events_.on_settled(ended.seq, reason);
  if (resumed_ > 0) --resumed_;
  resume();
}

tl::expected<void, std::string> CloudSession::take_publish(const mqtt::Publish& packet, Time now) {
  if (packet.topic.empty()) return breach("a Topic Alias, and we allow none");
  if (packet.qos == Qos::ExactlyOnce) {
    if (!received_.insert(packet.packet_id)) {  // [MQTT-4.3.3-10]
      const auto same = [&](const auto& one) {
        return one.second.qos == Qos::ExactlyOnce && one.second.packet_id == packet.packet_id;
      };
      if (std::ranges::none_of(unanswered_, same)) send_ack(PacketType::Pubrec, packet.packet_id);
      return {};
    }
    if (received_.size() > kReceiveMaximum && mqtt_version_ == 5) return breach("more than our Receive Maximum");
    records_.push_back({LinkState::kNoRow, record_key("r", packet.packet_id, mqtt_version_), {}});
  }
  mqtt::Publication publication;
  publication.topic = packet.topic;
  publication.payload = packet.payload;
  publication.qos = packet.qos;
  publication.retain = packet.retain;
  publication.published = now;
  publication.properties = mqtt::forwardable(packet.properties, forwarded_);
  if (const auto left = packet.properties.number(PropertyId::MessageExpiryInterval)) {
    publication.expires = now + std::chrono::seconds(*left);
  }
  arrived_.emplace_back(std::move(publication), expect_answer(packet));
  return {};
}

Arrival CloudSession::expect_answer(const mqtt::Publish& packet) {
  if (packet.qos == Qos::AtMostOnce) return 0;
  unanswered_[++last_arrival_] = {packet.packet_id, packet.qos};
  return last_arrival_;
}

void CloudSession::acknowledge(Arrival arrival, Reason reason) {
  const auto asked = unanswered_.extract(arrival);
  if (!asked) return;
  const auto [packet_id, qos] = asked.mapped();
  send_ack(qos == Qos::ExactlyOnce ? PacketType::Pubrec : PacketType::Puback, packet_id, reason);
  if (qos == Qos::ExactlyOnce && is_error(reason) && mqtt_version_ == 5) forget_received(packet_id);  // it ends so
}

void CloudSession::take_release(std::uint16_t packet_id) {
  const bool known = received_.contains(packet_id);
  forget_received(packet_id);
  send_ack(PacketType::Pubcomp, packet_id, known ? Reason::Success : Reason::PacketIdentifierNotFound);
}

/// On disk before our answer leaves: then the cloud may use the packet identifier for another one.
void CloudSession::forget_received(std::uint16_t packet_id) {
  received_.erase(packet_id);
  const auto key = record_key("r", packet_id, mqtt_version_);
  std::erase_if(records_, [&](const auto& record) { return record.key == key; });
  std::erase_if(unanswered_, [&](const auto& one) {
    return one.second.qos == Qos::ExactlyOnce && one.second.packet_id == packet_id;
  });
  state_.released(key);
  released_ = true;
}

void CloudSession::send_ack(PacketType type, std::uint16_t packet_id, Reason reason) {
  encode(mqtt::Ack{type, packet_id, reason, {}}, version(), output_);
}

// ---- subscribe, ping, disconnect

void CloudSession::subscribe(const std::string& filter, Qos qos) {
  std::string entries;
  mqtt::SubscriptionOptions options;
  options.qos = qos;
  options.no_local = mqtt_version_ == 5;  // what we sent does not come back
  options.retain_handling = mqtt_version_ == 5 && !settings_.sparkplug ? kNoRetained : 0;  // a host's STATE is
  mqtt::append_subscription(entries, filter, options);
  mqtt::Subscribe subscribe;
  subscribe.packet_id = take_packet_id();
  subscribe.entries = mqtt::SubscribeEntries(entries);
  subscribing_[subscribe.packet_id] = filter;
  encode(subscribe, version(), output_);
}

void CloudSession::take_suback(const mqtt::Suback& packet) {
  const auto asked = subscribing_.extract(packet.packet_id);
  if (!asked || packet.codes.empty()) return;
  const auto reason = static_cast<Reason>(packet.codes.front());
  if (!is_error(reason)) return;
  spdlog::warn("uplink {}: the cloud refused the subscription to {}: {}", settings_.name, asked.mapped(),
               with_code(reason));
}

void CloudSession::ping() {
  encode(mqtt::Pingreq{}, version(), output_);
  const auto earlier = std::accumulate(pings_.begin(), pings_.end(), std::size_t{0});
  pings_.push_back(unconfirmed_.size() - earlier);
}

void CloudSession::confirm() {
  if (pings_.empty()) return;
  for (auto left = pings_.front(); left > 0; --left) {
    events_.on_settled(unconfirmed_.front(), Reason::Success);
    unconfirmed_.pop_front();
  }
  pings_.pop_front();
}

/// MQTT 3.1.1 cannot ask for its will with a DISCONNECT: it just leaves. A Sparkplug edge node says itself what its
/// will would [tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath]
/// [tck-id-operational-behavior-edge-node-intentional-disconnect-packet]
/// [tck-id-payloads-ndeath-will-message-publisher] [tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt311]
/// [tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt50].
void CloudSession::disconnect(bool for_good) {
  if (settings_.sparkplug) {
    mqtt::Publication death;
    death.payload = death_payload(bd_seq_);
    send(0, death, edge_topic(*settings_.sparkplug, "NDEATH"), Qos::AtMostOnce, {});
  }
  const bool with_will = for_good && !settings_.status_topic.empty();
  if (with_will && mqtt_version_ != 5) return;
  encode(mqtt::Disconnect{with_will ? Reason::DisconnectWithWill : Reason::Success, {}}, version(), output_);
}

}  // namespace ferrule::bridge
