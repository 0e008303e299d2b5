// DBC files: what is understood, and where the mistakes are.
#include "drivers/can/dbc.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace ferrule::drivers::can {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using namespace std::chrono_literals;

std::string mistake_in(std::string_view text) {
  const auto dbc = parse_dbc(text);
  return dbc ? "" : fmt::format("{}:{}: {}", dbc.error().line, dbc.error().column, dbc.error().message);
}

constexpr const char* kHead = R"(VERSION "1.0"

NS_ :
	NS_DESC_
	CM_
	BA_DEF_
	BA_
	VAL_
	SIG_VALTYPE_
	SG_MUL_VAL_

BS_:

BU_: Engine Display
VAL_TABLE_ Gears 1 "first" 0 "neutral" ;

)";

const Dbc& parsed(tl::expected<Dbc, DbcMistake>& dbc) {
  EXPECT_TRUE(dbc) << dbc.error().line << ": " << dbc.error().message;
  return *dbc;
}

TEST(Dbc, ReadsMessagesAndSignals) {
  auto result = parse_dbc(std::string(kHead) + R"(BO_ 500 Motor: 8 Engine
 SG_ Speed : 0|16@1+ (0.25,0) [0|16383.75] "rpm" Display,Logger
 SG_ Temperature : 23|8@0- (1,-40) [-168|87] "°C" Vector__XXX

BO_ 2566844672 CCVS: 8 Engine
 SG_ WheelSpeed : 8|16@1+ (3.90625E-003,0) [0|250.996] "km/h"  Display
BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX
 SG_ Orphan : 0|8@1+ (1,0) [0|0] "" Vector__XXX
)");
  const auto& dbc = parsed(result);
  ASSERT_EQ(dbc.messages.size(), 2U);
  const auto& motor = dbc.messages[0];
  EXPECT_EQ(motor.name, "Motor");
  EXPECT_EQ(motor.id, 500U);
  EXPECT_EQ(motor.size, 8);
  EXPECT_EQ(motor.sender, "Engine");
  ASSERT_EQ(motor.signals.size(), 2U);
  EXPECT_EQ(motor.signals[0].name, "Speed");
  EXPECT_EQ(motor.signals[0].signal.place.start, 0);
  EXPECT_EQ(motor.signals[0].signal.place.length, 16);
  EXPECT_FALSE(motor.signals[0].signal.place.big_endian);
  EXPECT_EQ(motor.signals[0].signal.number, Number::Unsigned);
  EXPECT_EQ(motor.signals[0].signal.scale, 0.25);
  EXPECT_EQ(motor.signals[0].max, 16383.75);
  EXPECT_EQ(motor.signals[0].unit, "rpm");
  EXPECT_TRUE(motor.signals[1].signal.place.big_endian);
  EXPECT_EQ(motor.signals[1].signal.number, Number::Signed);
  EXPECT_EQ(motor.signals[1].signal.offset, -40);
  EXPECT_EQ(motor.signals[1].min, -168);
  EXPECT_EQ(motor.signals[1].unit, "°C");
  EXPECT_EQ(dbc.messages[1].id, 0x18FEF100 | Frame::kExtended);
  EXPECT_EQ(dbc.messages[1].signals[0].signal.scale, 0.00390625);
}

TEST(Dbc, ReadsWordsFloatsAndHowOftenAMessageIsSent) {
  auto result = parse_dbc(std::string(kHead) + R"(BO_ 1 A: 8 N
 SG_ Gear : 0|4@1- (1,0) [0|0] "" N
 SG_ Load : 32|32@1- (1,0) [0|0] "" N
BO_ 2 B: 8 N
 SG_ Big : 7|64@0- (1,0) [0|0] "" N
CM_ "a comment; with \"quotes\" and a ; in it";
CM_ SG_ 1 Gear "of the box
over two lines";
BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;
BA_DEF_ "BusType" STRING ;
BA_DEF_DEF_ "GenMsgCycleTime" 100;
BA_DEF_DEF_ "BusType" "";
BA_ "GenMsgCycleTime" BO_ 2 20;
BA_ "BusType" "CAN";
VAL_ 1 Gear -1 "reverse" 0 "neutral \"N\"" 1 "first" ;
VAL_ 99 Nobody 0 "left over" ;
VAL_ Environment 0 "off" ;
SIG_VALTYPE_ 1 Load : 1;
SIG_VALTYPE_ 2 Big : 2;
)");
  const auto& dbc = parsed(result);
  EXPECT_THAT(dbc.messages[0].signals[0].words,
              ElementsAre(Pair(-1, "reverse"), Pair(0, "neutral \"N\""), Pair(1, "first")));
  EXPECT_EQ(dbc.messages[0].signals[1].signal.number, Number::Float32);
  EXPECT_EQ(dbc.messages[1].signals[0].signal.number, Number::Float64);
  EXPECT_EQ(dbc.messages[0].cycle, 100ms);
  EXPECT_EQ(dbc.messages[1].cycle, 20ms);
}

TEST(Dbc, ReadsWhichSignalsAreMultiplexed) {
  auto result = parse_dbc(R"(BU_:
BO_ 1 A: 8 N
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" N
 SG_ First m0 : 8|8@1+ (1,0) [0|0] "" N
 SG_ Second m1 : 8|8@1+ (1,0) [0|0] "" N
 SG_ Always : 56|8@1+ (1,0) [0|0] "" N
BO_ 2 B: 8 N
 SG_ Outer M : 0|4@1+ (1,0) [0|0] "" N
 SG_ Inner m2M : 4|4@1+ (1,0) [0|0] "" N
 SG_ Deep m3 : 8|8@1+ (1,0) [0|0] "" N
 SG_ Wide m1 : 16|8@1+ (1,0) [0|0] "" N
SG_MUL_VAL_ 2 Inner Outer 2-2;
SG_MUL_VAL_ 2 Deep Inner 3-3, 5-9;
SG_MUL_VAL_ 2 Wide Outer 0-1;
)");
  const auto& dbc = parsed(result);
  const auto& simple = dbc.messages[0].signals;
  EXPECT_TRUE(simple[0].signal.when.empty());
  ASSERT_EQ(simple[2].signal.when.size(), 1U);
  EXPECT_EQ(simple[2].signal.when[0].selector.length, 8);
  EXPECT_THAT(simple[2].signal.when[0].ranges, ElementsAre(Pair(1, 1)));
  EXPECT_TRUE(simple[3].signal.when.empty());
  const auto& nested = dbc.messages[1].signals;
  ASSERT_EQ(nested[2].signal.when.size(), 2U);
  EXPECT_EQ(nested[2].signal.when[0].selector.start, 0) << "the outermost first";
  EXPECT_THAT(nested[2].signal.when[0].ranges, ElementsAre(Pair(2, 2)));
  EXPECT_EQ(nested[2].signal.when[1].selector.start, 4);
  EXPECT_THAT(nested[2].signal.when[1].ranges, ElementsAre(Pair(3, 3), Pair(5, 9)));
  EXPECT_THAT(nested[3].signal.when[0].ranges, ElementsAre(Pair(0, 1)));
}

TEST(Dbc, KnowsJ1939ByTheFrameFormatOrTheProtocol) {
  constexpr const char* kMessages = "BO_ 2566844672 A: 8 N\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" N\nBO_ 5 B: 8 N\n";
  EXPECT_FALSE(parse_dbc(kMessages)->messages[0].j1939);
  const auto format = parse_dbc(std::string(kMessages) + "BA_ \"VFrameFormat\" BO_ 2566844672 3;");
  EXPECT_TRUE(format->messages[0].j1939 && format->messages[0].signals[0].signal.j1939);
  const auto protocol = parse_dbc(std::string(kMessages) + "BA_ \"ProtocolType\" \"J1939\";");
  EXPECT_TRUE(protocol->messages[0].j1939);
  EXPECT_FALSE(protocol->messages[1].j1939) << "11 bits have no parameter group";
  const auto standard = parse_dbc(std::string(kMessages) +
                                  "BA_DEF_DEF_ \"VFrameFormat\" \"J1939PG\";BA_ \"VFrameFormat\" BO_ 2566844672 1;");
  EXPECT_FALSE(standard->messages[0].j1939);
}

TEST(Dbc, ReadsLatin1AndAByteOrderMark) {
  const auto latin = parse_dbc(
      "BO_ 1 A: 8 N\n SG_ S : 0|8@1+ (1,0) [0|0] \"\xB0"
      "C\" N\n");
  ASSERT_TRUE(latin);
  EXPECT_EQ(latin->messages[0].signals[0].unit, "°C");
  EXPECT_TRUE(
      parse_dbc("\xEF\xBB\xBF"
                "BO_ 1 A: 8 N\n"));
}

TEST(Dbc, SaysWhereAMistakeIs) {
  const std::string message = "BO_ 1 A: 8 N\n";
  const auto signal = [&](const std::string& rest) { return mistake_in(message + " SG_ " + rest + "\n"); };
  EXPECT_EQ(mistake_in("BO_ x A: 8 N"), "1:5: here stands an identifier, 0 to 4294967295");
  EXPECT_EQ(mistake_in("BO_ 2048 A: 8 N"), "1:5: no identifier: up to 2047, or up to 536870911 plus 2147483648");
  EXPECT_EQ(mistake_in("BO_ 1 A 8 N"), "1:9: here stands :");
  EXPECT_EQ(mistake_in("BO_ 1 A: 65 N"), "1:10: here stands the message's size in bytes, 0 to 64");
  EXPECT_EQ(mistake_in(message + "BO_ 1 B: 8 N"), "2:5: another message has the identifier 001");
  EXPECT_EQ(mistake_in("SG_ S : 0|8@1+ (1,0) [0|0] \"\" N"), "1:1: a signal stands under its message");
  EXPECT_EQ(signal("S : 0|8@2+ (1,0) [0|0] \"\" N"), "2:14: here stands the byte order, 0 to 1");
  EXPECT_EQ(signal("S : 0|8@1 (1,0) [0|0] \"\" N"), "2:16: here stands + (unsigned) or - (signed)");
  EXPECT_EQ(signal("S : 0|0@1+ (1,0) [0|0] \"\" N"), "2:12: a signal has at least one bit");
  EXPECT_EQ(signal("S : 0|65@1+ (1,0) [0|0] \"\" N"), "2:12: a classic frame has 64 bits");
  EXPECT_EQ(signal("S : 60|8@1+ (1,0) [0|0] \"\" N"), "2:6: ends beyond the 8 bytes of its message");
  EXPECT_EQ(signal("S : 0|8@1+ (0,0) [0|0] \"\" N"), "2:17: a factor of 0 would make every value the same");
  EXPECT_EQ(signal("S : 0|8@1+ (1;0) [0|0] \"\" N"), "2:19: here stands ,");
  EXPECT_EQ(signal("S : 0|8@1+ (1,0) [0|0] N"), "2:29: here stands the unit, in quotes");
  EXPECT_EQ(signal("S x1 : 0|8@1+ (1,0) [0|0] \"\" N"), "2:8: here stands M, m and a number, or nothing");
  EXPECT_EQ(signal("S m1 : 0|8@1+ (1,0) [0|0] \"\" N"), "2:6: multiplexed, but the message has no selector (M)");
  EXPECT_EQ(mistake_in(message + "CM_ \"never closed"), "2:18: a text without its closing quote");
  EXPECT_EQ(mistake_in(message + "EV_ a : 0"), "2:10: a statement ends with ;");
  EXPECT_EQ(mistake_in("VERSION \"never closed"), "1:22: a text without its closing quote");
  EXPECT_EQ(mistake_in(message + "VAL_ 1 S 0 zero ;"), "2:12: here stands a word, in quotes");
  EXPECT_EQ(mistake_in("; BO_"), "1:1: a statement begins with a word, such as BO_");
  EXPECT_EQ(mistake_in(message + " SG_ S : 0|8@1+ (1,0) [0|0] \"\" N\nSIG_VALTYPE_ 1 S : 1;"),
            "3:16: a floating point number of 32 bits, but the signal has 8");
}

TEST(Dbc, RefusesSelectorsThatAreNotClear) {
  const std::string two = R"(BO_ 1 A: 8 N
 SG_ P M : 0|8@1+ (1,0) [0|0] "" N
 SG_ Q M : 8|8@1+ (1,0) [0|0] "" N
 SG_ S m0 : 16|8@1+ (1,0) [0|0] "" N
)";
  EXPECT_EQ(mistake_in(two), "4:6: the message has several selectors: SG_MUL_VAL_ is needed");
  EXPECT_EQ(mistake_in(two + "SG_MUL_VAL_ 1 S Q 0-0;"), "");
  EXPECT_EQ(mistake_in(two + "SG_MUL_VAL_ 1 S R 0-0;"), "4:6: selected by R, which is no selector of this message");
  EXPECT_EQ(mistake_in(two + "SG_MUL_VAL_ 1 S Q 3-1;"), "5:20: here stands a range, such as 0-3");
  EXPECT_EQ(mistake_in("BO_ 1 A: 8 N\n SG_ P m0M : 0|8@1+ (1,0) [0|0] \"\" N\n"
                       " SG_ Q m0M : 8|8@1+ (1,0) [0|0] \"\" N\nSG_MUL_VAL_ 1 P Q 0-0;SG_MUL_VAL_ 1 Q P 0-0;"),
            "2:6: selects itself, in the end");
}

TEST(Dbc, IsBounded) {
  std::string many = "BO_ 1 A: 8 N\n";
  for (int i = 0; i < 1025; ++i) many += fmt::format(" SG_ S{} : 0|8@1+ (1,0) [0|0] \"\" N\n", i);
  EXPECT_EQ(mistake_in(many), "1026:6: too many signals in one message");
  EXPECT_EQ(mistake_in(std::string((std::size_t{16} << 20U) + 1, ' ')), "0:0: is larger than 16 MiB");
}

TEST(Dbc, SaysWhyAFileCannotBeRead) {
  const auto missing = load_dbc("/nowhere/engine.dbc");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().line, 0);
  EXPECT_EQ(missing.error().message, "No such file or directory");
}

}  // namespace
}  // namespace ferrule::drivers::can
