#include "mqtt/websocket_frames.hpp"

#include <algorithm>

namespace ferrule::mqtt {

namespace {

constexpr std::uint8_t kFin = 0x80, kReserved = 0x70, kMask = 0x80;
constexpr std::size_t kMostControl = 125;  // bytes of a control frame's payload

bool is_control(Opcode opcode) { return (static_cast<unsigned>(opcode) & 8U) != 0; }

bool is_known(Opcode opcode) { return opcode <= Opcode::Binary || (opcode >= Opcode::Close && opcode <= Opcode::Pong); }

/// Codes that a peer may send (RFC 6455 7.4.2).
bool may_be_sent(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

WebSocketReader::Event WebSocketReader::next(std::string_view& bytes, char*& out) {
  if (mistake_ != nullptr) return Event::Bad;
  for (;;) {
    if (!in_payload_) {
      if (!take_header(bytes)) return mistake_ != nullptr ? Event::Bad : Event::NeedsMore;
    }
    take_payload(bytes, out);
    if (left_ > 0) return Event::NeedsMore;
    in_payload_ = false;
    have_ = 0;
    need_ = 2;
    if (is_control(opcode_)) return finish_control();
  }
}

/// True when it is complete, and right.
bool WebSocketReader::take_header(std::string_view& bytes) {
  while (have_ < need_) {
    if (bytes.empty()) return false;
    header_[have_++] = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (have_ == 2 && !check_header()) return false;
  }
  const std::size_t length_bytes = need_ - 2U - mask_size_;
  left_ = header_[1] & 0x7FU;
  if (length_bytes > 0) left_ = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) left_ = left_ << 8U | header_[2 + i];
  if ((left_ >> 63U) != 0) return refuse(CloseCode::ProtocolError, "WebSocket frame of more than 2^63 bytes");
  mask_at_ = 0;
  in_payload_ = true;
  if (is_control(opcode_)) control_.clear();
  return true;
}

/// The first two bytes.
bool WebSocketReader::check_header() {
  const bool fin = (header_[0] & kFin) != 0;
  const unsigned length = header_[1] & 0x7FU;
  opcode_ = static_cast<Opcode>(header_[0] & 0xFU);
  if ((header_[0] & kReserved) != 0) return refuse(CloseCode::ProtocolError, "WebSocket frame with a reserved bit");
  if (!is_known(opcode_)) return refuse(CloseCode::ProtocolError, "WebSocket frame with an unknown opcode");
  if (((header_[1] & kMask) != 0) != (mask_size_ != 0)) {
    return refuse(CloseCode::ProtocolError, mask_size_ != 0 ? "WebSocket frame of a client without mask"
                                                            : "WebSocket frame of a server with a mask");
  }
  if (opcode_ == Opcode::Text) {  // [MQTT-6.0.0-1]
    return refuse(CloseCode::UnsupportedData, "WebSocket text frame; MQTT goes in binary ones [MQTT-6.0.0-1]");
  }
  if (is_control(opcode_)) {
    if (!fin || length > kMostControl) return refuse(CloseCode::ProtocolError, "WebSocket control frame too large");
  } else {
    if ((opcode_ == Opcode::Continuation) != in_message_) {
      return refuse(CloseCode::ProtocolError, "WebSocket continuation out of place");
    }
    in_message_ = !fin;
  }
  need_ = static_cast<std::uint8_t>(2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + mask_size_);
  return true;
}

void WebSocketReader::take_payload(std::string_view& bytes, char*& out) {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  std::array<std::uint8_t, 4> mask{};
  std::copy_n(header_.data() + need_ - mask_size_, mask_size_, mask.begin());
  char unmasked[kMostControl];
  char* to = is_control(opcode_) ? unmasked : out;
  for (std::size_t i = 0; i < n; ++i)
    to[i] = static_cast<char>(static_cast<std::uint8_t>(bytes[i]) ^ mask[(mask_at_ + i) & 3U]);
  if (is_control(opcode_)) {
    control_.append(unmasked, n);
  } else {
    out += n;
  }
  mask_at_ = static_cast<std::uint8_t>((mask_at_ + n) & 3U);
  left_ -= n;
  bytes.remove_prefix(n);
}

WebSocketReader::Event WebSocketReader::finish_control() {
  if (opcode_ == Opcode::Ping) return Event::Ping;
  if (opcode_ == Opcode::Pong) return Event::Pong;
  if (control_.empty()) return Event::Close;
  if (control_.size() == 1) return bad(CloseCode::ProtocolError, "WebSocket close frame with half a code");
  const unsigned code = static_cast<std::uint8_t>(control_[0]) * 256U + static_cast<std::uint8_t>(control_[1]);
  if (!may_be_sent(code)) return bad(CloseCode::ProtocolError, "WebSocket close frame with a wrong code");
  code_ = static_cast<CloseCode>(code);
  return Event::Close;
}

WebSocketReader::Event WebSocketReader::bad(CloseCode code, const char* mistake) {
  refuse(code, mistake);
  return Event::Bad;
}

bool WebSocketReader::refuse(CloseCode code, const char* mistake) {
  code_ = code;
  mistake_ = mistake;
  return false;
}

std::string websocket_header(Opcode opcode, std::uint64_t payload_size) {
  std::string header(1, static_cast<char>(kFin | static_cast<std::uint8_t>(opcode)));
  const auto put = [&](unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) header += static_cast<char>(payload_size >> (8U * i) & 0xFFU);
  };
  if (payload_size < 126) {
    put(1);
  } else if (payload_size < 65536) {
    header += static_cast<char>(126);
    put(2);
  } else {
    header += static_cast<char>(127);
    put(8);
  }
  return header;
}

}  // namespace ferrule::mqtt
