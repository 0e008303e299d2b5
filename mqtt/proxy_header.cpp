#include "mqtt/proxy_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace ferrule::mqtt {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kFixed = 16;
constexpr auto kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr auto kVersion1 = "PROXY "sv;
constexpr unsigned kLocal = 0, kProxy = 1;              // commands
constexpr unsigned kUnspec = 0, kInet = 1, kInet6 = 2;  // families
constexpr unsigned kStream = 1;                         // transport

bool begins_alike(std::string_view a, std::string_view b) {
  const auto n = std::min(a.size(), b.size());
  return a.substr(0, n) == b.substr(0, n);
}

unsigned byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8U | byte_at(bytes, at + 1));
}

template <std::size_t N>
std::array<std::uint8_t, N> array_at(std::string_view bytes, std::size_t at) {
  std::array<std::uint8_t, N> array{};
  std::memcpy(array.data(), bytes.data() + at, N);
  return array;
}

}  // namespace

tl::expected<void, std::string> ProxyHeader::feed(std::string_view bytes) {
  assert(bytes.size() <= wanted());
  bytes_ += bytes;
  if (auto start = check_start(); !start) return start;
  if (wanted() > 0) return {};
  if (wanted_ == kFixed) {
    wanted_ += number_at(bytes_, 14);
    if (wanted_ > kMost) return tl::unexpected(fmt::format("a PROXY header of {} bytes", wanted_));
    if (wanted() > 0) return {};
  }
  auto read = read_addresses();
  bytes_ = {};
  wanted_ = 0;
  return read;
}

/// As soon as it can be told, so that a client that is no proxy is not waited for.
tl::expected<void, std::string> ProxyHeader::check_start() const {
  if (begins_alike(bytes_, kSignature)) {
    if (bytes_.size() > 12 && byte_at(bytes_, 12) >> 4U != 2) {
      return tl::unexpected(fmt::format("PROXY protocol version {} instead of 2", byte_at(bytes_, 12) >> 4U));
    }
    return {};
  }
  if (begins_alike(bytes_, kVersion1)) {
    if (bytes_.size() < kVersion1.size()) return {};
    return tl::unexpected(std::string("PROXY protocol version 1 instead of 2; set the proxy to version 2 (send-proxy-v2)"));
  }
  return tl::unexpected(std::string("no PROXY header before the first byte"));
}

tl::expected<void, std::string> ProxyHeader::read_addresses() {
  const unsigned command = byte_at(bytes_, 12) & 0xFU;
  if (command == kLocal) return {};
  if (command != kProxy) return tl::unexpected(fmt::format("PROXY command {}", command));
  const unsigned family = byte_at(bytes_, 13) >> 4U, transport = byte_at(bytes_, 13) & 0xFU;
  if (family == kUnspec) return {};
  if (transport != kStream) return tl::unexpected(fmt::format("PROXY transport {} instead of a stream", transport));
  if (family != kInet && family != kInet6) return {};  // a Unix socket of the proxy's machine
  const std::size_t size = family == kInet ? 4 : 16;   // source, destination, source port, destination port
  if (bytes_.size() < kFixed + 2 * size + 4) return tl::unexpected(std::string("a PROXY header too short for its addresses"));
  const std::uint16_t port = number_at(bytes_, kFixed + 2 * size);
  source_ = family == kInet ? Address::v4(array_at<4>(bytes_, kFixed), port)
                            : Address::v6(array_at<16>(bytes_, kFixed), port);
  return {};
}

}  // namespace ferrule::mqtt
