// CAN buses, devices and points in a configuration, and what is wrong with them.
#include "drivers/can/settings.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../loaded_settings.hpp"
#include "drivers/can/import.hpp"

namespace ferrule::drivers::can {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
namespace fs = std::filesystem;

constexpr const char* kBus = "buses: {can: {type: can, interface: can0}}\n";
constexpr const char* kDbc = R"(VERSION ""
BU_: Engine
BO_ 500 Motor: 8 Engine
 SG_ Speed : 0|16@1+ (0.25,0) [0|8000] "rpm" Vector__XXX
 SG_ Gear : 16|4@1- (1,0) [0|0] "" Vector__XXX
 SG_ Fan : 20|1@1+ (1,0) [0|1] "" Vector__XXX
 SG_ Level : 24|8@1+ (0.4,0) [0|100] "%" Vector__XXX
BO_ 2566844672 CCVS: 8 Engine
 SG_ Wheel : 8|16@1+ (0.00390625,0) [0|251] "km/h" Vector__XXX
BO_ 600 Long: 64 Engine
 SG_ Far : 300|8@1+ (1,0) [0|0] "" Vector__XXX
BA_ "GenMsgCycleTime" BO_ 500 500;
BA_ "VFrameFormat" BO_ 2566844672 3;
VAL_ 500 Gear -1 "reverse" 0 "neutral" ;
VAL_ 500 Level 255 "unknown" ;
)";

class CanSettingsTest : public ::testing::Test {
 protected:
  CanSettingsTest() {
    std::string pattern = (fs::temp_directory_path() / "ferrule-can-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    put("engine.dbc", kDbc);
  }
  ~CanSettingsTest() override { fs::remove_all(directory); }

  void put(const std::string& name, std::string_view text) const { std::ofstream(directory / name) << text; }
  void load(const std::string& devices) {
    loaded = std::make_unique<Loaded>(kBus + devices);
    loaded->document.finish();
    const auto& device = loaded->buses.at(0).devices.at(0);
    points = device.points;
    rules = dynamic_cast<const CanSettings&>(*device.own).points;
  }
  void load_points(const std::string& text) {
    load(fmt::format("devices: {{d: {{bus: can, dbc: {}/engine.dbc, points: {{{}}}}}}}", directory.string(), text));
  }
  std::vector<std::string> point(const std::string& text) const {
    return mistakes(fmt::format("{}devices: {{d: {{bus: can, dbc: {}/engine.dbc,\n points: {{p: {}}}}}}}", kBus,
                                directory.string(), text));
  }

  fs::path directory;
  std::unique_ptr<Loaded> loaded;
  std::vector<PointSettings> points;
  std::vector<PointRule> rules;
};

TEST_F(CanSettingsTest, ReadsWherePointsAre) {
  load(R"(devices: {d: {bus: can, byte_order: big, stale_after: 5s, points: {
    a: {message: 0x123, start_bit: 7, length: 16, type: signed, scale: 0.1, offset: -40, unit: °C, invalid: [-1, 0x8000]},
    b: {message: 0x18FEF100, start_bit: 0, byte_order: little, stale_after: 0s},
    c: {message: 5, extended: true, start_bit: 0, length: 32, byte_order: little, type: float32},
    d: {pgn: 65263, source: 0x21, start_bit: 24, length: 8, byte_order: little},
    e: {message: 1, start_bit: 7, length: 8, mux: {start_bit: 15, length: 8, value: [1, 2]}},
    f: {message: 1, start_bit: 0, byte_order: little, type: float64}}}})");
  EXPECT_EQ(rules[0].message, exactly(0x123));
  EXPECT_TRUE(rules[0].signal.place.big_endian);
  EXPECT_EQ(rules[0].signal.number, Number::Signed);
  EXPECT_EQ(rules[0].signal.scale, 0.1);
  EXPECT_EQ(rules[0].signal.offset, -40);
  EXPECT_THAT(rules[0].signal.invalid, ElementsAre(0xFFFF, 0x8000));
  EXPECT_EQ(rules[0].stale_after, 5s);
  EXPECT_EQ(points[0].type, Type::Int16);
  EXPECT_EQ(points[0].unit, "°C");
  EXPECT_EQ(rules[1].message, exactly(0x18FEF100 | Frame::kExtended));
  EXPECT_EQ(rules[1].signal.number, Number::Bool);
  EXPECT_EQ(rules[1].stale_after, 0s);
  EXPECT_EQ(points[1].type, Type::Bool);
  EXPECT_EQ(rules[2].message, exactly(5 | Frame::kExtended));
  EXPECT_EQ(points[2].type, Type::Float32);
  EXPECT_EQ(rules[3].message, parameter_group(65263, 0x21));
  EXPECT_TRUE(rules[3].signal.j1939);
  ASSERT_EQ(rules[4].signal.when.size(), 1U);
  EXPECT_TRUE(rules[4].signal.when[0].selector.big_endian);
  EXPECT_THAT(rules[4].signal.when[0].ranges, ElementsAre(Pair(1, 1), Pair(2, 2)));
  EXPECT_EQ(rules[5].signal.place.length, 64) << "a float's length goes without saying";
}

TEST_F(CanSettingsTest, ReadsSignalsOfADatabase) {
  load_points(
      "a: {signal: Motor.Speed}, b: {signal: Motor.Gear, stale_after: 3s}, c: {signal: Motor.Fan}, "
      "d: {signal: Motor.Level, unit: l}, e: {signal: CCVS.Wheel}, "
      "f: {signal: Motor.Speed, write: true}, g: {signal: Motor.Speed, write: {max: 100}}, "
      "h: {signal: Motor.Fan, write: true}");
  EXPECT_EQ(rules[0].message, exactly(500));
  EXPECT_EQ(rules[0].signal.scale, 0.25);
  EXPECT_EQ(rules[0].stale_after, 1500ms) << "three times the message's cycle";
  EXPECT_EQ(points[0].unit, "rpm");
  EXPECT_EQ(points[0].type, Type::Uint16);
  EXPECT_EQ(rules[1].stale_after, 3s);
  ASSERT_TRUE(points[1].words);
  EXPECT_EQ(points[1].words->at(-1), "reverse");
  EXPECT_EQ(points[2].type, Type::Bool);
  EXPECT_EQ(points[3].unit, "l");
  EXPECT_FALSE(points[3].words) << "a word of a measured value is no name for what it says";
  EXPECT_EQ(rules[4].message, parameter_group(65265, std::nullopt));
  EXPECT_EQ(rules[4].stale_after, 60s) << "nobody knows its cycle";
  EXPECT_EQ(points[5].write->max, 8000.0);
  EXPECT_EQ(points[5].write->min, 0.0);
  EXPECT_EQ(points[6].write->max, 100.0);
  EXPECT_EQ(rules[5].size, 8);
  EXPECT_FALSE(points[7].write->max) << "a bool has no limits";
  const auto hash = loaded->buses[0].devices[0].own->files;
  put("engine.dbc", std::string(kDbc) + "CM_ \"changed\";\n");
  load_points("a: {signal: Motor.Speed}");
  EXPECT_NE(loaded->buses[0].devices[0].own->files, hash) << "a reload sees that the file has changed";
}

TEST_F(CanSettingsTest, GivesFastAndMultiplexedSignalsTimeEnough) {
  put("engine.dbc", R"(BO_ 1 Fast: 8 N
 SG_ A : 0|8@1+ (1,0) [0|0] "" N
BO_ 2 Paged: 8 N
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" N
 SG_ B m1 : 8|8@1+ (1,0) [0|0] "" N
BA_DEF_DEF_ "GenMsgCycleTime" 10;
)");
  load_points("a: {signal: Fast.A}, b: {signal: Paged.B}, c: {signal: Paged.B, stale_after: 2s}");
  EXPECT_EQ(rules[0].stale_after, 1s);
  EXPECT_EQ(rules[1].stale_after, 60s) << "nobody knows how many pages there are";
  EXPECT_EQ(rules[2].stale_after, 2s);
}

TEST_F(CanSettingsTest, ReadsHowAPointIsWritten) {
  load(
      "devices: {d: {bus: can, points: {a: {message: 1, start_bit: 8, length: 8, write: {fill: 0xFF, size: 4, "
      "readback: 2s}}, "
      "b: {message: 1, start_bit: 0}}}}");
  EXPECT_EQ(rules[0].fill, 0xFF);
  EXPECT_EQ(rules[0].size, 4);
  EXPECT_EQ(points[0].write->readback, 2s);
  EXPECT_FALSE(points[1].write);
}

TEST_F(CanSettingsTest, NamesMistakesInPoints) {
  EXPECT_THAT(point("{start_bit: 0}"), ElementsAre(HasSubstr("message: in which message is it?")));
  EXPECT_THAT(point("{message: 0x20000000, start_bit: 0}"), ElementsAre(HasSubstr("points.p.message: ")));
  EXPECT_THAT(point("{message: 0x800, extended: false, start_bit: 0}"),
              ElementsAre(HasSubstr("extended: an identifier of 11 bits ends at 0x7FF")));
  EXPECT_THAT(point("{message: 1, start_bit: 60, length: 8}"),
              ElementsAre("3:38 devices.d.points.p.start_bit: 8 bits from here end beyond the frame's 8 bytes (little: "
                          "start_bit is the least significant bit)"));
  EXPECT_THAT(point("{message: 1, start_bit: 56, length: 2, byte_order: big}"),
              ElementsAre(HasSubstr("most significant")));
  EXPECT_THAT(point("{message: 1, start_bit: 64, length: 1}"), ElementsAre(HasSubstr("points.p.start_bit: ")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, type: unsigned}"), ElementsAre(HasSubstr("points.p.length: ")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, length: 16, type: float32}"),
              ElementsAre(HasSubstr("length: a float32 has 32 bits")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, length: 8, scale: 0}"), ElementsAre(HasSubstr("scale: 0 would make")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, scale: 2}"), ElementsAre(HasSubstr("scale: a bool has none")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, length: 8, type: uint8}"),
              ElementsAre(HasSubstr("must be one of bool, unsigned")));
  EXPECT_THAT(point("{pgn: 65263, message: 1, start_bit: 0}"),
              ElementsAre(HasSubstr("message: a parameter group has none")));
  EXPECT_THAT(point("{message: 1, source: 1, start_bit: 0}"),
              ElementsAre(HasSubstr("source: only a `pgn` has senders")));
  EXPECT_THAT(point("{message: 1, start_bit: 0, mux: {start_bit: 8, length: 2, value: 4}}"),
              ElementsAre(HasSubstr("points.p.mux.value: ")));
  EXPECT_THAT(point("{pgn: 65263, start_bit: 0, write: true}"),
              ElementsAre(HasSubstr("write: a parameter group has no sender's address to write with")));
  EXPECT_THAT(point("{message: 1, start_bit: 32, length: 8, write: {size: 4}}"),
              ElementsAre(HasSubstr("write.size: the signal ends beyond the message")));
}

TEST_F(CanSettingsTest, NamesMistakesWithDatabases) {
  EXPECT_THAT(point("{signal: Motor.Sped}"),
              ElementsAre(HasSubstr("signal: the file has no signal \"Motor.Sped\" (did you mean Motor.Speed?)")));
  EXPECT_THAT(point("{signal: Long.Far}"), ElementsAre(HasSubstr("Long has 64 bytes: CAN FD is not supported")));
  EXPECT_THAT(mistakes(std::string(kBus) + "devices: {d: {bus: can, points: {p: {signal: A.B}}}}"),
              ElementsAre(HasSubstr("signal: needs the device's `dbc`")));
  put("bad.dbc", "BO_ 1 A: 8 N\n SG_ S : 60|8@1+ (1,0) [0|0] \"\" N\n");
  EXPECT_THAT(
      mistakes(fmt::format("{}devices: {{d: {{bus: can, dbc: {}/bad.dbc, points: {{p: {{signal: A.S}}}}}}}}", kBus,
                           directory.string())),
      ElementsAre(HasSubstr("dbc: " + directory.string() + "/bad.dbc:2:6: ends beyond the 8 bytes of its message")));
  EXPECT_THAT(mistakes(std::string(kBus) + "devices: {d: {bus: can, dbc: /nowhere.dbc, points: {p: {signal: A.S}}}}"),
              ElementsAre(HasSubstr("dbc: /nowhere.dbc: No such file or directory")));
}

TEST(CanBusSettings, NamesMistakes) {
  const auto bus = [](const std::string& keys) {
    return mistakes("buses: {can: {type: can, " + keys +
                    "}}\n"
                    "devices: {d: {bus: can, points: {p: {message: 1, start_bit: 0}}}}");
  };
  EXPECT_THAT(bus("interface: can0, timeout: 1s"), IsEmpty());
  EXPECT_THAT(bus("interface: unix:/run/rehearsal.sock"), IsEmpty());
  EXPECT_THAT(bus("timeout: 1s"), ElementsAre(HasSubstr("buses.can.interface: ")));
  EXPECT_THAT(bus("interface: /dev/can0"), ElementsAre(HasSubstr("interface: must be the name of a CAN interface")));
  EXPECT_THAT(bus("interface: a-name-of-16-chars"), ElementsAre(HasSubstr("interface: must be the name")));
  EXPECT_THAT(bus("interface: can0, fd: true"),
              ElementsAre(HasSubstr("fd: CAN FD is not supported, classic frames are")));
  EXPECT_THAT(
      bus("interface: can0, bitrate: 250000"),
      ElementsAre(HasSubstr("is set where the interface is brought up (ip link set can0 up type can bitrate 250000)")));
  EXPECT_THAT(mistakes("buses: {a: {type: can, interface: can0}, b: {type: can, interface: can0}}\n"
                       "devices: {d: {bus: a, points: {p: {message: 1, start_bit: 0}}}, "
                       "e: {bus: b, points: {p: {message: 1, start_bit: 0}}}}"),
              ElementsAre(HasSubstr("buses.b.interface: can0 is also that of bus a")));
}

TEST_F(CanSettingsTest, IsWrittenByAnImportAsItReadsIt) {
  const auto dbc = parse_dbc(std::string(kDbc) +
                             "BO_ 7 Other: 8 Engine\n SG_ Speed : 0|8@1+ (1,0) [0|0] \"\" N\n"
                             " SG_ no M : 8|8@1+ (1,0) [0|0] \"\" N\n SG_ Page2 m2 : 16|8@1+ (1,0) [0|0] \"\" N\n");
  ASSERT_TRUE(dbc) << dbc.error().message;
  ImportNames names;
  names.file = "engine's.dbc";
  names.device = "engine";
  const auto text = as_yaml(*dbc, names);
  EXPECT_THAT(text, HasSubstr("    dbc: 'engine''s.dbc'\n"));
  EXPECT_THAT(text, HasSubstr("      # Motor 1F4, every 500ms, from Engine\n"
                              "      Motor_Speed: {signal: Motor.Speed}  # 0..8000, rpm\n"
                              "      Gear: {signal: Motor.Gear}  # -1 = reverse, 0 = neutral\n"));
  EXPECT_THAT(text, HasSubstr("      # CCVS 18FEF100, PGN 65265, from Engine\n"));
  EXPECT_THAT(text, HasSubstr("      # CAN FD, 64 bytes: not supported\n"));
  EXPECT_THAT(text, HasSubstr("      'no': {signal: Other.no}\n      Page2: {signal: Other.Page2}  # selected by 2\n"));
}

TEST_F(CanSettingsTest, ReadsWhatAnImportWrites) {
  ImportNames names;
  names.file = (directory / "engine.dbc").string();
  names.device = "engine";
  const auto dbc = load_dbc(names.file);
  ASSERT_TRUE(dbc);
  const auto text = as_yaml(*dbc, names);
  EXPECT_THAT(mistakes(text), IsEmpty()) << text;
}

}  // namespace
}  // namespace ferrule::drivers::can
