// What stands between us and a cloud: proxies and WebSocket, byte by byte, with a scripted peer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <deque>

#include "bridge/stream.hpp"
#include "mqtt/websocket_upgrade.hpp"

namespace ferrule::bridge {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What the peer does, and what it got. Lives on when the stream is wrapped and gone.
struct Peer {
  std::string got;
  std::deque<std::string> answers;  ///< one for each write that ends a request; what is left is there at once
  std::string incoming;
  std::size_t step = 1'000'000;  ///< bytes that pass at once in each direction
  std::size_t room = 1'000'000;  ///< bytes that it takes until more is made
  bool closed = false;           ///< once `incoming` is read
};

class ScriptedStream final : public Stream {
 public:
  explicit ScriptedStream(Peer& peer) : peer_(peer) {}
  int descriptor() const override { return 7; }
  short waits_for() const override { return 0; }
  Streamed<std::size_t> read(std::span<char> buffer) override {
    if (peer_.incoming.empty() && !peer_.answers.empty()) {
      peer_.incoming = peer_.answers.front();
      peer_.answers.pop_front();
    }
    if (peer_.incoming.empty() && peer_.closed) return tl::unexpected(StreamEnd{"closed", true});
    const auto size = std::min({buffer.size(), peer_.incoming.size(), peer_.step});
    peer_.incoming.copy(buffer.data(), size);
    peer_.incoming.erase(0, size);
    return size;
  }
  Streamed<std::size_t> write(std::span<const iovec> pieces) override {
    if (pieces.empty()) return 0;
    const auto size = std::min({pieces[0].iov_len, peer_.step, peer_.room});
    peer_.got.append(static_cast<const char*>(pieces[0].iov_base), size);
    peer_.room -= size;
    return size;
  }

 private:
  Peer& peer_;
};

class WayTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override { peer_.step = GetParam(); }
  std::string tunnel(const std::string& proxy, const std::string& user = "", const std::string& password = "") {
    ScriptedStream stream(peer_);
    const auto opened = open_tunnel(stream, {*parse_proxy_url(proxy), user, password}, target_, wait_);
    return opened ? "open" : opened.error().cause;
  }

  Peer peer_;
  /// Nothing ever comes without a read of ours, so a peer that has nothing more to say is one too slow.
  const Wait wait_ = [this](int, short events) {
    return events == POLLOUT || !peer_.incoming.empty() || !peer_.answers.empty();
  };
  Endpoint target_ = *parse_url("mqtts://cloud.example:8883");
};

TEST_P(WayTest, AsksAnHttpProxyForTheCloudByName) {
  peer_.answers = {"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"};
  EXPECT_EQ(tunnel("http://proxy"), "open");
  EXPECT_EQ(peer_.got, "CONNECT cloud.example:8883 HTTP/1.1\r\nHost: cloud.example:8883\r\n\r\n");
}

TEST_P(WayTest, TakesNoByteBehindTheProxysAnswer) {
  peer_.answers = {"HTTP/1.0 200 OK\r\n\r\nrest"};
  EXPECT_EQ(tunnel("http://proxy"), "open");
  EXPECT_EQ(peer_.incoming, "rest");
}

TEST_P(WayTest, LogsInAtAnHttpProxy) {
  peer_.answers = {"HTTP/1.1 200 OK\r\n\r\n"};
  EXPECT_EQ(tunnel("http://proxy", "Aladdin", "open sesame"), "open");
  EXPECT_THAT(peer_.got, HasSubstr("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));  // RFC 7617
}

TEST_P(WayTest, SaysWhyAnHttpProxyRefuses) {
  peer_.answers = {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"};
  EXPECT_EQ(tunnel("http://proxy"), "proxy: it wants a user name and a password");
  peer_.answers = {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"};
  EXPECT_EQ(tunnel("http://proxy", "a", "b"), "proxy: it does not take our user name and password");
  peer_.answers = {"HTTP/1.1 502 Bad \x1b[31m Gateway\r\n\r\n"};
  EXPECT_EQ(tunnel("http://proxy"), "proxy: it answers \"HTTP/1.1 502 Bad ?[31m Gateway\"");
  peer_.answers = {"\x05\x00\r\n\r\n"s};
  EXPECT_EQ(tunnel("http://proxy"), "proxy: the answer is not HTTP");
  peer_.answers = {"HTTP/1.1 200 OK\r\n" + std::string(20'000, 'x')};
  EXPECT_EQ(tunnel("http://proxy"), "proxy: the answer to the HTTP request has no end");
  peer_.incoming.clear();
  EXPECT_EQ(tunnel("http://proxy"), "proxy: no answer in time");
  peer_.closed = true;
  EXPECT_EQ(tunnel("http://proxy"), "proxy: closed");
}

TEST_P(WayTest, AsksASocksProxyForTheCloudByName) {
  peer_.answers = {"\x05\x00"s, "\x05\x00\x00\x01\x0a\x00\x00\x01\x04\x38rest"s};
  EXPECT_EQ(tunnel("socks5://proxy"), "open");
  EXPECT_EQ(peer_.got, "\x05\x01\x00\x05\x01\x00\x03\x0d"s + "cloud.example" + "\x22\xb3"s);
  EXPECT_EQ(peer_.incoming, "rest");
}

TEST_P(WayTest, AsksASocksProxyForAnAddressAsAnAddress) {
  target_ = *parse_url("mqtt://192.0.2.1");
  peer_.answers = {"\x05\x00"s, "\x05\x00\x00\x03\x04host\x04\x38rest"s};
  EXPECT_EQ(tunnel("socks5://proxy"), "open");
  EXPECT_EQ(peer_.got, "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x07\x5b"s);
  EXPECT_EQ(peer_.incoming, "rest");
  target_ = *parse_url("mqtt://[2001:db8::1]");
  peer_.got.clear(), peer_.incoming.clear();
  peer_.answers = {"\x05\x00"s, "\x05\x00\x00\x04"s + std::string(18, 'x') + "rest"};
  EXPECT_EQ(tunnel("socks5://proxy"), "open");
  EXPECT_EQ(peer_.got.substr(3), "\x05\x01\x00\x04\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x07\x5b");
  EXPECT_EQ(peer_.incoming, "rest");
}

TEST_P(WayTest, LogsInAtASocksProxyThatWantsIt) {
  peer_.answers = {"\x05\x02"s, "\x01\x00"s, "\x05\x00\x00\x01\x0a\x00\x00\x01\x04\x38"s};
  EXPECT_EQ(tunnel("socks5://proxy", "me", "secret"), "open");
  EXPECT_THAT(peer_.got, StartsWith("\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01"s));
}

TEST_P(WayTest, SaysWhyASocksProxyRefuses) {
  peer_.answers = {"\x05\x02"s, "\x01\x01"s};
  EXPECT_EQ(tunnel("socks5://proxy", "me", "wrong"), "proxy: it does not take our user name and password");
  peer_.answers = {"\x05\xff"s};
  EXPECT_EQ(tunnel("socks5://proxy"), "proxy: it wants a user name and a password");
  peer_.answers = {"\x05\xff"s};
  EXPECT_EQ(tunnel("socks5://proxy", "a", "b"), "proxy: it takes no user name and password");
  peer_.answers = {"\x05\x00"s, "\x05\x05\x00\x01"s};
  EXPECT_EQ(tunnel("socks5://proxy"), "proxy: connection refused");
  peer_.answers = {"\x05\x00"s, "\x05\x77\x00\x01"s};
  EXPECT_EQ(tunnel("socks5://proxy"), "proxy: unknown error 119");
  peer_.answers = {"HT"};
  EXPECT_EQ(tunnel("socks5://proxy"), "proxy: it does not speak SOCKS 5");
}

/// A server that upgrades whoever asks.
class WebSocketTest : public WayTest {
 protected:
  Streamed<std::unique_ptr<Stream>> upgrade(const std::string& more = "Sec-WebSocket-Protocol: mqtt\r\n",
                                            const std::string& status = "101 Switching Protocols") {
    const Wait answering = [this, more, status](int, short) {
      const auto at = peer_.got.find("Sec-WebSocket-Key: ");
      if (at == std::string::npos || !peer_.got.ends_with("\r\n\r\n")) return true;
      if (std::exchange(answered_, true)) return false;
      peer_.incoming += "HTTP/1.1 " + status +
                        "\r\nconnection: upgrade\r\nupgrade: WebSocket\r\nSEC-websocket-accept:\t" +
                        mqtt::websocket_accept(peer_.got.substr(at + 19, 24)) + " \r\n" + more + "\r\n" + first_frames_;
      return true;
    };
    auto stream =
        open_websocket(std::make_unique<ScriptedStream>(peer_), *parse_url("ws://cloud:8080/broker?a=b"), answering);
    request_ = std::exchange(peer_.got, {});
    return stream;
  }
  std::string refusal(const std::string& more, const std::string& status = "101 Switching Protocols") {
    const auto stream = upgrade(more, status);
    return stream ? "open" : stream.error().cause;
  }
  /// The payloads of the frames that the peer got, unmasked.
  std::vector<std::string> payloads() const {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < peer_.got.size();) {
      const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(peer_.got.at(at + i)); };
      EXPECT_NE(byte(1) & 0x80U, 0U) << "without a mask";
      std::size_t size = byte(1) & 0x7FU, head = 2;
      if (size == 126) size = byte(2) * 256U + byte(3), head = 4;
      std::string payload(1, static_cast<char>(byte(0)));
      for (std::size_t i = 0; i < size; ++i) payload += static_cast<char>(byte(head + 4 + i) ^ byte(head + i % 4));
      found.push_back(payload);
      at += head + 4 + size;
    }
    return found;
  }

  bool answered_ = false;
  std::string request_, first_frames_;
};

/// What comes until the peer has nothing more to say.
std::string drain(Stream& stream, const Peer& peer, std::string* cause = nullptr) {
  std::string all;
  char buffer[16];
  for (bool more = true; more;) {
    more = !peer.incoming.empty();
    const auto size = stream.read(buffer);
    if (!size) {
      if (cause != nullptr) *cause = size.error().cause;
      break;
    }
    all.append(buffer, *size);
  }
  return all;
}

TEST_P(WebSocketTest, AsksForTheSubprotocolMqttAtThePathOfTheUrl) {
  first_frames_ = "\x82\x03one"s;
  const auto stream = upgrade();
  ASSERT_TRUE(stream) << stream.error().cause;
  EXPECT_THAT(request_, StartsWith("GET /broker?a=b HTTP/1.1\r\nHost: cloud:8080\r\nUpgrade: websocket\r\n"));
  EXPECT_THAT(request_, HasSubstr("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_EQ(drain(**stream, peer_), "one");
}

TEST_P(WebSocketTest, ReadsAcrossFramesAndAnswersPings) {
  const auto stream = upgrade();
  ASSERT_TRUE(stream);
  peer_.incoming = "\x02\x03one\x89\x02hi\x80\x03two\x82\x7e\x00\x80"s + std::string(128, 'x');
  EXPECT_EQ(drain(**stream, peer_), "onetwo" + std::string(128, 'x'));
  EXPECT_THAT(payloads(), ElementsAre("\x8ahi"));
}

TEST_P(WebSocketTest, WritesMaskedBinaryFrames) {
  const auto stream = upgrade();
  ASSERT_TRUE(stream);
  const std::string first = "hello ", second(200, 'y');
  const iovec pieces[] = {{const_cast<char*>(first.data()), first.size()},
                          {const_cast<char*>(second.data()), second.size()}};
  const auto size = (*stream)->write(pieces);
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, first.size() + second.size());
  while ((*stream)->waits_for() != 0) ASSERT_TRUE((*stream)->write({}));
  EXPECT_THAT(payloads(), ElementsAre("\x82" + first + second));
}

TEST_P(WebSocketTest, HoldsWhatThePeerDoesNotTakeAndTakesNoMoreThanThat) {
  const auto stream = upgrade();
  ASSERT_TRUE(stream);
  peer_.room = 10;
  std::string big(60'000, 'z');
  const iovec piece{big.data(), big.size()};
  std::size_t taken = 0;
  for (int i = 0; i < 5; ++i) taken += (*stream)->write({&piece, 1}).value_or(0);
  EXPECT_LE(taken, 66'000U);
  EXPECT_NE((*stream)->waits_for(), 0);
  peer_.room = 10'000'000;
  while ((*stream)->waits_for() != 0) ASSERT_TRUE((*stream)->write({}));
  std::string all;
  for (const auto& payload : payloads()) all += payload.substr(1);
  EXPECT_EQ(all, std::string(taken, 'z'));
}

TEST_P(WebSocketTest, EndsWithTheServersCloseFrameOrItsMistake) {
  const auto stream = upgrade();
  ASSERT_TRUE(stream);
  peer_.incoming = "\x82\x03one\x88\x02\x03\xe9"s;
  std::string cause;
  EXPECT_THAT(drain(**stream, peer_, &cause), ::testing::AnyOf("one", ""));
  EXPECT_EQ(cause, "the cloud closed the WebSocket (1001)");

  answered_ = false;
  const auto other = upgrade();
  ASSERT_TRUE(other);
  peer_.incoming = "\x82\x83\x01\x02\x03\x04zzz"s;
  drain(**other, peer_, &cause);
  EXPECT_EQ(cause, "the cloud broke the protocol: WebSocket frame of a server with a mask");
}

TEST_P(WebSocketTest, SaysWhyThereIsNone) {
  EXPECT_EQ(refusal("", "404 Not Found"), "no WebSocket at /broker?a=b: \"HTTP/1.1 404 Not Found\"");
  answered_ = false;
  EXPECT_EQ(refusal(""), "the WebSocket does not speak mqtt there");
  peer_.closed = true;
  EXPECT_THAT(refusal(""), HasSubstr("is this a port for WebSocket?"));
}

INSTANTIATE_TEST_SUITE_P(InPieces, WayTest, ::testing::Values(1, 3, 1'000'000));
INSTANTIATE_TEST_SUITE_P(InPieces, WebSocketTest, ::testing::Values(1, 3, 1'000'000));

}  // namespace
}  // namespace ferrule::bridge
