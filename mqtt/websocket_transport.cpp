#include "mqtt/websocket_transport.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kPieces = 64;         // in one write
constexpr std::size_t kFrames = 24;         // likewise
constexpr std::size_t kMostPending = 1024;  // bytes of unsent pongs; more pings are not answered (RFC 6455 5.5.3)

/// Walks through a write's buffers.
struct Cursor {
  std::span<const iovec> buffers;
  std::size_t piece = 0, offset = 0;

  /// Describes at most `most` bytes from here on; returns how many.
  std::uint64_t gather(std::uint64_t most, std::span<iovec> out, std::size_t& used) const {
    std::uint64_t total = 0;
    std::size_t skip = offset;
    for (std::size_t i = piece; i < buffers.size() && used < out.size() && total < most; ++i) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(buffers[i].iov_len - skip, most - total));
      if (n > 0) out[used++] = {static_cast<char*>(buffers[i].iov_base) + skip, n};
      total += n;
      skip = 0;
    }
    return total;
  }

  void advance(std::uint64_t n) {
    while (n > 0) {
      const std::uint64_t here = std::min<std::uint64_t>(n, buffers[piece].iov_len - offset);
      offset += static_cast<std::size_t>(here);
      n -= here;
      if (offset < buffers[piece].iov_len) return;
      ++piece;
      offset = 0;
    }
  }

  /// Of the packet that begins here; 0: there is none.
  std::uint64_t packet_size() const {
    std::array<iovec, 5> head;  // five bytes are in no more pieces than that
    std::size_t used = 0;
    const auto bytes = gather(head.size(), head, used);
    std::uint64_t length = 0, index = 0;
    for (const auto& one : std::span(head).first(used)) {
      for (const char byte : std::string_view(static_cast<const char*>(one.iov_base), one.iov_len)) {
        if (index++ == 0) continue;  // the packet's type
        length |= std::uint64_t{static_cast<unsigned char>(byte) & 0x7FU} << (7 * (index - 2));
        if ((static_cast<unsigned char>(byte) & 0x80U) == 0) return index + length;
      }
    }
    return bytes;
  }
};

/// One write below: the rest of a frame, then frames with a packet each.
struct Batch {
  struct Frame {
    std::string header;  // empty: the frame has begun before
    std::uint64_t size;  // of the payload that was missing
    std::uint64_t here;  // of it, in this write
  };

  Batch(Cursor from, std::string& pending, std::uint64_t frame_left, bool only_one) {
    if (!pending.empty()) pieces[used++] = {pending.data(), pending.size()};
    for (std::uint64_t left = frame_left; count < (only_one ? 1 : kFrames) && used + 2 <= kPieces; left = 0) {
      auto& frame = frames[count];
      frame = {{}, left, 0};
      if (left == 0) {
        frame.size = from.packet_size();
        if (frame.size == 0) return;
        frame.header = websocket_header(Opcode::Binary, frame.size);  // [MQTT-6.0.0-1]
        pieces[used++] = {frame.header.data(), frame.header.size()};
      }
      frame.here = from.gather(frame.size, pieces, used);
      if (frame.here == 0) return;
      ++count;
      if (frame.here < frame.size) return;
      from.advance(frame.here);
    }
  }

  std::array<iovec, kPieces> pieces;
  std::size_t used = 0;
  std::array<Frame, kFrames> frames;
  std::size_t count = 0;
};

}  // namespace

WebSocketTransport::WebSocketTransport(std::unique_ptr<Transport> below, std::shared_ptr<ListenPoint> point)
    : below_(std::move(below)),
      point_(std::move(point)),
      upgrade_(std::make_unique<WebSocketUpgrade>(point_->settings.path, point_->settings.origins)) {}

void WebSocketTransport::start(Sink& sink) {
  sink_ = &sink;
  below_->start(*this);
}

// Reading

void WebSocketTransport::on_data(std::string_view bytes) {
  if (closing_ || (upgrade_ != nullptr && !upgrade(bytes)) || bytes.empty()) return;
  auto& unmasked = point_->unmasked;
  if (unmasked.size() < bytes.size()) unmasked.resize(bytes.size());
  char* out = unmasked.data();
  const auto event = read(bytes, out);
  const auto size = static_cast<std::size_t>(out - unmasked.data());
  if (size > 0) sink_->on_data({unmasked.data(), size});  // packets cut anywhere [MQTT-6.0.0-2]
  finish(event);
}

/// False while there is nothing for the sink.
bool WebSocketTransport::upgrade(std::string_view& bytes) {
  const auto outcome = upgrade_->feed(bytes);
  if (outcome == WebSocketUpgrade::Outcome::Incomplete) return false;
  write_raw(upgrade_->answer());
  if (outcome == WebSocketUpgrade::Outcome::Accepted) {
    upgrade_.reset();
    return true;
  }
  ++point_->counters.refused_upgrades;
  point_->complain(peer(), "refused: " + upgrade_->mistake());
  closing_ = true;
  below_->close();
  return false;
}

/// Up to what ends the connection, or all. Pings are answered on the way.
WebSocketReader::Event WebSocketTransport::read(std::string_view& bytes, char*& out) {
  using Event = WebSocketReader::Event;
  for (;;) {
    const auto event = reader_.next(bytes, out);
    if (event == Event::Ping) send_control(Opcode::Pong, reader_.control());
    if (event != Event::Ping && event != Event::Pong) return event;
  }
}

void WebSocketTransport::finish(WebSocketReader::Event event) {
  if (closing_ || event == WebSocketReader::Event::NeedsMore) return;
  if (event == WebSocketReader::Event::Bad) {
    ++point_->counters.failed_websockets;
    point_->complain(peer(), reader_.mistake());
  }
  end(reader_.code());
}

// Writing

/// Each packet is a frame of its own: clients such as Paho C leave what follows the first packet of a frame until more
/// bytes arrive, though they must not.
std::size_t WebSocketTransport::write(std::span<const iovec> buffers) {
  if (upgrade_ != nullptr || closing_) return 0;
  Cursor cursor{buffers};
  std::size_t taken = 0;
  for (;;) {
    const Batch batch(cursor, pending_, frame_left_, !behind_.empty());
    if (batch.count == 0) return taken;
    std::size_t sent = below_->write(std::span(batch.pieces).first(batch.used));
    const std::size_t before = std::min(sent, pending_.size());
    pending_.erase(0, before);
    if (!pending_.empty()) return taken;
    sent -= before;
    for (const auto& frame : std::span(batch.frames).first(batch.count)) {
      const std::size_t header = std::min(sent, frame.header.size());
      if (!frame.header.empty() && header == 0) return taken;  // it has not begun
      if (!frame.header.empty()) frame_left_ = frame.size;
      pending_ = frame.header.substr(header);
      sent -= header;
      const std::size_t payload = std::min<std::uint64_t>(sent, frame.here);
      sent -= payload;
      frame_left_ -= payload;
      taken += payload;
      cursor.advance(payload);
      if (payload < frame.here) return taken;
    }
    if (frame_left_ == 0 && !behind_.empty()) {
      pending_ = std::exchange(behind_, {});
      if (!send_pending()) return taken;
    }
  }
}

/// False after a short write; then on_writable follows.
bool WebSocketTransport::send_pending() {
  const iovec piece{pending_.data(), pending_.size()};
  const std::size_t before = pending_.size();
  pending_.erase(0, below_->write({&piece, 1}));
  return pending_.empty() || before == 0;
}

void WebSocketTransport::write_raw(std::string_view bytes) {
  pending_ += bytes;
  send_pending();
}

void WebSocketTransport::send_control(Opcode opcode, std::string_view payload) {
  const auto frame = websocket_header(opcode, payload.size()) + std::string(payload);
  if (frame_left_ > 0) {
    behind_ = frame;
  } else if (pending_.size() + frame.size() <= kMostPending) {
    write_raw(frame);
  }
}

void WebSocketTransport::on_writable() {
  if (closing_) return;
  if (frame_left_ == 0 && !pending_.empty() && !send_pending()) return;
  if (upgrade_ == nullptr) sink_->on_writable();
}

// The end

void WebSocketTransport::close() {
  if (closing_) return;
  if (upgrade_ != nullptr) {
    closing_ = true;
    return below_->close();
  }
  end(CloseCode::Normal);
}

void WebSocketTransport::end(CloseCode code) {
  const auto number = static_cast<std::uint16_t>(code);
  const std::array<char, 2> payload{static_cast<char>(number >> 8U), static_cast<char>(number & 0xFFU)};
  if (frame_left_ == 0) send_control(Opcode::Close, {payload.data(), payload.size()});
  closing_ = true;
  below_->close();
}

void WebSocketTransport::on_closed(std::string_view cause) {
  closing_ = true;
  if (Sink* sink = std::exchange(sink_, nullptr)) sink->on_closed(cause);
}

}  // namespace ferrule::mqtt
