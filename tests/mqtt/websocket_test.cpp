// MQTT over WebSocket: frames and upgrade byte by byte, then a listener on a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mqtt/websocket_frames.hpp"
#include "mqtt/websocket_transport.hpp"
#include "mqtt/websocket_upgrade.hpp"
#include "tls_client.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Event = WebSocketReader::Event;

/// A client's frame with the mask 01 02 03 04.
std::string frame(unsigned first, std::string_view payload) {
  std::string bytes(1, static_cast<char>(first));
  const auto put = [&](unsigned count) {
    for (unsigned i = count; i-- > 0;) bytes += static_cast<char>(payload.size() >> (8 * i) & 0xFF);
  };
  if (payload.size() < 126) {
    bytes += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    bytes += static_cast<char>(0x80 | 126);
    put(2);
  } else {
    bytes += static_cast<char>(0x80 | 127);
    put(8);
  }
  bytes += "\x01\x02\x03\x04";
  for (std::size_t i = 0; i < payload.size(); ++i)
    bytes += static_cast<char>(payload[i] ^ static_cast<char>(1 + i % 4));
  return bytes;
}

struct Read {
  Event event;
  std::string data;
  std::string control;
  CloseCode code;
};

/// What a reader makes of `bytes`, given in pieces of `piece`, up to the first event but NeedsMore.
Read read(std::string_view bytes, std::size_t piece) {
  WebSocketReader reader;
  Read result{Event::NeedsMore, {}, {}, CloseCode::Normal};
  while (!bytes.empty() && result.event == Event::NeedsMore) {
    auto part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    std::string out(part.size(), '\0');
    char* end = out.data();
    result.event = reader.next(part, end);
    result.data.append(out.data(), static_cast<std::size_t>(end - out.data()));
  }
  result.control = reader.control();
  result.code = reader.code();
  return result;
}

TEST(WebSocketReader, ReadsPayloadsOfEveryLengthHoweverTheyAreCut) {
  for (const std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 100'000}) {
    std::string payload(size, 'x');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i);
    const auto bytes = frame(0x82, payload) + frame(0x82, "end");
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{5000}, bytes.size()}) {
      const auto got = read(bytes, piece);
      EXPECT_EQ(got.event, Event::NeedsMore);
      EXPECT_TRUE(got.data == payload + "end") << size << " in pieces of " << piece;
    }
  }
}

TEST(WebSocketReader, JoinsFragmentsAndLetsControlFramesBetweenThem) {
  const auto bytes = frame(0x02, "ab") + frame(0x00, "cd") + frame(0x89, "ping");
  const auto got = read(bytes, 3);
  EXPECT_EQ(got.event, Event::Ping);
  EXPECT_EQ(got.data, "abcd");
  EXPECT_EQ(got.control, "ping");
  EXPECT_EQ(read(frame(0x02, "ab") + frame(0x80, "cd") + frame(0x82, "ef"), 100).data, "abcdef");
}

struct Wrong {
  const char* name;
  std::string bytes;
  CloseCode code;
};

class WrongFrames : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongFrames, AreRefusedWithTheirCode) {  // [MQTT-6.0.0-1] [MQTT-6.0.0-1 (3.1.1)]
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
    const auto got = read(GetParam().bytes, piece);
    EXPECT_EQ(got.event, Event::Bad);
    EXPECT_EQ(got.code, GetParam().code);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongFrames,
    ::testing::Values(Wrong{"Text", frame(0x81, "MQTT"), CloseCode::UnsupportedData},
                      Wrong{"Reserved", frame(0xC2, "x"), CloseCode::ProtocolError},
                      Wrong{"UnknownData", frame(0x83, "x"), CloseCode::ProtocolError},
                      Wrong{"UnknownControl", frame(0x8B, "x"), CloseCode::ProtocolError},
                      Wrong{"Unmasked", std::string("\x82\x01x", 3), CloseCode::ProtocolError},
                      Wrong{"ContinuationOfNothing", frame(0x80, "x"), CloseCode::ProtocolError},
                      Wrong{"NewMessageInsideAnother", frame(0x02, "x") + frame(0x82, "y"), CloseCode::ProtocolError},
                      Wrong{"LongControl", frame(0x89, std::string(126, 'x')), CloseCode::ProtocolError},
                      Wrong{"ControlInFragments", frame(0x09, "x"), CloseCode::ProtocolError},
                      Wrong{"HalfACloseCode", frame(0x88, "x"), CloseCode::ProtocolError},
                      Wrong{"ReservedCloseCode", frame(0x88, "\x03\xED"), CloseCode::ProtocolError},
                      Wrong{"Huge", std::string("\x82\xFF\x80\0\0\0\0\0\0\0\1\2\3\4", 14), CloseCode::ProtocolError}),
    [](const auto& wrong) { return wrong.param.name; });

TEST(WebSocketReader, TakesCloseFramesWithAndWithoutCode) {
  EXPECT_EQ(read(frame(0x88, ""), 10).code, CloseCode::Normal);
  const auto got = read(frame(0x82, "x") + frame(0x88, "\x0F\xA0gone"), 100);
  EXPECT_EQ(got.event, Event::Close);
  EXPECT_EQ(static_cast<int>(got.code), 4000);
  EXPECT_EQ(got.data, "x");
}

TEST(WebSocketHeader, HasTheShortestLength) {
  EXPECT_EQ(hex(websocket_header(Opcode::Binary, 125)), hex(std::string("\x82\x7D", 2)));
  EXPECT_EQ(hex(websocket_header(Opcode::Binary, 126)), hex(std::string("\x82\x7E\x00\x7E", 4)));
  EXPECT_EQ(hex(websocket_header(Opcode::Pong, 65536)), hex(std::string("\x8A\x7F\0\0\0\0\0\1\0\0", 10)));
}

// The upgrade

const char* const kRequest =
    "GET /mqtt HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n";

std::string answer_to(const std::string& request, const std::string& path = "",
                      const std::vector<std::string>& origins = {}) {
  std::string whole;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100'000}}) {
    WebSocketUpgrade upgrade(path, origins);
    std::string_view bytes = request;
    while (!bytes.empty()) {
      auto part = bytes.substr(0, piece);
      bytes.remove_prefix(part.size());
      if (upgrade.feed(part) != WebSocketUpgrade::Outcome::Incomplete) break;
    }
    if (piece == 1) whole = upgrade.answer();
    EXPECT_EQ(upgrade.answer(), whole) << "depends on how the request was cut";
  }
  return whole;
}

/// kRequest with one of its lines replaced, or with another one.
std::string with_line(const std::string& name, const std::string& value) {
  std::string request = kRequest;
  const auto at = request.find(name + ":");
  if (at != std::string::npos) request.erase(at, request.find("\r\n", at) + 2 - at);
  if (!value.empty()) request += name + ": " + value + "\r\n";
  return request + "\r\n";
}

TEST(WebSocketUpgrade, AnswersTheRequestOfTheSpecification) {
  EXPECT_EQ(answer_to(std::string(kRequest) + "\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST(WebSocketUpgrade, LeavesTheBytesBehindTheRequest) {
  const std::string any_path;
  const std::vector<std::string> any_origin;
  WebSocketUpgrade upgrade(any_path, any_origin);
  const auto request = std::string(kRequest) + "\r\nframes";
  std::string_view bytes = request;
  EXPECT_EQ(upgrade.feed(bytes), WebSocketUpgrade::Outcome::Accepted);
  EXPECT_EQ(bytes, "frames");
}

TEST(WebSocketUpgrade,
     SelectsMqttAmongSubprotocolsAndRefusesOthers) {  // [MQTT-6.0.0-3] [MQTT-6.0.0-4] [MQTT-6.0.0-4 (3.1.1)]
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Protocol", "chat, mqttv3.1 ,mqtt")),
              HasSubstr("Sec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Protocol", "mqttv3.1")),
              HasSubstr("Sec-WebSocket-Protocol: mqttv3.1\r\n"));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Protocol", "chat")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Protocol", "")), StartsWith("HTTP/1.1 400 "));
}

TEST(WebSocketUpgrade, RefusesWhatIsNoWebSocketWithAWordThatHelps) {
  EXPECT_THAT(answer_to("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: gw\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(answer_to("POST /mqtt HTTP/1.1\r\n\r\n"), HasSubstr("405 Method Not Allowed\r\nAllow: GET\r\n"));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Version", "8")), HasSubstr("Sec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Key", "short")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to(with_line("Sec-WebSocket-Key", "")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to(with_line("Upgrade", "h2c")), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(answer_to(with_line("Connection", "close")), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(answer_to(with_line(" folded", "x")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to(with_line("X", std::string("a\0b", 3))), StartsWith("HTTP/1.1 400 "));
}

TEST(WebSocketUpgrade, ServesItsPathOnly) {
  const auto request = std::string(kRequest) + "\r\n";
  EXPECT_THAT(answer_to(request, "/mqtt"), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer_to(request, "/other"), StartsWith("HTTP/1.1 404 "));
  auto with_query = request;
  with_query.replace(4, 5, "/mqtt?token=1");
  EXPECT_THAT(answer_to(with_query, "/mqtt"), StartsWith("HTTP/1.1 101 "));
}

TEST(WebSocketUpgrade, KeepsPagesOfOtherOriginsAway) {
  const std::vector<std::string> origins{"https://hmi.plant"};
  EXPECT_THAT(answer_to(with_line("Origin", "https://HMI.plant"), "", origins), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer_to(with_line("Origin", "https://hmi.plant.evil"), "", origins), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(answer_to(with_line("Origin", "null"), "", origins), StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(answer_to(with_line("Origin", ""), "", origins), StartsWith("HTTP/1.1 101 ")) << "no browser";
}

TEST(WebSocketUpgrade, BoundsTheRequest) {
  EXPECT_THAT(answer_to(with_line("X", std::string(7500, 'x'))), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer_to(with_line("X", std::string(8200, 'x'))), StartsWith("HTTP/1.1 431 "));
}

// A listener

ListenSettings websocket() {
  auto settings = on("127.0.0.1");
  settings.protocol = Protocol::WebSocket;
  return settings;
}

const std::string kUpgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

void upgrade(SocketClient& client) {
  client.send_bytes(std::string(kRequest) + "\r\n");
  ASSERT_EQ(client.receive(kUpgraded.size()), kUpgraded);
}

void expect_frame(SocketClient& client, std::string_view packets) {
  const auto payload = wire(packets);
  const auto expected = websocket_header(Opcode::Binary, payload.size()) + payload;
  EXPECT_EQ(hex(client.receive(expected.size())), hex(expected));
}

TEST(WebSocket, CarriesPacketsThatFramesCutAnywhere) {
  // [MQTT-6.0.0-1] [MQTT-6.0.0-2] [MQTT-6.0.0-1 (3.1.1)] [MQTT-6.0.0-2 (3.1.1)]
  LiveBroker broker(websocket());
  SocketClient client(broker.port());
  upgrade(client);
  for (const auto& [packet, answer] : {std::pair{kConnect, "20 02 00 00"}, {"C0 00", "D0 00"}}) {
    for (const char byte : wire(packet)) client.send_bytes(frame(0x82, {&byte, 1}));
    expect_frame(client, answer);
  }
  client.send_bytes(frame(0x82, wire("82 [ 0001 ('t') 01 ] 32 [ ('t') 0001 'x' ]")));
  for (const auto* packet : {"90 [ 0001 01 ]", "32 [ ('t') 0001 'x' ]", "40 [ 0001 ]"}) expect_frame(client, packet);
}

TEST(WebSocket, TakesTheFirstFrameTogetherWithTheRequest) {
  LiveBroker broker(websocket());
  SocketClient client(broker.port());
  client.send_bytes(std::string(kRequest) + "\r\n" + frame(0x82, wire(kConnect)));
  ASSERT_EQ(client.receive(kUpgraded.size()), kUpgraded);
  expect_frame(client, "20 02 00 00");
}

TEST(WebSocket, CarriesMuchToAClientThatReadsSlowlyAndAnswersItsPings) {
  LiveBroker broker(websocket());
  SocketClient client(broker.port(), 4096);
  upgrade(client);
  client.send_bytes(frame(0x82, wire("10 [ ('MQTT') 04 02 0000 ('a') ] 82 [ 0001 ('t') 00 ]")));
  for (const auto* packet : {"20 02 00 00", "90 [ 0001 00 ]"}) expect_frame(client, packet);
  std::string sent;
  for (int i = 0; i < 30; ++i) {
    const auto packet = wire("30 [ ('t') '" + std::string(100'000, static_cast<char>('a' + i % 26)) + "' ]");
    client.send_bytes(frame(0x82, packet));
    if (i % 10 == 5) client.send_bytes(frame(0x89, "are you there"));
    sent += packet;
  }
  std::string data;
  int pongs = 0;
  while (data.size() < sent.size()) {
    const auto head = client.receive(2);
    ASSERT_EQ(head.size(), 2U);
    std::size_t size = static_cast<unsigned char>(head[1]);
    const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (extra > 0) size = 0;
    for (const char byte : client.receive(extra)) size = size << 8 | static_cast<unsigned char>(byte);
    const auto payload = client.receive(size);
    if (static_cast<unsigned char>(head[0]) == 0x8A) {
      EXPECT_EQ(payload, "are you there");
      ++pongs;
    } else {
      data += payload;
    }
  }
  EXPECT_TRUE(data == sent);
  EXPECT_GE(pongs, 1);
}

TEST(WebSocket, AnswersACloseFrameWithItsCodeAndCloses) {
  LiveBroker broker(websocket());
  SocketClient client(broker.port());
  upgrade(client);
  client.send_bytes(frame(0x88, "\x03\xE9"));
  EXPECT_EQ(hex(client.receive_all()), hex(std::string("\x88\x02\x03\xE9", 4)));
}

TEST(WebSocket, ClosesWithACodeWhenTheBrokerEndsTheConnection) {
  LiveBroker broker(websocket());
  SocketClient client(broker.port());
  upgrade(client);
  client.send_bytes(frame(0x82, wire("C0 00")));  // no CONNECT
  EXPECT_EQ(hex(client.receive_all()), hex(std::string("\x88\x02\x03\xE8", 4)));
}

TEST(WebSocket, CountsRefusedRequestsAndWrongFrames) {
  LiveBroker broker(websocket());
  {
    SocketClient client(broker.port());
    client.send_bytes("GET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(client.receive_all(), StartsWith("HTTP/1.1 426 "));
  }
  {
    SocketClient client(broker.port());
    upgrade(client);
    client.send_bytes(frame(0x81, "text"));
    EXPECT_EQ(hex(client.receive_all()), hex(std::string("\x88\x02\x03\xEB", 4)));
  }
  EXPECT_EQ(broker.counters().refused_upgrades, 1U);
  EXPECT_EQ(broker.counters().failed_websockets, 1U);
}

TEST(WebSocket, ARequestThatNeverEndsIsCutOffByTheTimeForConnect) {
  BrokerSettings settings;
  settings.connect_timeout = std::chrono::milliseconds(100);
  LiveBroker broker(websocket(), settings);
  SocketClient client(broker.port());
  client.send_bytes("GET /mqtt HTTP/1.1\r\n");
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(broker.ask([](Broker& one) { return one.counters().connect_timeouts; }), 1U);
}

TEST(WebSocket, WorksOverTls) {
  auto settings = websocket();
  settings.tls = tls_of("server", ClientCertificate::Required);
  LiveBroker broker(settings);
  TlsClient client(broker.port(), {.certificate = "client"});
  upgrade(client);
  client.send_bytes(frame(0x82, wire(kConnect)));
  expect_frame(client, "20 02 00 00");
  EXPECT_EQ(broker.last_identity().certificate.value_or(PeerCertificate{}).identity, "hmi");
}

}  // namespace
}  // namespace ferrule::mqtt::testing
