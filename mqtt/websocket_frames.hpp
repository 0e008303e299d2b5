// WebSocket frames as either side reads and writes them (RFC 6455 section 5). Does no I/O.
//   FIN RSV RSV RSV opcode(4) | MASK length(7) | length (0, 2 or 8 bytes) | mask (4, from clients only) | payload
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferrule::mqtt {

enum class Opcode : std::uint8_t { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 };

/// Why a WebSocket ends (RFC 6455 7.4.1).
enum class CloseCode : std::uint16_t { Normal = 1000, ProtocolError = 1002, UnsupportedData = 1003 };

/// Cuts the peer's bytes into payloads. Streams: keeps a frame's header and a control frame's payload, never data.
class WebSocketReader {
 public:
  enum class Event : std::uint8_t {
    NeedsMore,  ///< all bytes are used up
    Ping,       ///< `control` is its payload
    Pong,
    Close,  ///< `code` is what to answer
    Bad,    ///< `code` and `mistake` say why; nothing can follow
  };

  /// A client's frames are masked, a server's are not (RFC 6455 5.1).
  explicit WebSocketReader(bool masked = true) : mask_size_(masked ? 4 : 0) {}

  /// Takes bytes from the front, and writes the data payloads among them, unmasked, to `out`, which has room for
  /// bytes.size(), may be where they are, and moves on. Returns at each control frame.
  Event next(std::string_view& bytes, char*& out);

  const std::string& control() const { return control_; }
  CloseCode code() const { return code_; }
  const char* mistake() const { return mistake_; }

 private:
  bool take_header(std::string_view& bytes);
  bool check_header();
  void take_payload(std::string_view& bytes, char*& out);
  Event finish_control();
  Event bad(CloseCode code, const char* mistake);
  bool refuse(CloseCode code, const char* mistake);

  const std::uint8_t mask_size_;
  std::array<std::uint8_t, 14> header_{};
  std::uint8_t have_ = 0, need_ = 2;  // bytes of the header
  std::uint8_t mask_at_ = 0;          // of the next byte
  bool in_payload_ = false;
  bool in_message_ = false;  // continuations follow
  Opcode opcode_ = Opcode::Binary;
  CloseCode code_ = CloseCode::Normal;
  std::uint64_t left_ = 0;  // bytes of the payload
  std::string control_;
  const char* mistake_ = nullptr;
};

/// A whole frame of ours up to its payload: FIN set, no mask.
std::string websocket_header(Opcode opcode, std::uint64_t payload_size);

}  // namespace ferrule::mqtt
