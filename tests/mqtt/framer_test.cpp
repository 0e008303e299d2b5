// Cutting the stream: at every split point, with every bound, and without holding memory.
#include "mqtt/framer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "wire_text.hpp"

namespace ferrule::mqtt {
namespace {

using testing::hex;
using testing::wire;

/// Feeds one piece, as it would lie in a read buffer that is overwritten afterwards, and returns the packets' texts.
std::vector<std::string> feed(Framer& framer, std::string_view piece) {
  std::string buffer(piece);
  framer.feed(buffer);
  std::vector<std::string> packets;
  for (;;) {
    const auto frame = framer.next();
    if (!frame) {
      packets.push_back(frame.error().statement);
      break;
    }
    if (!*frame) break;
    packets.push_back(hex(std::string(1, static_cast<char>((*frame)->first)) + std::string((*frame)->body)));
  }
  std::fill(buffer.begin(), buffer.end(), '!');
  return packets;
}

std::string stream_of_packets() {
  return wire("c0 00") + wire("30 [ ('a/b') 'hi' ]") + wire("30 [ ('t') '" + std::string(200, 'x') + "' ]") +
         wire("e0 00");
}

std::vector<std::string> packets_of_stream() {
  return {"C0", hex(wire("30 ('a/b') 'hi'")), hex(wire("30 ('t') '" + std::string(200, 'x') + "'")), "E0"};
}

void append(std::vector<std::string>& all, std::vector<std::string> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

TEST(Framer, FindsTheSamePacketsAtEveryTwoSplitPoints) {
  const std::string stream = stream_of_packets();
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      Framer framer(1024);
      std::vector<std::string> packets = feed(framer, std::string_view(stream).substr(0, first));
      append(packets, feed(framer, std::string_view(stream).substr(first, second - first)));
      append(packets, feed(framer, std::string_view(stream).substr(second)));
      ASSERT_EQ(packets, packets_of_stream()) << first << " " << second;
      ASSERT_EQ(framer.kept(), 0u);
    }
  }
}

TEST(Framer, FindsTheSamePacketsByteByByte) {
  Framer framer(1024);
  std::vector<std::string> packets;
  for (const char c : stream_of_packets()) append(packets, feed(framer, std::string_view(&c, 1)));
  EXPECT_EQ(packets, packets_of_stream());
  EXPECT_EQ(framer.kept(), 0u);
}

TEST(Framer, DoesNotCopyAPacketThatLiesWholeInTheReadBuffer) {
  const std::string bytes = wire("30 [ ('a') 'hi' ] c0 00");
  Framer framer(1024);
  framer.feed(bytes);
  const auto publish = framer.next();
  ASSERT_TRUE(publish && *publish);
  EXPECT_EQ((*publish)->body.data(), bytes.data() + 2);
  const auto ping = framer.next();
  ASSERT_TRUE(ping && *ping);
  EXPECT_EQ((*ping)->type(), PacketType::Pingreq);
  EXPECT_FALSE(*framer.next());
}

TEST(Framer, HoldsMemoryOnlyWhileAPacketIsHalfReceived) {
  const std::string bytes = wire("30 [ ('a') '" + std::string(500, 'x') + "' ]");
  Framer framer(1024);
  EXPECT_EQ(framer.kept(), 0u);
  EXPECT_TRUE(feed(framer, std::string_view(bytes).substr(0, 300)).empty());
  EXPECT_GE(framer.kept(), 300u);
  EXPECT_EQ(feed(framer, std::string_view(bytes).substr(300)).size(), 1u);
  EXPECT_EQ(framer.kept(), 0u);
}

TEST(Framer, RefusesALargePacketBeforeItKeepsAnyOfIt) {
  Framer framer(1024);
  EXPECT_EQ(feed(framer, wire("30 fe07 'x'")), std::vector<std::string>{"MQTT-3.2.2-15"});  // 1022 + 3 bytes
  EXPECT_EQ(framer.kept(), 0u);
  Framer allowed(1024);
  EXPECT_TRUE(feed(allowed, wire("30 fd07 'x'")).empty());
}

TEST(Framer, GivesAnAnnouncedPacketRoomAsItComes) {
  Framer framer(kMaxRemainingLength);
  EXPECT_TRUE(feed(framer, wire("30 ffffff7e 'x'")).empty());  // 266 MB announced
  EXPECT_LE(framer.kept(), 128u * 1024);
}

TEST(Framer, AppliesANewLimitToThePacketsBehind) {
  const std::string large = wire("30 [ ('a') '" + std::string(500, 'x') + "' ]");
  const std::string bytes = wire("10 02 0000") + large;
  Framer framer(64);
  framer.feed(bytes);
  EXPECT_TRUE(*framer.next());
  framer.limit(1024);
  EXPECT_TRUE(*framer.next());
  Framer strict(64);
  EXPECT_EQ(feed(strict, bytes), (std::vector<std::string>{"10 00 00", "MQTT-3.2.2-15"}));
}

TEST(Framer, RefusesLengthsThatAreNoVariableByteIntegers) {
  for (std::size_t split = 0; split <= 5; ++split) {
    for (const auto& [bytes, statement] :
         {std::pair("30 ffffffff 01", "MQTT5 1.5.5"), std::pair("30 8000 00", "MQTT-1.5.5-1"),
          std::pair("30 ffff8000 00", "MQTT-1.5.5-1"), std::pair("0f 00 00", "MQTT5 2.1.2")}) {
      const std::string all = wire(bytes);
      Framer framer(kMaxRemainingLength);
      std::vector<std::string> answers = feed(framer, std::string_view(all).substr(0, split));
      append(answers, feed(framer, std::string_view(all).substr(std::min(split, all.size()))));
      ASSERT_FALSE(answers.empty());
      EXPECT_EQ(answers.back(), statement) << split;
    }
  }
}

TEST(Framer, SaysTheSameAfterARefusal) {
  Framer framer(1024);
  EXPECT_EQ(feed(framer, wire("00 00")), std::vector<std::string>{"MQTT5 2.1.2"});
  EXPECT_EQ(feed(framer, wire("c0 00")), std::vector<std::string>{"MQTT5 2.1.2"});
}

TEST(Framer, KeepsWhatACallerLeavesForLater) {
  const std::string stream = stream_of_packets();
  for (std::size_t split = 0; split <= stream.size(); ++split) {
    Framer framer(1024);
    std::vector<std::string> packets;
    {
      std::string buffer = stream.substr(0, split);
      framer.feed(buffer);
      if (const auto frame = framer.next(); frame && *frame) packets.push_back("C0");
      framer.keep();
      std::fill(buffer.begin(), buffer.end(), '!');
    }
    {
      std::string buffer = stream.substr(split);
      framer.feed(buffer);
      framer.keep();  // once more without having read
      std::fill(buffer.begin(), buffer.end(), '!');
    }
    append(packets, feed(framer, {}));
    ASSERT_EQ(packets, packets_of_stream()) << split;
    ASSERT_EQ(framer.kept(), 0u);
  }
}

TEST(Framer, FindsRandomPacketsInRandomPieces) {
  std::mt19937 random(42);
  for (int round = 0; round < 200; ++round) {
    std::string stream;
    std::vector<std::string> expected;
    for (auto n = random() % 20; n > 0; --n) {
      const std::string body(random() % 8 == 0 ? random() % 20000 : random() % 200, static_cast<char>(random()));
      const std::size_t begin = stream.size();
      stream.push_back(static_cast<char>(0x30));
      std::size_t length = body.size();
      for (; length >= 0x80; length >>= 7) stream.push_back(static_cast<char>(length | 0x80));
      stream.push_back(static_cast<char>(length));
      stream += body;
      ASSERT_GT(stream.size(), begin);
      expected.push_back(hex("\x30" + body));
    }
    Framer framer(100'000);
    std::vector<std::string> packets;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t n = 1 + random() % 3000;
      append(packets, feed(framer, std::string_view(stream).substr(at, n)));
      at += n;
    }
    ASSERT_EQ(packets, expected);
  }
}

}  // namespace
}  // namespace ferrule::mqtt
