// The codec against its table of wire cases, round trips of random packets, and hostile bytes.
#include "mqtt/codec.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>

#include "mqtt/framer.hpp"
#include "wire_cases.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt {
namespace {

using testing::describe;
using testing::hex;
using testing::RefusalCase;
using testing::wire;
using testing::WireCase;

/// The first packet in `bytes`, which outlive the result.
Decoded<Packet> decode_bytes(std::string_view bytes, Version version, Sender sender,
                             std::size_t max_packet = testing::kTableMaxPacket) {
  Framer framer(max_packet);
  framer.feed(bytes);
  const auto frame = framer.next();
  if (!frame) return tl::unexpected(frame.error());
  if (!*frame) return tl::unexpected(Refusal{Reason::Success, "incomplete", ""});
  return decode(**frame, version, sender);
}

std::string encoded(const Packet& packet, Version version) {
  BlockPool pool;
  OutputBuffer out(pool);
  encode(packet, version, out);
  EXPECT_EQ(out.size(), encoded_size(packet, version));
  return out.text();
}

class Wire : public ::testing::TestWithParam<WireCase> {};

TEST_P(Wire, DecodesToThePacketItMeans) {
  const std::string bytes = wire(GetParam().bytes);
  const auto packet = decode_bytes(bytes, GetParam().version, GetParam().sender);
  ASSERT_TRUE(packet) << packet.error().statement << " " << packet.error().detail << " " << hex(bytes);
  EXPECT_EQ(describe(*packet), describe(GetParam().packet));
}

TEST_P(Wire, EncodesToTheSameBytes) {
  const std::string bytes = wire(GetParam().bytes);
  EXPECT_EQ(hex(encoded(GetParam().packet, GetParam().version)) == hex(bytes), GetParam().canonical)
      << hex(encoded(GetParam().packet, GetParam().version)) << "\n"
      << hex(bytes);
}

INSTANTIATE_TEST_SUITE_P(Codec, Wire, ::testing::ValuesIn(testing::wire_cases()),
                         [](const auto& one) { return one.param.name; });

class Refused : public ::testing::TestWithParam<RefusalCase> {};

TEST_P(Refused, WithItsReasonAndStatement) {
  const std::string bytes = wire(GetParam().bytes);
  const auto packet = decode_bytes(bytes, GetParam().version, GetParam().sender);
  ASSERT_FALSE(packet) << hex(bytes) << " " << describe(*packet);
  EXPECT_EQ(name(packet.error().code), name(GetParam().code));
  EXPECT_STREQ(packet.error().statement, GetParam().statement) << packet.error().detail;
}

INSTANTIATE_TEST_SUITE_P(Codec, Refused, ::testing::ValuesIn(testing::refusal_cases()),
                         [](const auto& one) { return one.param.name; });

/// Every string literal of a source file that begins like a statement or a section.
std::vector<std::string> statements_in(const std::string& source) {
  std::vector<std::string> found;
  for (const char* start : {"\"MQTT-", "\"MQTT5 ", "\"MQTT31 "}) {
    for (std::size_t at = source.find(start); at != std::string::npos; at = source.find(start, at + 1)) {
      found.push_back(source.substr(at + 1, source.find('"', at + 1) - at - 1));
    }
  }
  return found;
}

TEST(Codec, HasARefusalCaseForEveryStatementItsSourcesName) {
  // Bounds that the table's small packets cannot reach (topic_test.cpp has them), and a default that no packet can.
  std::set<std::string> tested{"MQTT-4.7.3-3", "MQTT5 4.7.3", "MQTT5 2.4"};
  for (const auto& one : testing::refusal_cases()) tested.insert(one.statement);
  std::size_t found = 0;
  for (const char* file : {"decode.cpp", "decode_connect.cpp", "decode_subscribe.cpp", "decode_parts.hpp", "framer.cpp",
                           "properties.cpp", "topic.cpp"}) {
    const std::filesystem::path path = std::filesystem::path(FERRULE_SOURCE_DIR) / "mqtt" / file;
    std::ifstream in(path);
    ASSERT_TRUE(in) << path;
    std::stringstream source;
    source << in.rdbuf();
    for (const std::string& statement : statements_in(source.str())) {
      EXPECT_TRUE(tested.contains(statement)) << file << ": " << statement;
      ++found;
    }
  }
  EXPECT_GT(found, 80u);
}

TEST(Codec, RefusesEveryTruncationOfTheBodyOrReadsAShorterPacket) {
  for (const WireCase& one : testing::wire_cases()) {
    const std::string bytes = wire(one.bytes);
    Framer framer(testing::kTableMaxPacket);
    framer.feed(bytes);
    const auto whole = framer.next();
    ASSERT_TRUE(whole && *whole);
    for (std::size_t n = 0; n < (*whole)->body.size(); ++n) {
      const std::string cut((*whole)->body.substr(0, n));  // on the heap: reading behind it is an error that asan sees
      const Frame frame{(*whole)->first, cut};
      if (const auto packet = decode(frame, one.version, one.sender)) {
        EXPECT_LT(encoded_size(*packet, one.version), bytes.size()) << one.name << " cut to " << n;
      }
    }
  }
}

TEST(Codec, SurvivesRandomBytesAndWhatItAcceptsRoundTrips) {
  std::mt19937 random(20261121);
  std::size_t accepted = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto version = static_cast<Version>(3 + random() % 3);
    const auto sender = static_cast<Sender>(random() % 2);
    std::string body(random() % 24, '\0');
    for (char& c : body) c = static_cast<char>(random() % 4 == 0 ? random() % 256 : random() % 8);
    const Frame frame{static_cast<std::uint8_t>(random() % 256), body};
    const auto packet = decode(frame, version, sender);
    if (!packet) continue;
    ++accepted;
    const std::string again = encoded(*packet, version);
    const auto second = decode_bytes(again, version, sender);
    ASSERT_TRUE(second) << hex(body) << " -> " << hex(again) << " " << second.error().statement;
    Packet first = *packet;
    if (auto* publish = std::get_if<Publish>(&first); publish != nullptr && publish->qos == Qos::AtMostOnce) {
      publish->dup = false;  // MQTT 3.1 reads it, nobody writes it
    }
    ASSERT_EQ(describe(first), describe(*second));
  }
  EXPECT_GT(accepted, 1000u);
}

TEST(Codec, SurvivesDamagedPackets) {
  std::mt19937 random(7);
  std::size_t accepted = 0, refused = 0;
  for (int round = 0; round < 400; ++round) {
    for (const WireCase& one : testing::wire_cases()) {
      std::string bytes = wire(one.bytes);
      for (auto n = 1 + random() % 3; n > 0; --n) {
        bytes[random() % bytes.size()] = static_cast<char>(random() % 2 == 0 ? random() : random() % 4);
      }
      const auto packet = decode_bytes(bytes, one.version, one.sender);
      ++(packet ? accepted : refused);
      if (packet) {
        EXPECT_FALSE(describe(*packet).empty());
      }
    }
  }
  EXPECT_GT(accepted, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST(Codec, AnswersARefusedConnectInTheNearestVersion) {
  const auto answer = [](std::string_view body) {
    const std::string bytes = wire(body);
    return version_to_answer(Frame{0x10, bytes});
  };
  EXPECT_EQ(answer("('MQTT') 06 02"), Version::V5);
  EXPECT_EQ(answer("('MQTT') 05 03"), Version::V5);
  EXPECT_EQ(answer("('MQTT') 04"), Version::V311);
  EXPECT_EQ(answer("('MQIsdp') 03"), Version::V311);
  EXPECT_EQ(answer("('HTTP') 05"), Version::V311);
  EXPECT_EQ(answer("00"), Version::V311);
}

TEST(Codec, MapsReasonsToTheReturnCodesOfOlderVersions) {
  EXPECT_EQ(connack_return_code(Reason::Success), 0);
  EXPECT_EQ(connack_return_code(Reason::UnsupportedProtocolVersion), 1);
  EXPECT_EQ(connack_return_code(Reason::ClientIdentifierNotValid), 2);
  EXPECT_EQ(connack_return_code(Reason::ServerBusy), 3);
  EXPECT_EQ(connack_return_code(Reason::BadUserNameOrPassword), 4);
  EXPECT_EQ(connack_return_code(Reason::Banned), 5);
  EXPECT_EQ(hex(encoded(Suback{1, {}, "\x02\x8F"}, Version::V311)), "90 04 00 01 02 80");
}

TEST(Codec, NeverSaysSessionPresentWithAnError) {  // [MQTT-3.2.2-6]
  EXPECT_EQ(hex(encoded(Connack{true, Reason::ServerBusy, {}}, Version::V5)), "20 03 00 89 00");
}

}  // namespace
}  // namespace ferrule::mqtt
