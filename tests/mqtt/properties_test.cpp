// The property table, lookups, the builder, and what travels with a publication.
#include "mqtt/properties.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "wire_text.hpp"

namespace ferrule::mqtt {
namespace {

using Id = PropertyId;
using testing::describe;
using testing::hex;
using testing::wire;

constexpr PacketType kPlaces[] = {kWill,
                                  PacketType::Connect,
                                  PacketType::Connack,
                                  PacketType::Publish,
                                  PacketType::Puback,
                                  PacketType::Pubrec,
                                  PacketType::Pubrel,
                                  PacketType::Pubcomp,
                                  PacketType::Subscribe,
                                  PacketType::Suback,
                                  PacketType::Unsubscribe,
                                  PacketType::Unsuback,
                                  PacketType::Disconnect,
                                  PacketType::Auth};

/// Who may send this property in this packet.
Sender sender_of(const PropertyRule& rule, PacketType place) {
  return rule.id == Id::SubscriptionIdentifier && place == PacketType::Publish ? Sender::Server : Sender::Client;
}

void add_sample(PropertyBuilder& builder, const PropertyRule& rule) {
  switch (rule.type) {
    case PropertyType::Text:
    case PropertyType::Binary:
      builder.add(rule.id, "x");
      break;
    case PropertyType::TextPair:
      builder.add_user("k", "v");
      break;
    default:
      builder.add(rule.id, 1);
  }
}

TEST(PropertyTable, HasThe27PropertiesOfTheSpecification) {
  std::set<int> ids;
  for (const PropertyRule& rule : property_rules()) {
    ids.insert(static_cast<int>(rule.id));
    EXPECT_EQ(rule_of(static_cast<std::uint8_t>(rule.id)), &rule);
  }
  EXPECT_EQ(ids, (std::set<int>{0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19,
                                0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A}));
  EXPECT_EQ(rule_of(0x2B), nullptr);
  EXPECT_EQ(rule_of(0xFF), nullptr);
}

TEST(PropertyTable, DecidesWhereAPropertyMayStandAndHowOften) {
  for (const PropertyRule& rule : property_rules()) {
    for (const PacketType place : kPlaces) {
      SCOPED_TRACE(std::string(rule.name) + " in " + std::to_string(static_cast<int>(place)));
      PropertyBuilder builder;
      add_sample(builder, rule);
      const std::string once = builder.encoded();
      add_sample(builder, rule);
      const bool allowed = (rule.allowed & packet_bit(place)) != 0;
      EXPECT_EQ(Properties::parse(once, place, sender_of(rule, place)).has_value(), allowed);
      const auto twice = Properties::parse(builder.encoded(), place, sender_of(rule, place));
      EXPECT_EQ(twice.has_value(), (rule.repeated & packet_bit(place)) != 0);
      if (allowed && !twice) {
        EXPECT_EQ(twice.error().code, Reason::ProtocolError);
      }
    }
  }
}

TEST(PropertyTable, RefusesNumbersOutOfTheirRange) {
  for (const PropertyRule& rule : property_rules()) {
    if (rule.type > PropertyType::VarInt) continue;
    for (const PacketType place : kPlaces) {
      if ((rule.allowed & packet_bit(place)) == 0) continue;
      PropertyBuilder zero, two;
      zero.add(rule.id, 0);
      two.add(rule.id, 2);
      EXPECT_EQ(Properties::parse(zero.encoded(), place, sender_of(rule, place)).has_value(), rule.min == 0)
          << rule.name;
      EXPECT_EQ(Properties::parse(two.encoded(), place, sender_of(rule, place)).has_value(), rule.max >= 2)
          << rule.name;
    }
  }
}

TEST(Properties, RefusesEveryTruncation) {
  for (const PropertyRule& rule : property_rules()) {
    PropertyBuilder builder;
    add_sample(builder, rule);
    for (const PacketType place : kPlaces) {
      if ((rule.allowed & packet_bit(place)) == 0) continue;
      for (std::size_t n = 1; n < builder.encoded().size(); ++n) {
        const std::string cut = builder.encoded().substr(0, n);
        EXPECT_FALSE(Properties::parse(cut, place, sender_of(rule, place))) << rule.name << " " << n;
      }
    }
  }
}

TEST(Properties, LooksUpByIdAndKeepsTheOrderOfUserProperties) {
  const std::string bytes = wire("26 ('b') ('1')  02 0000003c  26 ('a') ('2')  26 ('b') ('3')  09 (00)  01 01");
  const auto properties = Properties::parse(bytes, PacketType::Publish, Sender::Client);
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->number(Id::MessageExpiryInterval), 60u);
  EXPECT_EQ(properties->number(Id::PayloadFormatIndicator), 1u);
  EXPECT_EQ(properties->text(Id::CorrelationData), std::string_view("\0", 1));
  EXPECT_TRUE(properties->has(Id::UserProperty));
  EXPECT_FALSE(properties->has(Id::TopicAlias));
  EXPECT_EQ(properties->number(Id::TopicAlias), std::nullopt);
  EXPECT_EQ(properties->text(Id::ContentType), std::nullopt);
  std::string order;
  for (const Property& one : *properties) {
    if (one.id == Id::UserProperty) order += std::string(one.text) + std::string(one.value) + " ";
  }
  EXPECT_EQ(order, "b1 a2 b3 ");  // [MQTT-3.3.2-18]
}

TEST(Properties, StopAtBytesThatNobodyChecked) {
  const std::string bytes = wire("01 01 7f 00");
  EXPECT_EQ(describe(Properties::trusted(bytes)), " Payload Format Indicator(1 <> <>)");
}

TEST(PropertyBuilder, CutsTextThatIsTooLongBetweenCharacters) {
  const std::string text = std::string(65534, 'a') + "\xC3\xA9";
  PropertyBuilder builder;
  builder.add(Id::ReasonString, text);
  EXPECT_EQ(builder.view().text(Id::ReasonString)->size(), 65534u);
  EXPECT_TRUE(Properties::parse(builder.encoded(), PacketType::Puback, Sender::Client));
  PropertyBuilder binary;
  binary.add(Id::AuthenticationData, text);
  EXPECT_EQ(binary.view().text(Id::AuthenticationData)->size(), 65535u);
}

TEST(Forwardable, IsAViewWhenNothingBelongsToTheHop) {
  const std::string bytes = wire("01 01  26 ('k') ('v')");
  std::string scratch = "untouched";
  EXPECT_EQ(forwardable(Properties::trusted(bytes), scratch).data(), bytes.data());
  EXPECT_EQ(scratch, "untouched");
}

TEST(Forwardable, IsAViewWhenTheHopsStandBeforeOrBehind) {
  const std::string bytes = wire("02 0000001e  23 0001  01 01  26 ('k') ('v')  0b 05");
  std::string scratch = "untouched";
  EXPECT_EQ(hex(forwardable(Properties::trusted(bytes), scratch)), hex(wire("01 01 26 ('k') ('v')")));
  EXPECT_EQ(scratch, "untouched");
}

TEST(Forwardable, LeavesOutTheHopsInTheMiddle) {
  const std::string bytes =
      wire("26 ('a') ('1')  23 0001  26 ('b') ('2')  02 0000001e  03 ('t')  18 00000001  26 ('c') ('3')");
  std::string scratch;
  EXPECT_EQ(hex(forwardable(Properties::trusted(bytes), scratch)),
            hex(wire("26 ('a') ('1')  26 ('b') ('2')  03 ('t')  26 ('c') ('3')")));
}

TEST(Forwardable, IsEmptyWhenAllBelongToTheHop) {
  const std::string bytes = wire("23 0001 02 0000001e");
  std::string scratch;
  EXPECT_EQ(forwardable(Properties::trusted(bytes), scratch), "");
  EXPECT_EQ(forwardable(Properties{}, scratch), "");
}

/// Random properties that a server may send in a PUBLISH, and their texts one by one.
struct Sample {
  PropertyBuilder builder;
  std::vector<std::string> forwarded;
};

Sample random_sample() {
  Sample sample;
  std::set<int> used;
  const auto count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    const int kind = *rc::gen::inRange(0, 8);
    if (kind < 6 && !used.insert(kind).second) continue;
    const std::string before = sample.builder.encoded();
    const auto ascii = *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
    switch (kind) {
      case 0:
        sample.builder.add(Id::PayloadFormatIndicator, *rc::gen::inRange(0u, 2u));
        break;
      case 1:
        sample.builder.add(Id::MessageExpiryInterval, *rc::gen::arbitrary<std::uint32_t>());
        break;
      case 2:
        sample.builder.add(Id::TopicAlias, *rc::gen::inRange(1u, 65536u));
        break;
      case 3:
        sample.builder.add(Id::ContentType, ascii);
        break;
      case 4:
        sample.builder.add(Id::ResponseTopic, "r/" + ascii);
        break;
      case 5:
        sample.builder.add(Id::CorrelationData, *rc::gen::arbitrary<std::string>());
        break;
      case 6:
        sample.builder.add(Id::SubscriptionIdentifier, *rc::gen::inRange(1u, kMaxRemainingLength + 1));
        break;
      default:
        sample.builder.add_user(ascii, ascii);
    }
    const bool hop = kind == 1 || kind == 2 || kind == 6;
    if (!hop) sample.forwarded.push_back(sample.builder.encoded().substr(before.size()));
  }
  return sample;
}

RC_GTEST_PROP(Forwardable, KeepsExactlyWhatIsNotTheHopsInOrder, ()) {
  const Sample sample = random_sample();
  const auto parsed = Properties::parse(sample.builder.encoded(), PacketType::Publish, Sender::Server);
  RC_ASSERT(parsed.has_value());
  std::string expected, scratch;
  for (const std::string& one : sample.forwarded) expected += one;
  RC_ASSERT(std::string(forwardable(*parsed, scratch)) == expected);
}

RC_GTEST_PROP(Properties, SayAfterParsingWhatTheBuilderWasTold, ()) {
  const Sample sample = random_sample();
  const auto parsed = Properties::parse(sample.builder.encoded(), PacketType::Publish, Sender::Server);
  RC_ASSERT(parsed.has_value());
  PropertyBuilder again;
  for (const Property& one : *parsed) {
    switch (rule_of(static_cast<std::uint8_t>(one.id))->type) {
      case PropertyType::Text:
      case PropertyType::Binary:
        again.add(one.id, one.text);
        break;
      case PropertyType::TextPair:
        again.add_user(one.text, one.value);
        break;
      default:
        again.add(one.id, one.number);
    }
    RC_ASSERT(parsed->has(one.id));
  }
  RC_ASSERT(again.encoded() == sample.builder.encoded());
}

}  // namespace
}  // namespace ferrule::mqtt
