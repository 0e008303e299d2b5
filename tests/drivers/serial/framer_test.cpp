#include "drivers/serial/framer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "../loaded_settings.hpp"
#include "drivers/serial/parser.hpp"
#include "fixtures.hpp"

namespace ferrule::drivers::serial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> take(Framer& framer, std::string_view bytes) {
  std::vector<std::string> frames;
  while (const auto frame = framer.next(bytes)) frames.emplace_back(frame->text);
  return frames;
}

FrameRule lines(std::size_t max_length = 16) {
  FrameRule rule;
  rule.end = "\r\n";
  rule.max_length = max_length;
  return rule;
}

struct Sensor {
  explicit Sensor(const Fixture& fixture)
      : loaded("buses: {line: {type: serial, port: /dev/ttyS0}}\ndevices:\n  " + fixture.name + ": " + fixture.yaml) {
    loaded.document.finish();
  }
  const DeviceSettings& device() const { return loaded.buses.at(0).devices.at(0); }
  const SensorSettings& own() const { return dynamic_cast<const SensorSettings&>(*device().own); }
  Loaded loaded;
};

std::string text_of(const modbus::Decoded& decoded) {
  if (decoded.quality != Quality::Good) return std::string(name(decoded.failure));
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, decoded.value);
}

class SerialFixture : public ::testing::TestWithParam<Fixture> {};

TEST_P(SerialFixture, IsUnderstood) {
  const Sensor sensor(GetParam());
  Framer framer(sensor.own().frame);
  Parser parser(sensor.own(), sensor.device().points);
  std::string_view bytes = GetParam().bytes;
  std::vector<std::string> values;
  std::vector<std::string> frames;
  while (const auto frame = framer.next(bytes)) {
    frames.emplace_back(frame->text);
    for (const auto& [point, decoded] : parser.parse(*frame)) {
      values.push_back(sensor.device().points[point].name + "=" + text_of(decoded));
    }
  }
  // What a log begins with may be half a frame, which a terminator alone does not tell from a whole one.
  EXPECT_EQ(frames, GetParam().frames);
  EXPECT_EQ(values, GetParam().values);
}

TEST_P(SerialFixture, GivesTheSameFramesCutAtEveryPlace) {
  const Sensor sensor(GetParam());
  const std::string_view bytes = GetParam().bytes;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Framer framer(sensor.own().frame);
    auto frames = take(framer, bytes.substr(0, cut));
    for (auto& frame : take(framer, bytes.substr(cut))) frames.push_back(std::move(frame));
    ASSERT_EQ(frames, GetParam().frames) << "cut at " << cut;
  }
}

TEST_P(SerialFixture, GivesTheSameFramesByteByByteAndInRandomParts) {
  const Sensor sensor(GetParam());
  std::minstd_rand random(1);
  for (int round = 0; round < 50; ++round) {
    Framer framer(sensor.own().frame);
    std::vector<std::string> frames;
    std::string_view rest = GetParam().bytes;
    while (!rest.empty()) {
      const auto part = round == 0 ? 1 : std::min<std::size_t>(rest.size(), random() % 13);
      for (auto& frame : take(framer, rest.substr(0, part))) frames.push_back(std::move(frame));
      rest.remove_prefix(part);
    }
    ASSERT_EQ(frames, GetParam().frames) << "round " << round;
  }
}

TEST_P(SerialFixture, SurvivesEveryFlippedBit) {
  const Sensor sensor(GetParam());
  Parser parser(sensor.own(), sensor.device().points);
  for (std::size_t bit = 0; bit < 8 * GetParam().bytes.size(); ++bit) {
    auto bytes = GetParam().bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    Framer framer(sensor.own().frame);
    std::string_view rest = bytes;
    std::size_t frames = 0;
    while (const auto frame = framer.next(rest)) {
      ++frames;
      parser.parse(*frame);
      ASSERT_LE(frame->whole.size(), sensor.own().frame.max_length);
    }
    ASSERT_LE(frames, GetParam().frames.size() + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SerialFixture, ::testing::ValuesIn(fixtures()),
                         [](const auto& fixture) { return fixture.param.name; });

TEST(SerialFramer, CountsAnEndlessLineOnceAndIsBackAtTheNext) {
  Framer framer(lines());
  EXPECT_THAT(take(framer, std::string(100'000, 'x')), IsEmpty());
  EXPECT_EQ(framer.counters().endless, 1U);
  EXPECT_EQ(framer.take_trouble(), "a frame without an end: 16 bytes and more");
  EXPECT_THAT(take(framer, "rest\r\ngood\r\n"), ElementsAre("good"));
  EXPECT_EQ(framer.counters().frames, 1U);
  EXPECT_EQ(framer.take_trouble(), "");
}

TEST(SerialFramer, TakesAFrameThatIsExactlyAsLongAsAllowed) {
  Framer framer(lines(6));
  EXPECT_THAT(take(framer, "abcd\r\nabcde\r\nabcd\r\n"), ElementsAre("abcd", "abcd"));
  EXPECT_EQ(framer.counters().endless, 1U);
}

TEST(SerialFramer, TellsNoiseThatGoesOn) {
  auto rule = lines();
  rule.start = "$";
  Framer framer(rule);
  take(framer, "0123456789");
  EXPECT_EQ(framer.take_trouble(), "") << "half a frame is no trouble";
  take(framer, "0123456789");
  EXPECT_THAT(framer.take_trouble(), HasSubstr("bytes that belong to no frame"));
  EXPECT_EQ(framer.counters().noise, 20U);
}

TEST(SerialFramer, DropsWhatWasBegunWhenTheLineFallsSilent) {
  Framer framer(lines());
  take(framer, "12.");
  EXPECT_FALSE(framer.silence());
  EXPECT_EQ(framer.take_trouble(), "a damaged frame: it is cut off");
  EXPECT_THAT(take(framer, "4\r\n"), ElementsAre("4"));
}

TEST(SerialFramer, EndsAFrameAtASilence) {
  FrameRule rule;
  rule.gap = std::chrono::milliseconds(20);
  rule.max_length = 8;
  Framer framer(rule);
  EXPECT_THAT(take(framer, "12.5"), IsEmpty());
  EXPECT_THAT(take(framer, " kg"), IsEmpty());
  const auto frame = framer.silence();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->text, "12.5 kg");
  EXPECT_FALSE(framer.silence());
  take(framer, "longer than eight");
  EXPECT_FALSE(framer.silence());
  EXPECT_EQ(framer.counters().endless, 1U);
  take(framer, "3");
  EXPECT_EQ(framer.silence()->text, "3");
}

TEST(SerialFramer, SaysWhatIsWrongWithAChecksum) {
  auto rule = lines(82);
  rule.start = "$";
  rule.checksum = {ChecksumRule::Kind::Xor, nullptr, true, false, "*", 1};
  Framer framer(rule);
  EXPECT_THAT(take(framer, "$AB*00\r\n"), IsEmpty());
  EXPECT_EQ(framer.take_trouble(), "a damaged frame: its checksum says 00, its bytes 03");
  take(framer, "$AB*0G\r\n");
  EXPECT_EQ(framer.take_trouble(), "a damaged frame: its checksum has other characters than hexadecimal digits");
  take(framer, "$AB03\r\n");
  EXPECT_EQ(framer.take_trouble(), "a damaged frame: its checksum is missing");
  take(framer, "$\r\n");
  EXPECT_EQ(framer.take_trouble(), "a damaged frame: it is too short");
  EXPECT_EQ(framer.counters().damaged, 4U);
  EXPECT_THAT(take(framer, "$AB*03\r\n"), ElementsAre("AB"));
}

TEST(SerialFramer, RefusesALengthThatNoFrameHas) {
  FrameRule rule;
  rule.start = "S";
  rule.length_field = LengthField{1, 2, true, 0};
  rule.max_length = 10;
  Framer framer(rule);
  const std::string frames(
      "S\x02\x00S\xFF\xFFS\x05\x00"
      "abS\x0B\x00",
      14);
  EXPECT_THAT(take(framer, frames), ElementsAre(std::string("\x05\x00"
                                                            "ab",
                                                            4)));
  EXPECT_EQ(framer.counters().damaged, 3U);
}

}  // namespace
}  // namespace ferrule::drivers::serial
