#include "mqtt/websocket_transport.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kPieces = 64;         // of payload in one write
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

std::size_t WebSocketTransport::write(std::span<const iovec> buffers) {
  if (upgrade_ != nullptr || closing_) return 0;
  Cursor cursor{buffers};
  std::size_t taken = 0;
  for (;;) {
    std::array<iovec, kPieces + 1> pieces;
    std::size_t used = 1;
    const auto most = frame_left_ > 0 ? frame_left_ : UINT64_MAX;
    const auto payload = cursor.gather(most, pieces, used);
    if (payload == 0) return taken;
    if (frame_left_ == 0) {
      pending_ += websocket_header(Opcode::Binary, payload);  // [MQTT-6.0.0-1]
      frame_left_ = payload;
    }
    pieces[0] = {pending_.data(), pending_.size()};
    const std::size_t before = pending_.size();
    const std::size_t sent = below_->write(std::span(pieces).first(used));
    pending_.erase(0, std::min(sent, before));
    if (sent <= before) return taken;
    frame_left_ -= sent - before;
    taken += sent - before;
    cursor.advance(sent - before);
    if (sent - before < payload) return taken;
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
