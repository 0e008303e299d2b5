#include "bridge/cloud_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <variant>

#include "bridge/edge_node.hpp"
#include "bridge/exchange_record.hpp"
#include "bridge/handshake.hpp"
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
constexpr std::string_view kBdSeq = "bd";  // kind of record
constexpr char kDup = 0x08;
constexpr std::size_t kMaxAliases = 1'000;
constexpr std::size_t kLongestReference = 200;  // bytes

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

/// What is being put on disk, and what waits for that.
struct CloudSession::Commit {
  std::size_t publishes = 0;  ///< the first of outgoing_ that are not ready
  std::string held;
  Arrivals arrived;
  std::mutex mutex;
  std::condition_variable over;
  std::optional<std::string> outcome;  ///< guarded by it: why it failed, or empty
};

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
  if (settings_.sparkplug) bd_seq_ = bd_seqs_++;  // of 256
  return bridge::connect_packet(settings_, mqtt_version, password, bd_seq_, anew);
}

void CloudSession::open(const Attempt& answer) {
  limits_ = answer.limits;
  received_.clear();
  if (answer.session_present) take_up();
  // Before a birth leaves: the next will, after a kill too, has another.
  if (settings_.sparkplug) state_.put({{LinkState::kNoRow, record_key(kBdSeq, bd_seq_, mqtt_version_), {}}});
  ready_ = outgoing_.size();
  send_ready();
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
    } else if (key.kind == "sc" || record.packet.empty()) {
      exchanges_[packet_id] = {record.seq, Qos::ExactlyOnce, true};
      std::erase_if(outgoing_, [&](const Outgoing& other) { return other.packet_id == packet_id; });
      outgoing_.push_back({packet_id, {}});
    } else {
      exchanges_[packet_id] = {record.seq, Qos::ExactlyOnce};
      record.packet[0] = static_cast<char>(record.packet[0] | kDup);  // [MQTT-3.3.1-1]
      outgoing_.push_back({packet_id, std::move(record.packet)});
    }
  }
  for (const auto seq : given_up) events_.on_settled(seq, Reason::UnspecifiedError);
}

/// In the order in which they came, and what goes on from an earlier connection first [MQTT-4.6.0-1] [MQTT-4.4.0-1].
void CloudSession::send_ready() {
  const auto room = std::min<std::size_t>(settings_.window, limits_.receive_maximum);
  for (; ready_ > 0; --ready_, outgoing_.pop_front()) {
    const auto& [packet_id, packet] = outgoing_.front();
    const auto exchange = exchanges_.find(packet_id);
    if (exchange == exchanges_.end()) continue;  // the cloud ended it unasked
    if (packet.empty()) {
      send_ack(PacketType::Pubrel, packet_id);
    } else if (!exchange->second.released) {
      if (on_wire_ >= room) return;  // [MQTT-3.3.4-9]
      exchange->second.on_wire = true;
      ++on_wire_;
      output_.append(packet);
    }
  }
}

void CloudSession::close() {
  wait_for_commit();
  commit_.reset();
  exchanges_.clear();
  on_wire_ = 0;
  outgoing_.clear();
  ready_ = 0;
  records_.clear();
  held_.clear();
  released_ = false;
  arrived_.clear();
  unanswered_.clear();
  subscribing_.clear();
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
    exchanges_[publish.packet_id] = {seq, qos, false, qos == Qos::AtLeastOnce};
    on_wire_ += qos == Qos::AtLeastOnce ? 1 : 0;
  }
  if (qos != Qos::ExactlyOnce) {
    encode(publish, version(), output_);
    if (qos == Qos::AtMostOnce && seq != 0) unconfirmed_.push_back(seq);
    return;
  }
  scratch_.clear();
  encode(publish, version(), scratch_);
  auto packet = scratch_.text();
  outgoing_.push_back({publish.packet_id, packet});
  records_.push_back({seq, record_key("s", publish.packet_id, mqtt_version_), std::move(packet)});
}

// ---- to the disk

bool CloudSession::begin_commit(std::function<void()> ended) {
  if (!unconfirmed_.empty() && pings_.empty()) ping();
  if (commit_) return false;
  if (records_.empty() && !released_) {
    output_.append(std::exchange(held_, {}));
    pass_on(std::exchange(arrived_, {}));
    return false;
  }
  commit_ = std::make_shared<Commit>();
  commit_->publishes = outgoing_.size() - ready_;
  commit_->held = std::exchange(held_, {});
  commit_->arrived = std::exchange(arrived_, {});
  released_ = false;
  // Who leaves meanwhile still hears of what came: its record says that it was passed on.
  state_.write(std::exchange(records_, {}), [this, commit = commit_, ended = std::move(ended)](const auto& error) {
    if (error.empty()) pass_on(std::move(commit->arrived));
    const std::lock_guard lock(commit->mutex);
    commit->outcome = error;
    commit->over.notify_all();
    if (ended) ended();
  });
  return true;
}

/// On any thread.
void CloudSession::pass_on(Arrivals arrived) {
  for (auto& [publication, arrival] : arrived) events_.on_message(std::move(publication), arrival);
}

bool CloudSession::end_commit() {
  if (!commit_) return false;
  {
    const std::lock_guard lock(commit_->mutex);
    if (!commit_->outcome) return false;
    if (!commit_->outcome->empty()) throw std::runtime_error(*commit_->outcome);
  }
  const auto commit = std::exchange(commit_, nullptr);
  output_.append(commit->held);
  ready_ += commit->publishes;
  send_ready();
  return true;
}

void CloudSession::wait_for_commit() const {
  if (!commit_) return;
  std::unique_lock lock(commit_->mutex);
  commit_->over.wait(lock, [this] { return commit_->outcome.has_value(); });
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
      hold_ack(PacketType::Pubrel, packet.packet_id, Reason::PacketIdentifierNotFound);
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
  hold_ack(PacketType::Pubrel, packet_id);
  if (std::exchange(exchange.released, true)) return;
  constexpr char kPubrel = 0x62, kSize = 2;
  const std::string packet{kPubrel, kSize, static_cast<char>(packet_id >> 8), static_cast<char>(packet_id)};
  records_.push_back({exchange.seq, record_key("sc", packet_id, mqtt_version_), packet});
}

void CloudSession::end(Exchanges::iterator exchange, Reason reason) {
  const auto ended = exchange->second;
  exchanges_.erase(exchange);
  if (ended.released) reason = Reason::Success;  // 0x92 in PUBCOMP: the cloud has done with it already
  if (ended.on_wire) --on_wire_;
  events_.on_settled(ended.seq, reason);
  send_ready();
}

/// Behind the next commit, if there is one; in the order in which they are due [MQTT-4.6.0-3] [MQTT-4.6.0-4].
void CloudSession::hold_ack(PacketType type, std::uint16_t packet_id, Reason reason) {
  scratch_.clear();
  encode(mqtt::Ack{type, packet_id, reason, {}}, version(), scratch_);
  held_ += scratch_.text();
}

void CloudSession::send_ack(PacketType type, std::uint16_t packet_id, Reason reason) {
  encode(mqtt::Ack{type, packet_id, reason, {}}, version(), output_);
}

// ---- ping, disconnect

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
