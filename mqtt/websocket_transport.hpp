// MQTT over WebSocket: a Transport on top of another one, which brings the bytes of HTTP and WebSocket frames.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mqtt/listen_point.hpp"
#include "mqtt/transport.hpp"
#include "mqtt/websocket_frames.hpp"
#include "mqtt/websocket_upgrade.hpp"

namespace ferrule::mqtt {

/// The sink hears nothing before the upgrade is through. Each write becomes one binary frame; frames of the client may
/// cut packets wherever they like. Holds no buffer once it is upgraded. Broker thread.
class WebSocketTransport final : public Transport, private Sink {
 public:
  WebSocketTransport(std::unique_ptr<Transport> below, std::shared_ptr<ListenPoint> point);

  void start(Sink& sink) override;
  std::size_t write(std::span<const iovec> buffers) override;
  void pause_reading(bool pause) override { below_->pause_reading(pause); }
  void close() override;  ///< with a close frame, unless it would stand inside of another
  std::string peer() const override { return below_->peer(); }
  PeerIdentity identity() const override { return below_->identity(); }

 private:
  void on_data(std::string_view bytes) override;
  void on_writable() override;
  void on_closed(std::string_view cause) override;
  bool upgrade(std::string_view& bytes);
  WebSocketReader::Event read(std::string_view& bytes, char*& out);
  void finish(WebSocketReader::Event event);
  void send_control(Opcode opcode, std::string_view payload);
  bool send_pending();
  void write_raw(std::string_view bytes);
  void end(CloseCode code);

  // Constant after construction.
  const std::unique_ptr<Transport> below_;
  const std::shared_ptr<ListenPoint> point_;
  // Thread: broker.
  Sink* sink_ = nullptr;
  std::unique_ptr<WebSocketUpgrade> upgrade_;  // null: done
  WebSocketReader reader_;
  std::uint64_t frame_left_ = 0;  // payload bytes that the frame begun last still needs
  std::string pending_;  // to be sent before the next byte of payload: the rest of a header or of control frames
  std::string behind_;   // a control frame to be sent behind the frame begun last
  bool closing_ = false;
};

}  // namespace ferrule::mqtt
