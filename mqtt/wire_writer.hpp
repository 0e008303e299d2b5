// Counts and writes the data types of MQTT 5 section 1.5: one description of a packet serves both its size and its
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

/// Has the calls of WireWriter and only adds up sizes.
class WireCounter {
 public:
  std::size_t size() const { return size_; }
  void u8(std::size_t) { ++size_; }
  void u16(std::size_t) { size_ += 2; }
  void u32(std::uint32_t) { size_ += 4; }
  void varint(std::size_t value) { size_ += varint_size(static_cast<std::uint32_t>(value)); }
  void bytes(std::string_view bytes) { size_ += bytes.size(); }
  void counted(std::string_view bytes) { size_ += 2 + bytes.size(); }

 private:
  std::size_t size_ = 0;
};

/// Writes where the caller has made room. Values fit their types; `counted` bytes are at most 65,535.
class WireWriter {
 public:
  explicit WireWriter(char* at) : at_(at) {}
  char* at() const { return at_; }
  void u8(std::size_t value) { *at_++ = static_cast<char>(value); }
  void u16(std::size_t value) {
    u8(value >> 8);
    u8(value & 0xFF);
  }
  void u32(std::uint32_t value) {
    u16(value >> 16);
    u16(value & 0xFFFF);
  }
  void varint(std::size_t value) {
    for (; value >= 0x80; value >>= 7) u8((value & 0x7F) | 0x80);
    u8(value);
  }
  void bytes(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void counted(std::string_view text) {
    u16(text.size());
    bytes(text);
  }

 private:
  char* at_;
};

}  // namespace ferrule::mqtt
