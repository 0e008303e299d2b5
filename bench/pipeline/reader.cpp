#include "bench/pipeline/reader.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <system_error>

namespace ferrule::bench {

namespace {

using namespace std::string_view_literals;

constexpr auto kConnect =
    "\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05"
    "bench"sv;                                                  // clean session, no keep-alive
constexpr auto kSubscribe = "\x82\x06\x00\x01\x00\x01#\x00"sv;  // QoS 0
constexpr unsigned char kPublish = 0x30;
constexpr std::size_t kReadSize = 256 * 1024;

struct Header {
  std::size_t size;       // of the fixed header
  std::size_t remaining;  // bytes after it
};

std::optional<Header> read_header(std::string_view bytes) {
  std::size_t remaining = 0;
  for (std::size_t i = 1; i < bytes.size() && i <= 4; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    remaining |= static_cast<std::size_t>(byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) return Header{i + 1, remaining};
  }
  return {};
}

/// The number after `"ts":`, or nothing.
std::optional<std::int64_t> time_stamp(std::string_view payload) {
  constexpr auto kKey = "\"ts\":"sv;
  const auto at = payload.find(kKey);
  std::int64_t value = 0;
  if (at == payload.npos) return {};
  const auto* begin = payload.data() + at + kKey.size();
  if (std::from_chars(begin, payload.data() + payload.size(), value).ec != std::errc{}) return {};
  return value;
}

std::int64_t now_in_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Reader::Reader(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    throw std::runtime_error(fmt::format("127.0.0.1:{}: {}", port, std::strerror(errno)));
  }
  write(kConnect);
  write(kSubscribe);
}

Reader::~Reader() { close(socket_); }

void Reader::write(std::string_view bytes) const {
  if (send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("the broker does not take a request");
  }
}

void Reader::read_until(std::chrono::steady_clock::time_point end) {
  std::vector<char> bytes(kReadSize);
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return;
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(left)) == 0) return;
    const auto length = recv(socket_, bytes.data(), bytes.size(), 0);
    if (length <= 0) throw std::runtime_error("the broker closed the connection");
    buffer_.append(bytes.data(), static_cast<std::size_t>(length));
    take_packets();
  }
}

void Reader::take_packets() {
  const auto now = now_in_milliseconds();
  std::string_view rest = buffer_;
  while (const auto header = read_header(rest)) {
    if (rest.size() < header->size + header->remaining) break;
    const auto packet = rest.substr(0, header->size + header->remaining);
    rest.remove_prefix(packet.size());
    if ((static_cast<unsigned char>(packet[0]) & 0xf0) != kPublish) continue;
    if (const auto stamp = time_stamp(packet)) ages_.push_back(now - *stamp);
  }
  buffer_.erase(0, buffer_.size() - rest.size());
}

std::int64_t Reader::age_quantile(double share) {
  if (ages_.empty()) return 0;
  const auto at = ages_.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(ages_.size() - 1));
  std::nth_element(ages_.begin(), at, ages_.end());
  return *at;
}

}  // namespace ferrule::bench
