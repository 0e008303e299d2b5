// What goes over a bus's wire as a capture file that Wireshark opens.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "drivers/wire_trace.hpp"

namespace ferrule::gateway {

/// Makes the bytes of a capture (libpcap's format 2.4, raw IP). Whatever the wire is, its dialogue is shown as one of
/// TCP, from 192.0.2.1, the gateway, to 192.0.2.2 (addresses of nobody, RFC 5737): so Wireshark knows who asks and who
/// answers, and puts frames together. TLS is shown as what it protects, a datagram as a part of the stream. Each
/// opening is a connection.
class Capture {
 public:
  static constexpr std::uint16_t kModbusPort = 502;  ///< what has TCP's frames
  static constexpr std::uint16_t kLinePort = 20502;  ///< what has a serial line's

  explicit Capture(std::uint16_t port) : port_(port) {}

  static std::string head();      ///< the file's beginning
  static std::string can_head();  ///< of a file with CAN frames (LINKTYPE_CAN_SOCKETCAN)
  /// A CAN frame as it was noted; nothing for other events.
  static std::string can_packet(const drivers::WireEvent& event);
  /// The packets of what happened, perhaps none.
  std::string packets(const drivers::WireEvent& event);

 private:
  struct Side {
    std::uint32_t next = 1;  // sequence number
  };
  enum class From : std::uint8_t { Gateway, Device };

  std::string packet(std::chrono::system_clock::time_point at, From from, std::uint8_t flags, std::string_view data);
  std::string handshake(std::chrono::system_clock::time_point at);

  const std::uint16_t port_;
  std::uint16_t own_port_ = 49151;  // of the connection; each has another
  bool connected_ = false;
  std::array<Side, 2> sides_{};  // by From
};

}  // namespace ferrule::gateway
