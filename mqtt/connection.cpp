#include "mqtt/connection.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kPiecesPerWrite = 64;

}  // namespace

Connection::Connection(BrokerCore& core, std::unique_ptr<Transport> transport, BlockPool& blocks,
                       std::size_t max_packet_size)
    : core_(core), transport_(std::move(transport)), framer_(max_packet_size), output_(blocks) {}

std::string Connection::who() const {
  if (client == nullptr) return transport_->peer();
  return fmt::format("client '{}' ({})", for_log(client->client_id()), transport_->peer());
}

Connection::~Connection() = default;

// Receiving

void Connection::on_data(std::string_view bytes) {
  if (state_ == State::Draining || state_ == State::Closing) return;
  core_.start_turn();
  core_.received(bytes.size());
  framer_.feed(bytes);  // in any pieces: all that a transport need be is ordered and lossless [MQTT-7.1.1-1]
  handle_packets();
}

void Connection::handle_packets() {
  while (state_ == State::AwaitsConnect || state_ == State::Connected || state_ == State::AwaitsAuth) {
    const auto frame = framer_.next();
    if (!frame) return refuse(frame.error());
    if (!*frame) break;
    last_packet = core_.now();
    ++core_.totals.packets_received;
    handle(**frame);
  }
  if (state_ == State::AwaitsPassword) framer_.keep();
  if (!output_.empty()) core_.touch(*this);
  if (blocked_) bound_answers();
}

void Connection::hold() {
  state_ = State::AwaitsPassword;
  pause_reading(Pause::Password, true);
}

void Connection::go_on() {
  pause_reading(Pause::Password, false);
  handle_packets();
}

void Connection::handle(const Frame& frame) {
  if (state_ == State::AwaitsConnect) {
    if (frame.type() == PacketType::Connect) return core_.connect(*this, frame);
    return refuse({Reason::ProtocolError, "MQTT-3.1.0-1", "first packet is not CONNECT"});
  }
  if (state_ == State::AwaitsAuth && frame.type() != PacketType::Auth && frame.type() != PacketType::Disconnect) {
    return refuse({Reason::ProtocolError, "MQTT-3.1.2-33", "packet other than AUTH before CONNACK"});
  }
  switch (frame.type()) {
    case PacketType::Publish:
      return on_publish(frame);
    case PacketType::Puback:
    case PacketType::Pubrec:
    case PacketType::Pubrel:
    case PacketType::Pubcomp:
      return on_ack(frame);
    case PacketType::Subscribe: {
      const auto packet = decode_subscribe(frame, version_);
      return packet ? core_.subscribe(*this, *packet) : refuse(packet.error());
    }
    case PacketType::Unsubscribe: {
      const auto packet = decode_unsubscribe(frame, version_);
      return packet ? core_.unsubscribe(*this, *packet) : refuse(packet.error());
    }
    case PacketType::Pingreq: {
      if (const auto ping = decode_ping(frame); !ping) return refuse(ping.error());
      send(Pingresp{});  // [MQTT-3.12.4-1]
      return;
    }
    case PacketType::Disconnect:
      return on_disconnect(frame);
    case PacketType::Connect:
      return refuse({Reason::ProtocolError, "MQTT-3.1.0-2", "second CONNECT"});
    case PacketType::Auth:
      return core_.auth(*this, frame);
    default:
      return refuse({Reason::ProtocolError, "MQTT5 2.1.2", "packet that only a server sends"});
  }
}

void Connection::on_publish(const Frame& frame) {
  auto packet = decode_publish(frame, version_, Sender::Client);
  if (!packet) return refuse(packet.error());
  if (version_ == Version::V5) {
    if (const auto resolved = resolve_alias(*packet); !resolved) return refuse(resolved.error());
  }
  if (!within_rate(core_.now())) {
    ++core_.totals.rate_exceeded;
    if (core_.may_log())
      spdlog::warn("broker: {}: more than {} PUBLISH per second", who(), core_.settings.publish_rate);
    return disconnect(Reason::MessageRateTooHigh, "publishes faster than allowed");
  }
  ++core_.totals.publications_received;
  core_.totals.payload_bytes_received += packet->payload.size();
  core_.publish_from(*this, *packet);
}

bool Connection::within_rate(Time now) {
  if (core_.settings.publish_rate == 0) return true;
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  rate_at_ = std::max(rate_at_, now) + nanoseconds(seconds(1)) / core_.settings.publish_rate;
  return rate_at_ - now <= seconds(1);
}

Decoded<void> Connection::resolve_alias(Publish& packet) {
  const auto alias = packet.properties.number(PropertyId::TopicAlias);
  if (!alias) return {};
  if (*alias == 0 || *alias > core_.settings.topic_alias_maximum) {  // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
    return tl::unexpected(Refusal{Reason::TopicAliasInvalid, "MQTT-3.3.2-9", "Topic Alias beyond our maximum"});
  }
  if (aliases_ == nullptr) aliases_ = std::make_unique<std::vector<std::string>>();
  if (aliases_->size() < *alias) aliases_->resize(*alias);
  std::string& topic = (*aliases_)[*alias - 1];
  if (!packet.topic.empty()) {
    topic = packet.topic;
    return {};
  }
  if (topic.empty()) return tl::unexpected(Refusal{Reason::ProtocolError, "MQTT5 3.3.2.3.4", "unknown Topic Alias"});
  packet.topic = topic;
  return {};
}

void Connection::on_ack(const Frame& frame) {
  const auto packet = decode_ack(frame, version_);
  if (!packet) return refuse(packet.error());
  const Time now = core_.now();
  bool known = true;
  switch (packet->type) {
    case PacketType::Puback:
      known = client->on_puback(packet->packet_id, now);
      break;
    case PacketType::Pubrec:
      known = client->on_pubrec(packet->packet_id, packet->reason, now);
      break;
    case PacketType::Pubcomp:
      known = client->on_pubcomp(packet->packet_id, now);
      break;
    default:
      return core_.release_from(*this, *packet);
  }
  if (!known) ++core_.totals.unknown_acks;  // late, after a session was lost: not a violation
  if (!client->replays.empty()) core_.refill(*client);
  core_.await_disk(*client);
}

void Connection::on_disconnect(const Frame& frame) {
  const auto packet = decode_disconnect(frame, version_, Sender::Client);
  if (!packet) return refuse(packet.error());
  if (client == nullptr) return close();  // while it logs in
  if (const auto expiry = packet->properties.number(PropertyId::SessionExpiryInterval)) {
    if (client->expiry.count() == 0 && *expiry != 0) {
      return refuse({Reason::ProtocolError, "MQTT5 3.14.2.2.2", "Session Expiry Interval after one of 0 in CONNECT"});
    }
    client->expiry = std::min<std::chrono::seconds>(std::chrono::seconds(*expiry), core_.settings.max_session_expiry);
  }
  if (packet->reason == Reason::Success) client->will.reset();  // [MQTT-3.14.4-3] [MQTT-3.1.2-10]
  close();
}

void Connection::on_closed(std::string_view cause) {
  if (client != nullptr) spdlog::debug("broker: {}: {}", who(), cause);
  state_ = State::Closing;
  core_.leave(*this);
  core_.closed(*this);
}

// Answering

void Connection::accepted(const Connect& packet) {
  state_ = State::Connected;
  framer_.limit(core_.settings.max_packet_size);
  problem_information_ = packet.properties.number(PropertyId::RequestProblemInformation).value_or(1) != 0;
  const auto aliases = std::min<std::uint32_t>(packet.properties.number(PropertyId::TopicAliasMaximum).value_or(0),
                                               core_.settings.topic_aliases_sent);
  if (aliases > 0) sent_aliases_ = std::make_unique<OutboundAliases>(static_cast<std::uint16_t>(aliases));
}

void Connection::send_ack(const PendingAck& ack) {
  switch (ack.type) {
    case PacketType::Suback:
      send_explained(Suback{ack.packet_id, {}, *ack.codes}, ack.detail);
      break;
    case PacketType::Unsuback:
      send(Unsuback{ack.packet_id, {}, *ack.codes});
      break;
    default:
      send_explained(Ack{ack.type, ack.packet_id, ack.reason, {}}, ack.detail);
  }
}

void Connection::count_sent() { ++core_.totals.packets_sent; }

void Connection::refuse(const Refusal& refusal) {
  ++core_.totals.protocol_errors;
  if (refusal.code == Reason::PacketTooLarge) ++core_.totals.packets_too_large;
  if (refusal.code == Reason::ReceiveMaximumExceeded) ++core_.totals.receive_maximum_exceeded;
  if (refusal.code == Reason::TopicAliasInvalid) ++core_.totals.topic_aliases_exceeded;
  if (core_.may_log()) spdlog::warn("broker: {}: {} [{}]; closing", who(), refusal.detail, refusal.statement);
  disconnect(refusal.code, refusal.detail);
}

void Connection::disconnect(Reason reason, std::string_view detail) {
  if (state_ == State::Connected && version_ == Version::V5) {
    send_explained(Disconnect{reason, {}}, detail, true);
  }
  close();  // [MQTT-3.14.4-2] [MQTT-4.13.2-1]
}

void Connection::redirect(Reason reason, std::string_view server) {
  if (state_ == State::Connected && version_ == Version::V5) {
    PropertyBuilder properties;
    properties.add(PropertyId::ServerReference, server);
    if (!send(Disconnect{reason, properties.view()})) send(Disconnect{reason, {}});
  }
  close();
}

void Connection::close() {
  if (state_ == State::Draining || state_ == State::Closing) return;
  state_ = State::Draining;  // [MQTT-3.14.4-1]
  core_.leave(*this);
  core_.look_again(*this, core_.now() + std::chrono::seconds(5));
  core_.touch(*this);
}

void Connection::give_up() {
  state_ = State::Closing;
  output_.clear();
  core_.look_again(*this, {});
  transport_->close();
}

// Sending

void Connection::flush() {
  while (!output_.empty() && !blocked_ && state_ != State::Closing) {
    std::array<iovec, kPiecesPerWrite> pieces;
    const auto filled = output_.gather(pieces);
    std::size_t wanted = 0;
    for (const iovec& piece : filled) wanted += piece.iov_len;
    const std::size_t taken = transport_->write(filled);
    core_.totals.bytes_sent += taken;
    output_.consume(taken);
    blocked_ = taken < wanted;
  }
  bound_answers();
  if (!output_.empty()) return;
  if (state_ == State::Draining) give_up();
  if (client != nullptr) core_.refill(*client);
}

/// Publications end at half of that. What is beyond answers packets of a client that does not read what we send: it is
/// not read from either.
void Connection::bound_answers() {
  pause_reading(Pause::Output, output_.size() >= 2 * core_.settings.max_output_bytes);
}

void Connection::on_writable() {
  blocked_ = false;
  core_.start_turn();
  flush();
}

void Connection::pause_reading(Pause why, bool pause) {
  const auto bit = static_cast<std::uint8_t>(why);
  if (((paused_ & bit) != 0) == pause) return;
  if (pause && why == Pause::Output) ++core_.totals.slow_paused;
  const bool was_paused = paused_ != 0;
  paused_ ^= bit;
  if (was_paused != (paused_ != 0)) transport_->pause_reading(paused_ != 0);
}

}  // namespace ferrule::mqtt
