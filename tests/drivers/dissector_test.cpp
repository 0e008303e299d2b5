// Dialogues in the shape of captures from the field, cut anywhere.
#include "drivers/modbus/dissector.hpp"

#include <gmock/gmock.h>

#include "scripted_peer.hpp"

namespace ferrule::drivers::modbus {
namespace {

using Kind = WireEvent::Kind;
using ::testing::ElementsAre;

struct Frame {
  Bytes bytes;
  std::string text;
};

Bytes join(const std::vector<Frame>& frames) {
  Bytes all;
  for (const auto& frame : frames) all.insert(all.end(), frame.bytes.begin(), frame.bytes.end());
  return all;
}

const std::vector<Frame>& tcp_requests() {
  static const std::vector<Frame> kFrames{
      {from_hex("00 17 00 00 00 06 01 01 00 07 00 01"), "#23 unit 1 reads coil 7"},
      {from_hex("00 18 00 00 00 06 01 03 00 64 00 02"), "#24 unit 1 reads 2 holding registers from 100"},
      {from_hex("ff ff 00 00 00 06 ff 05 00 10 ff 00"), "#65535 unit 255 writes coil 16: on"},
      {from_hex("00 19 00 00 00 06 02 06 00 10 00 2a"), "#25 unit 2 writes register 16: 42"},
      {from_hex("00 1a 00 00 00 0b 02 10 00 10 00 02 04 00 01 00 02"),
       "#26 unit 2 writes 2 registers from 16: 0001 0002"},
      {from_hex("00 1b 00 00 00 05 02 2b 0e 01 00"), "#27 unit 2 is asked who it is"},
      {from_hex("00 1c 00 00 00 08 02 16 00 04 00 f2 00 25"), "#28 unit 2 masks register 4: and 00f2, or 0025"},
      {from_hex("00 1d 00 00 00 0d 02 17 00 03 00 06 00 0e 00 01 02 00 ff"),
       "#29 unit 2 writes 1 registers from 14: 00ff, reads 6 from 3"},
  };
  return kFrames;
}

const std::vector<Frame>& tcp_answers() {
  static const std::vector<Frame> kFrames{
      {from_hex("00 17 00 00 00 04 01 01 01 01"), "#23 unit 1 has bits 01"},
      {from_hex("00 18 00 00 00 07 01 03 04 42 c4 62 08"), "#24 unit 1 has registers 42c4 6208"},
      {from_hex("00 19 00 00 00 06 02 06 00 10 00 2a"), "#25 unit 2 has written 16"},
      {from_hex("00 1a 00 00 00 06 02 10 00 10 00 02"), "#26 unit 2 has written 2 from 16"},
      {from_hex("00 1c 00 00 00 08 02 16 00 04 00 f2 00 25"), "#28 unit 2 has masked 4"},
      {from_hex("00 1d 00 00 00 03 02 84 02"), "#29 unit 2 refuses function 4: exception 02 (illegal data address)"},
  };
  return kFrames;
}

const std::vector<Frame>& rtu_answers() {
  static const std::vector<Frame> kFrames{
      {with_crc("03 03 04 00 00 00 53"), "unit 3 has registers 0000 0053"},
      {with_crc("03 83 02"), "unit 3 refuses function 3: exception 02 (illegal data address)"},
      {with_crc("11 02 03 ac db 35"), "unit 17 has bits ac db 35"},
  };
  return kFrames;
}

/// All frames of a stream that comes in two parts.
std::vector<Dissected> split(FrameForm framing, Kind direction, const Bytes& stream, std::size_t at) {
  Dissector dissector(framing);
  auto frames = dissector.next(direction, std::span(stream).first(at));
  for (auto& frame : dissector.next(direction, std::span(stream).subspan(at))) frames.push_back(std::move(frame));
  return frames;
}

void expect_at_every_split(FrameForm framing, Kind direction, const std::vector<Frame>& wanted) {
  const auto stream = join(wanted);
  for (std::size_t at = 0; at <= stream.size(); ++at) {
    const auto frames = split(framing, direction, stream, at);
    ASSERT_EQ(frames.size(), wanted.size()) << "split at " << at;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(frames[i].text, wanted[i].text) << "split at " << at;
      EXPECT_EQ(frames[i].bytes, wanted[i].bytes) << "split at " << at;
    }
  }
}

TEST(Dissector, FindsTheFramesOfACaptureWhereverItIsSplit) {
  expect_at_every_split(FrameForm::Tcp, Kind::Sent, tcp_requests());
  expect_at_every_split(FrameForm::Tcp, Kind::Received, tcp_answers());
  expect_at_every_split(FrameForm::Rtu, Kind::Received, rtu_answers());
}

TEST(Dissector, FindsThemInSingleBytes) {
  Dissector dissector(FrameForm::Tcp);
  std::vector<std::string> texts;
  for (const auto byte : join(tcp_answers())) {
    for (const auto& frame : dissector.next(Kind::Received, {&byte, 1})) texts.push_back(frame.text);
  }
  ASSERT_EQ(texts.size(), tcp_answers().size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], tcp_answers()[i].text);
}

std::vector<std::string> texts_of(const std::vector<Dissected>& frames) {
  std::vector<std::string> texts;
  for (const auto& frame : frames) texts.push_back(frame.text);
  return texts;
}

TEST(Dissector, ReadsAscii) {
  const std::string line = ":1103006B00037E\r\n";
  Dissector dissector(FrameForm::Ascii);
  EXPECT_THAT(texts_of(dissector.next(Kind::Sent, Bytes(line.begin(), line.end()))),
              ElementsAre("unit 17 reads 3 holding registers from 107"));
  const std::string wrong = ":1103006B00037F\r\n";
  EXPECT_THAT(texts_of(dissector.next(Kind::Received, Bytes(wrong.begin(), wrong.end()))),
              ElementsAre("no Modbus frame"));
}

TEST(Dissector, SaysWhatIsNoFrame) {
  Dissector tcp(FrameForm::Tcp);
  EXPECT_THAT(texts_of(tcp.next(Kind::Received, from_hex("00 01 00 07 00 03 01 83 02"))),
              ElementsAre("no Modbus frame"));
  Dissector rtu(FrameForm::Rtu);
  EXPECT_TRUE(rtu.next(Kind::Received, from_hex("03 03 04 00 00 00 53 00 00")).empty()) << "more may follow";
  EXPECT_THAT(texts_of(rtu.next(Kind::Sent, with_crc("03 03 00 64 00 02"))),
              ElementsAre("no Modbus frame", "unit 3 reads 2 holding registers from 100"));
}

TEST(Dissector, HoldsNoMoreThanAFrameOfNoise) {
  Dissector dissector(FrameForm::Rtu);
  std::size_t bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    for (const auto& frame : dissector.next(Kind::Received, Bytes(10, 0x55))) bytes += frame.bytes.size();
  }
  EXPECT_GE(bytes, 10'000U - 2 * 260U);
}

}  // namespace
}  // namespace ferrule::drivers::modbus
