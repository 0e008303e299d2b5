// A stream in WebSocket frames (decision 14: above any other stream).
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "bridge/stream.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/websocket_frames.hpp"
#include "mqtt/websocket_upgrade.hpp"

namespace ferrule::bridge {

namespace {

using mqtt::Opcode;

constexpr std::size_t kKeySize = 16;
constexpr std::size_t kMostWaiting = 65'536;  // bytes that wait for the stream below; then nothing more is taken
constexpr unsigned char kMask = 0x80;

tl::unexpected<StreamEnd> fail(std::string cause) { return tl::unexpected(StreamEnd{std::move(cause)}); }

class WebSocketStream final : public Stream {
 public:
  explicit WebSocketStream(std::unique_ptr<Stream> below) : below_(std::move(below)) {}

  int descriptor() const override { return below_->descriptor(); }
  short waits_for() const override {
    return waiting_.empty() ? below_->waits_for() : static_cast<short>(below_->waits_for() | POLLOUT);
  }

  Streamed<std::size_t> read(std::span<char> buffer) override {
    std::size_t total = 0;
    while (total < buffer.size()) {
      const auto room = buffer.subspan(total);
      const auto size = below_->read(room);
      if (!size && total == 0) return size;
      if (!size || *size == 0) break;  // an end is told once more
      char* out = room.data();
      if (const auto taken = take({room.data(), *size}, out); !taken) return tl::unexpected(taken.error());
      total += static_cast<std::size_t>(out - room.data());
      if (*size < room.size()) break;
    }
    return total;
  }

  Streamed<std::size_t> write(std::span<const iovec> pieces) override {
    if (const auto flushed = flush(); !flushed) return tl::unexpected(flushed.error());
    std::string payload;
    for (const auto& piece : pieces) {
      if (waiting_.size() + payload.size() >= kMostWaiting) break;
      const auto size = std::min(piece.iov_len, kMostWaiting - waiting_.size() - payload.size());
      payload.append(static_cast<const char*>(piece.iov_base), size);
      if (size < piece.iov_len) break;
    }
    if (payload.empty()) return 0;
    append_frame(Opcode::Binary, payload);  // [MQTT-6.0.0-1]
    if (const auto flushed = flush(); !flushed) return tl::unexpected(flushed.error());
    return payload.size();
  }

 private:
  /// Moves the payloads in `bytes` to `out`, and answers what has to be answered.
  Streamed<void> take(std::string_view bytes, char*& out) {
    using Event = mqtt::WebSocketReader::Event;
    for (;;) {
      switch (reader_.next(bytes, out)) {
        case Event::NeedsMore:
          return flush();
        case Event::Ping:
          if (waiting_.size() < kMostWaiting) append_frame(Opcode::Pong, reader_.control());
          break;
        case Event::Pong:
          break;
        case Event::Close:
          return tl::unexpected(StreamEnd{
              fmt::format("the cloud closed the WebSocket ({})", static_cast<unsigned>(reader_.code())), true});
        case Event::Bad:
          return fail(fmt::format("the cloud broke the protocol: {}", reader_.mistake()));
      }
    }
  }

  /// Masked, as a client's have to be (RFC 6455 5.3).
  void append_frame(Opcode opcode, std::string_view payload) {
    auto header = mqtt::websocket_header(opcode, payload.size());
    header[1] = static_cast<char>(static_cast<unsigned char>(header[1]) | kMask);
    const auto mask = mqtt::random_bytes(4);
    waiting_ += header + mask;
    for (std::size_t i = 0; i < payload.size(); ++i) waiting_ += static_cast<char>(payload[i] ^ mask[i & 3U]);
  }

  Streamed<void> flush() {
    while (!waiting_.empty()) {
      const iovec piece{waiting_.data(), waiting_.size()};
      const auto size = below_->write({&piece, 1});
      if (!size) return tl::unexpected(size.error());
      if (*size == 0) break;
      waiting_.erase(0, *size);
    }
    return {};
  }

  const std::unique_ptr<Stream> below_;
  mqtt::WebSocketReader reader_{false};
  std::string waiting_;  // whole frames, or what is left of them
};

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

}  // namespace

Streamed<std::unique_ptr<Stream>> open_websocket(std::unique_ptr<Stream> stream, const Endpoint& server,
                                                 const Wait& wait) {
  const auto key = mqtt::to_base64(mqtt::random_bytes(kKeySize));
  const auto request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
      server.path, server.text(), key);
  if (const auto written = write_all(*stream, request, wait); !written) return tl::unexpected(written.error());
  const auto head = read_http_head(*stream, wait);
  if (!head) {
    return head.error().unsaid ? fail("closed without an answer to the HTTP request: is this a port for WebSocket?")
                               : fail("WebSocket: " + head.error().cause);
  }
  if (head->status != 101) return fail(fmt::format("no WebSocket at {}: \"{}\"", server.path, head->status_line));
  if (!same_letters(head->field("Upgrade"), "websocket") ||
      head->field("Sec-WebSocket-Accept") != mqtt::websocket_accept(key)) {  // RFC 6455 4.1
    return fail("the answer to the HTTP request is not a WebSocket's");
  }
  if (head->field("Sec-WebSocket-Protocol") != "mqtt") {
    return fail("the WebSocket does not speak mqtt there");  // [MQTT-6.0.0-4]
  }
  return std::make_unique<WebSocketStream>(std::move(stream));
}

}  // namespace ferrule::bridge
