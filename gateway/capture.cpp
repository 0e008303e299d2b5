#include "gateway/capture.hpp"

#include <algorithm>
#include <utility>

namespace ferrule::gateway {

namespace {

using drivers::WireEvent;

// Global header: magic, major, minor, zone, accuracy, longest packet, link type. All in the writer's byte order: little
// endian here.
constexpr std::uint32_t kMagic = 0xA1B2C3D4;  // times in microseconds
constexpr std::uint32_t kLongest = 65535;
constexpr std::uint32_t kRawIp = 101;  // LINKTYPE_RAW
constexpr std::uint32_t kSocketCan = 227;

constexpr std::size_t kIpHead = 20;
constexpr std::size_t kTcpHead = 20;
constexpr std::size_t kMostData = 32 * 1024;  // bytes of a packet
constexpr std::uint16_t kFirstOwnPort = 49152;
constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kPush = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint32_t kGateway = 0xC0000201;  // 192.0.2.1
constexpr std::uint32_t kDevice = 0xC0000202;

void put_little(std::string& text, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
}

void put_big(std::string& text, std::uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i)));
}

/// RFC 1071
std::uint16_t checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum > 0xFFFF) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put_checksum(std::string& text, std::size_t at, std::uint16_t sum) {
  text[at] = static_cast<char>(sum >> 8);
  text[at + 1] = static_cast<char>(sum);
}

std::string head_of(std::uint32_t link_type) {
  std::string text;
  put_little(text, kMagic, 4);
  put_little(text, 2, 2);
  put_little(text, 4, 2);
  put_little(text, 0, 4);
  put_little(text, 0, 4);
  put_little(text, kLongest, 4);
  put_little(text, link_type, 4);
  return text;
}

std::string packet_head(std::chrono::system_clock::time_point at, std::size_t size) {
  const auto time = std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
  std::string text;
  put_little(text, static_cast<std::uint32_t>(time / 1'000'000), 4);
  put_little(text, static_cast<std::uint32_t>(time % 1'000'000), 4);
  put_little(text, static_cast<std::uint32_t>(size), 4);
  put_little(text, static_cast<std::uint32_t>(size), 4);
  return text;
}

}  // namespace

std::string Capture::head() { return head_of(kRawIp); }

std::string Capture::can_head() { return head_of(kSocketCan); }

std::string Capture::can_packet(const WireEvent& event) {
  const bool frame = event.kind == WireEvent::Kind::Sent || event.kind == WireEvent::Kind::Received;
  return frame ? packet_head(event.at, event.data.size()) + event.data : std::string();
}

std::string Capture::packets(const WireEvent& event) {
  std::string text;
  switch (event.kind) {
    case WireEvent::Kind::Opened:
      return handshake(event.at);
    case WireEvent::Kind::Closed:
      if (std::exchange(connected_, false)) text = packet(event.at, From::Device, kFin | kAck, {});
      return text;
    case WireEvent::Kind::Failed:
      return text;
    case WireEvent::Kind::Sent:
    case WireEvent::Kind::Received:
      break;
  }
  if (!connected_) text = handshake(event.at);  // it was open before anybody watched
  const auto from = event.kind == WireEvent::Kind::Sent ? From::Gateway : From::Device;
  for (std::string_view rest = event.data; !rest.empty(); rest.remove_prefix(std::min(rest.size(), kMostData))) {
    text += packet(event.at, from, kPush | kAck, rest.substr(0, kMostData));
  }
  return text;
}

std::string Capture::handshake(std::chrono::system_clock::time_point at) {
  own_port_ = own_port_ == 0xFFFF ? kFirstOwnPort : static_cast<std::uint16_t>(own_port_ + 1);
  sides_ = {};
  connected_ = true;
  auto text = packet(at, From::Gateway, kSyn, {});
  text += packet(at, From::Device, kSyn | kAck, {});
  return text + packet(at, From::Gateway, kAck, {});
}

std::string Capture::packet(std::chrono::system_clock::time_point at, From from, std::uint8_t flags,
                            std::string_view data) {
  const bool ours = from == From::Gateway;
  auto& side = sides_[ours ? 0 : 1];
  const auto& other = sides_[ours ? 1 : 0];
  const auto source = ours ? kGateway : kDevice;
  const auto destination = ours ? kDevice : kGateway;

  // RFC 791 3.1: version and length, service, total length; id, fragment; time to live, protocol, checksum; addresses
  std::string ip;
  put_big(ip, 0x4500, 2);
  put_big(ip, static_cast<std::uint32_t>(kIpHead + kTcpHead + data.size()), 2);
  put_big(ip, 0, 4);
  put_big(ip, 0x4006, 2);
  put_big(ip, 0, 2);
  put_big(ip, source, 4);
  put_big(ip, destination, 4);
  put_checksum(ip, 10, checksum(ip));

  // RFC 9293 3.1: ports; sequence; acknowledgement; length and flags, window; checksum, urgent pointer
  std::string tcp;
  put_big(tcp, ours ? own_port_ : port_, 2);
  put_big(tcp, ours ? port_ : own_port_, 2);
  put_big(tcp, (flags & kSyn) != 0 ? side.next - 1 : side.next, 4);
  put_big(tcp, (flags & kAck) != 0 ? other.next : 0, 4);
  put_big(tcp, 0x5000U | flags, 2);
  put_big(tcp, 0xFFFF, 2);
  put_big(tcp, 0, 4);
  tcp += data;
  std::string pseudo = ip.substr(12);
  put_big(pseudo, 6, 2);
  put_big(pseudo, static_cast<std::uint32_t>(tcp.size()), 2);
  put_checksum(tcp, 16, checksum(pseudo + tcp));
  side.next += static_cast<std::uint32_t>(data.size());

  return packet_head(at, ip.size() + tcp.size()) + ip + tcp;
}

}  // namespace ferrule::gateway
