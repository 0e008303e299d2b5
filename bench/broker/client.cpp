#include "bench/broker/client.hpp"

#include <array>
#include <cstring>
#include <stdexcept>

namespace ferrule::bench {

namespace {

using namespace std::string_view_literals;

// The first byte of the packets [MQTT 5 section 2.1.2].
constexpr unsigned char kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kPuback = 0x40, kPubrec = 0x50,
                        kPubrel = 0x62, kPubcomp = 0x70, kSubscribe = 0x82, kSuback = 0x90;

// Properties of an MQTT 5 publication: Content Type, Message Expiry Interval and one User Property.
constexpr auto kProperties =
    "\x03\x00\x10"
    "application/json\x02\x00\x00\x0e\x10\x26\x00\x04unit\x00\x01V"sv;

std::string number(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }

std::string text(std::string_view value) { return number(value.size()) + std::string(value); }

std::string packet(unsigned char first, std::string_view body) {
  std::string bytes(1, static_cast<char>(first));
  for (auto left = body.size();; left >>= 7) {
    bytes += static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    if (left <= 0x7f) break;
  }
  return bytes.append(body);
}

unsigned char byte(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

}  // namespace

Client::Client(std::uint16_t port, const std::string& client_id, Level level, Way way)
    : level_(level), stream_(port, way) {
  std::string body = text("MQTT");
  body += static_cast<char>(level);
  body += "\x02\x00\x00"sv;  // clean session, no keep-alive
  if (level == Level::V5) body += '\0';
  stream_.write(packet(kConnect, body + text(client_id)));
  wait_for(connected_);
}

void Client::subscribe(const std::vector<std::string>& filters, int qos) {
  std::string body = number(1);
  if (level_ == Level::V5) body += '\0';
  for (const auto& filter : filters) body += text(filter) + static_cast<char>(qos);
  subscribed_ = false;
  stream_.write(packet(kSubscribe, body));
  wait_for(subscribed_);
}

void Client::publish(std::string_view topic, std::uint32_t publisher, int qos, int count, bool retain) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const Mark mark{publisher, ++published};
    std::array<char, kPayloadSize> payload{};
    std::memcpy(payload.data(), &mark, sizeof mark);
    std::string body = text(topic);
    if (qos > 0) {
      if (++last_id_ == 0) ++last_id_;
      body += number(last_id_);
    }
    if (level_ == Level::V5) body.append(1, static_cast<char>(kProperties.size())).append(kProperties);
    body.append(payload.data(), payload.size());
    bytes += packet(static_cast<unsigned char>(kPublish | qos << 1 | (retain ? 1 : 0)), body);
  }
  stream_.write(bytes);
}

void Client::wait_for(bool& flag) {
  while (!flag) {
    stream_.wait();
    read();
  }
}

void Client::read() {
  const std::string_view arrived = stream_.read();
  if (arrived.empty()) return;
  std::string_view rest = arrived;
  if (!input_.empty()) rest = input_.append(arrived);
  while (rest.size() >= 2) {
    std::size_t remaining = 0;
    std::size_t header = 1;
    bool whole = false;
    for (; header < rest.size() && header <= 4 && !whole; ++header) {
      remaining |= static_cast<std::size_t>(byte(rest, header) & 0x7f) << (7 * (header - 1));
      whole = byte(rest, header) < 0x80;
    }
    if (!whole || rest.size() < header + remaining) break;
    take(rest.substr(0, header + remaining), header);
    rest.remove_prefix(header + remaining);
  }
  input_ = std::string(rest);
  if (!answers_.empty()) stream_.write(answers_);
  answers_.clear();
}

void Client::take(std::string_view packet, std::size_t header) {
  const auto answer = [&](unsigned char first) {
    answers_ += static_cast<char>(first);
    answers_ += '\x02';
    answers_ += packet.substr(header, 2);
  };
  switch (byte(packet, 0) & 0xf0) {
    case kConnack:
      connected_ = true;
      break;
    case kSuback:
      subscribed_ = true;
      break;
    case kPuback:
    case kPubcomp:
      ++acknowledged;
      break;
    case kPubrec:
      answer(kPubrel);
      break;
    case kPubrel & 0xf0:
      answer(kPubcomp);
      break;
    case kPublish:
      take_publish(packet, header);
      break;
    default:
      throw std::runtime_error("the server sends what no client asked for");
  }
}

void Client::take_publish(std::string_view packet, std::size_t header) {
  const int qos = byte(packet, 0) >> 1 & 3;
  std::size_t at = header + 2 + (static_cast<std::size_t>(byte(packet, header)) << 8 | byte(packet, header + 1));
  if (qos > 0) {
    answers_ += static_cast<char>(qos == 1 ? kPuback : kPubrec);
    answers_ += '\x02';
    answers_ += packet.substr(at, 2);
    at += 2;
  }
  if (level_ == Level::V5) at += 1U + byte(packet, at);
  Mark mark;
  if (packet.size() < at + sizeof mark) throw std::runtime_error("the server sends a payload that nobody published");
  std::memcpy(&mark, packet.data() + at, sizeof mark);
  if (mark.publisher >= received_of.size()) received_of.resize(mark.publisher + 1);
  auto& last = received_of[mark.publisher];
  if (mark.number != last + 1) ++disordered;
  last = mark.number;
  ++received;
}

}  // namespace ferrule::bench
