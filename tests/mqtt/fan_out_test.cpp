// One publication, many receivers: the bytes of each.
#include "mqtt/fan_out.hpp"

#include <gtest/gtest.h>

#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt {
namespace {

using testing::hex;
using testing::wire;
using namespace std::chrono_literals;

constexpr std::chrono::steady_clock::time_point kNow{1000s};

PublicationPtr publication(std::string payload, std::string properties = {},
                           std::optional<std::chrono::steady_clock::time_point> expires = {}) {
  auto made = std::make_shared<Publication>();
  made->topic = "a/b";
  made->payload = std::move(payload);
  made->properties = std::move(properties);
  made->expires = expires;
  return made;
}

std::string sent(FanOut& fan, const Delivery& delivery) {
  BlockPool pool;
  OutputBuffer out(pool);
  const std::size_t size = fan.append(delivery, out);
  EXPECT_EQ(size, out.size());
  return out.text();
}

struct Case {
  const char* name;
  Delivery delivery;
  const char* bytes;
};

constexpr std::uint32_t kIds[] = {1, 200};

const Case kCases[] = {
    {"V311Qos0", {Version::V311}, "30 [ ('a/b') 'hi' ]"},
    {"V31Qos0Retain", {Version::V31, Qos::AtMostOnce, true}, "31 [ ('a/b') 'hi' ]"},
    {"V311Qos0NeverDup", {Version::V311, Qos::AtMostOnce, false, true}, "30 [ ('a/b') 'hi' ]"},
    {"V311Qos1", {Version::V311, Qos::AtLeastOnce, false, false, 0x0102}, "32 [ ('a/b') 0102 'hi' ]"},
    {"V311Qos2DupRetain", {Version::V311, Qos::ExactlyOnce, true, true, 9}, "3d [ ('a/b') 0009 'hi' ]"},
    {"V5Qos0", {Version::V5}, "30 [ ('a/b') [ 02 0000000a 26 ('k') ('v') ] 'hi' ]"},
    {"V5Qos1",
     {Version::V5, Qos::AtLeastOnce, false, false, 3},
     "32 [ ('a/b') 0003 [ 02 0000000a 26 ('k') ('v') ] 'hi' ]"},
    {"V5Identifiers",
     {Version::V5, Qos::ExactlyOnce, false, false, 3, kIds},
     "34 [ ('a/b') 0003 [ 02 0000000a 0b 01 0b c801 26 ('k') ('v') ] 'hi' ]"},
    {"V5NewAlias",
     {Version::V5, Qos::AtMostOnce, true, false, 0, {}, 7},
     "31 [ ('a/b') [ 02 0000000a 23 0007 26 ('k') ('v') ] 'hi' ]"},
    {"V5KnownAliasAndIdentifiers",
     {Version::V5, Qos::AtMostOnce, false, false, 0, kIds, 7, true},
     "30 [ () [ 02 0000000a 23 0007 0b 01 0b c801 26 ('k') ('v') ] 'hi' ]"},
    {"V311IgnoresIdentifiersAndAlias",
     {Version::V311, Qos::AtMostOnce, false, false, 0, kIds, 7, true},
     "30 [ ('a/b') 'hi' ]"},
};

TEST(FanOut, GivesEachReceiverItsOwnBytes) {
  const PublicationPtr one = publication("hi", wire("26 ('k') ('v')"), kNow + 9500ms);
  FanOut fan(one, kNow);
  for (int round = 0; round < 2; ++round) {  // the second time from the image
    for (const Case& test : kCases) EXPECT_EQ(hex(sent(fan, test.delivery)), hex(wire(test.bytes))) << test.name;
  }
}

TEST(FanOut, SaysZeroPropertiesToMqtt5) {  // [MQTT-2.2.2-1]
  const PublicationPtr one = publication("hi");
  FanOut fan(one, kNow);
  EXPECT_EQ(hex(sent(fan, {Version::V5})), hex(wire("30 [ ('a/b') [] 'hi' ]")));
}

TEST(FanOut, TellsTheRemainingExpiry) {  // [MQTT-3.3.2-6]
  const auto expiry = [](std::chrono::steady_clock::duration left) {
    const PublicationPtr one = publication("", "", kNow + left);
    FanOut fan(one, kNow);
    return hex(sent(fan, {Version::V5}).substr(9));
  };
  EXPECT_EQ(expiry(10s), "00 00 00 0A");
  EXPECT_EQ(expiry(9001ms), "00 00 00 0A");
  EXPECT_EQ(expiry(-1s), "00 00 00 00");
  EXPECT_EQ(expiry(std::chrono::seconds(0xFFFFFFFF)), "FF FF FF FF");
}

TEST(FanOut, SharesALargePayloadWithEveryReceiver) {
  const PublicationPtr one = publication(std::string(kShareAbove + 1, 'x'));
  FanOut fan(one, kNow);
  BlockPool pool;
  OutputBuffer first(pool), second(pool), third(pool);
  fan.append({Version::V311}, first);
  fan.append({Version::V5, Qos::AtLeastOnce, false, false, 5}, second);
  fan.append({Version::V5, Qos::AtLeastOnce, false, false, 5, kIds}, third);
  EXPECT_EQ(one.use_count(), 4);
  const std::string payload = "'" + one->payload + "'";
  EXPECT_EQ(first.text(), wire("30 [ ('a/b') " + payload + " ]"));
  EXPECT_EQ(second.text(), wire("32 [ ('a/b') 0005 [] " + payload + " ]"));
  EXPECT_EQ(third.text(), wire("32 [ ('a/b') 0005 [ 0b 01 0b c801 ] " + payload + " ]"));
}

TEST(FanOut, CopiesAPayloadOfExactlyTheLimit) {
  const PublicationPtr one = publication(std::string(kShareAbove, 'x'));
  FanOut fan(one, kNow);
  EXPECT_EQ(sent(fan, {Version::V311}), wire("30 [ ('a/b') '" + one->payload + "' ]"));
  EXPECT_EQ(one.use_count(), 1);
}

TEST(FanOut, EncodesImagesTooLargeForItsInlineRoom) {
  auto made = std::make_shared<Publication>();
  made->topic = std::string(3000, 't');
  made->payload = "p";
  const PublicationPtr one = made;
  FanOut fan(one, kNow);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(sent(fan, {Version::V311}), wire("30 [ ('" + made->topic + "') 'p' ]"));
    EXPECT_EQ(sent(fan, {Version::V5}), wire("30 [ ('" + made->topic + "') [] 'p' ]"));
    EXPECT_EQ(sent(fan, {Version::V5, Qos::AtLeastOnce, false, false, 1}),
              wire("32 [ ('" + made->topic + "') 0001 [] 'p' ]"));
  }
}

TEST(FanOut, DiscardsWhatExceedsTheReceiversMaximumPacketSize) {  // [MQTT-3.1.2-28]
  BlockPool pool;
  for (const std::size_t payload : {std::size_t{2}, kShareAbove + 1}) {
    const PublicationPtr one = publication(std::string(payload, 'x'));
    FanOut fan(one, kNow);
    for (const Version version : {Version::V311, Version::V5}) {
      for (const bool own : {false, true}) {
        Delivery delivery{version};
        if (own) delivery.subscription_ids = kIds;
        const std::size_t size = sent(fan, delivery).size();
        OutputBuffer out(pool);
        delivery.max_packet_size = size - 1;
        EXPECT_EQ(fan.append(delivery, out), 0u);
        EXPECT_TRUE(out.empty());
        delivery.max_packet_size = size;
        EXPECT_EQ(fan.append(delivery, out), size);
      }
    }
  }
}

TEST(FanOut, WritesWhatTheDecoderReads) {
  const PublicationPtr one = publication(std::string(300, 'x'), wire("01 01 08 ('r') 26 ('k') ('v')"), kNow + 1h);
  FanOut fan(one, kNow);
  const std::string bytes = sent(fan, {Version::V5, Qos::ExactlyOnce, true, true, 77, kIds, 3});
  Framer framer(4096);
  framer.feed(bytes);
  const auto frame = framer.next();
  ASSERT_TRUE(frame && *frame);
  const auto publish = decode_publish(**frame, Version::V5, Sender::Server);
  ASSERT_TRUE(publish) << publish.error().statement;
  EXPECT_EQ(publish->packet_id, 77);
  EXPECT_TRUE(publish->dup && publish->retain);
  EXPECT_EQ(publish->payload, one->payload);
  EXPECT_EQ(publish->properties.number(PropertyId::MessageExpiryInterval), 3600u);
  EXPECT_EQ(publish->properties.number(PropertyId::TopicAlias), 3u);
  std::string scratch;
  EXPECT_EQ(hex(forwardable(publish->properties, scratch)), hex(one->properties));
}

}  // namespace
}  // namespace ferrule::mqtt
