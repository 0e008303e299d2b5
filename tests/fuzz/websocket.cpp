// Hostile bytes to a WebSocket listener: the upgrade and the frames behind it. However the stream is cut, the sink gets
// the same bytes, and what goes back ends the same way. The first byte of the input says how it is cut.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mqtt/websocket_transport.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

struct Seen {
  std::string data, sent;
  bool closed = false;
};

class Below final : public Transport {
 public:
  explicit Below(Seen& seen) : seen_(seen) {}
  void start(Sink& sink) override { sink_ = &sink; }
  std::size_t write(std::span<const iovec> buffers) override {
    require(!seen_.closed, "nothing is written after close");
    std::size_t size = 0;
    for (const iovec& buffer : buffers) {
      seen_.sent.append(static_cast<const char*>(buffer.iov_base), buffer.iov_len);
      size += buffer.iov_len;
    }
    return size;
  }
  void pause_reading(bool /*pause*/) override {}
  void close() override { seen_.closed = true; }
  std::string peer() const override { return "192.0.2.1:50000"; }
  PeerIdentity identity() const override { return {}; }
  Sink& sink() { return *sink_; }

 private:
  Seen& seen_;
  Sink* sink_ = nullptr;
};

class Above final : public Sink {
 public:
  explicit Above(Seen& seen) : seen_(seen) {}
  void on_data(std::string_view bytes) override { seen_.data += bytes; }
  void on_writable() override {}
  void on_closed(std::string_view /*cause*/) override {}

 private:
  Seen& seen_;
};

Seen run(std::string_view stream, std::size_t piece) {
  static const auto point = [] {
    ListenSettings settings;
    settings.protocol = Protocol::WebSocket;
    settings.path = "/mqtt";
    settings.origins = {"https://hmi.plant"};
    return std::make_shared<ListenPoint>(settings, 0);
  }();
  Seen seen;
  Above above(seen);
  auto below = std::make_unique<Below>(seen);
  Below& lower = *below;
  WebSocketTransport transport(std::move(below), point);
  transport.start(above);
  while (!stream.empty() && !seen.closed) {
    const std::string part(stream.substr(0, piece));  // a buffer of its own, gone afterwards
    stream.remove_prefix(part.size());
    lower.sink().on_data(part);
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  const Seen whole = run(stream, SIZE_MAX), cut = run(stream, 1 + data[0] % 32U);
  require(whole.data == cut.data, "the data does not depend on how the stream is cut");
  require(whole.sent == cut.sent, "the answers do not depend on how the stream is cut");
  require(whole.closed == cut.closed, "the end does not depend on how the stream is cut");
  require(whole.data.size() <= stream.size(), "no more comes out than went in");
  return 0;
}
