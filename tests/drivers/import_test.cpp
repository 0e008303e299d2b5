// Templates made of vendors' tables: what they become, that the configuration takes it, and what is said of mistakes.
#include "drivers/modbus/import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loaded_settings.hpp"
#include "tests/config/directory_fixture.hpp"

namespace ferrule::drivers::modbus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string csv(const std::string& text, const CsvOptions& options = {}) {
  const auto imported = import_csv(text, "meter.csv", options);
  if (!imported) return config::Error(imported.error()).what();
  const auto yaml = as_yaml(*imported);
  return yaml.substr(yaml.find("points:\n"));
}

std::vector<std::string> csv_mistakes(const std::string& text, const CsvOptions& options = {}) {
  std::vector<std::string> texts;
  const auto imported = import_csv(text, "meter.csv", options);
  if (imported) return {};
  for (const auto& mistake : imported.error()) {
    texts.push_back(fmt::format("{}:{}: {}", mistake.where.line, mistake.where.column, mistake.message));
  }
  return texts;
}

// Whether the configuration takes a template as it is.
std::vector<std::string> mistakes_in_template(const std::string& yaml) {
  std::string indented;
  for (std::size_t at = 0; at < yaml.size(); at = yaml.find('\n', at) + 1) {
    indented += "    " + yaml.substr(at, yaml.find('\n', at) + 1 - at);
  }
  return mistakes(std::string(kGoodBus) + "templates:\n  t:\n" + indented + "devices: {m: {bus: plc, template: t}}\n");
}

constexpr const char* kTable =
    "name,register,table,type,unit,scale,offset,byte_order,size,access,invalid,description\n"
    "Voltage L1-N,0x0000,input,float32,V,,,,2,R,,\n"
    "\"Power, total\",12,input,int32,W,0.1,,CDAB,2,R,0x80000000,\"Sum of \"\"all\"\" phases\"\n"
    "Setpoint,100,holding,int16,\"°C\",1/10,-40,,1,RW,0x8000,\n"
    "Model,200,holding,string,,,,,8,R,,\n"
    "Relay,3,coil,bool,,,,,1,RW,,\n";

TEST(CsvImport, MakesAPointOfEachRow) {
  EXPECT_EQ(
      csv(kTable),
      "points:\n"
      "  voltage_l1_n: {register: input, address: 0, type: float32, unit: V}\n"
      "  power_total: {register: input, address: 12, type: int32, byte_order: CDAB, scale: 0.1, invalid: 0x80000000, "
      "unit: W}  # Sum of \"all\" phases\n"
      "  setpoint: {register: holding, address: 100, type: int16, scale: 0.1, offset: -40, invalid: 0x8000, unit: "
      "'°C'}  # can be written\n"
      "  model: {register: holding, address: 200, type: string, length: 16}\n"
      "  relay: {register: coil, address: 3}  # can be written\n");
}

TEST(CsvImport, IsTakenByTheConfiguration) {
  const auto imported = import_csv(kTable, "meter.csv", {});
  ASSERT_TRUE(imported);
  const auto yaml = as_yaml(*imported);
  EXPECT_THAT(yaml, testing::StartsWith("# Made of meter.csv. "));
  EXPECT_THAT(mistakes_in_template(yaml), IsEmpty()) << yaml;
}

TEST(CsvImport, FindsTheColumnsByWhatVendorsCallThem) {
  const auto* expected = "points:\n  power: {register: holding, address: 40, type: uint32, scale: 0.01, unit: kW}\n";
  EXPECT_EQ(csv("Parameter;Addr.;Function code;Data type;Units;Gain\r\nPower;0x28;03;U32;kW;100\r\n"), expected);
  EXPECT_EQ(csv("Signal Name\tModbus address\tFC\tFormat\tUoM\tScaling\nPower\t28h\t3\tdword\tkW\tx0.01\n"), expected);
  EXPECT_EQ(csv("\xEF\xBB\xBF"
                "Meter 7, register list\nVersion 1.2,,\n\nName,Register,Area,Type,Unit,Factor,Words\n"
                "Voltages,,,,,,\nPower,40-41,4x,unsigned,kW,\"0,01\",2\n# of no use,1,4x,int\n"),
            expected);
}

TEST(CsvImport, TakesOffsetForTheAddressWhereNothingElseIs) {
  const CsvOptions options{.numbering = Numbering::Wire, .table = "holding", .byte_order = {}};
  EXPECT_EQ(
      csv("offset,registers,name,format,unit\n801,4,Act. Nrg Import T1,Double,Wh\n1,2,Voltage,Float,V\n", options),
      "points:\n  act_nrg_import_t1: {register: holding, address: 801, type: float64, unit: Wh}\n"
      "  voltage: {register: holding, address: 1, type: float32, unit: V}\n");
}

TEST(CsvImport, TakesTheNumberingThatItIsTold) {
  const std::string rows = "address,type\n40001,int16\n300012,float\n10003,bool\n00004,\n";
  EXPECT_EQ(csv(rows, {.numbering = Numbering::Modicon, .table = {}, .byte_order = {}}),
            "points:\n  register_0: {register: holding, address: 0, type: int16}\n"
            "  register_11: {register: input, address: 11, type: float32}\n"
            "  register_2: {register: discrete, address: 2}\n  register_3: {register: coil, address: 3}\n");
  const CsvOptions from_one{.numbering = Numbering::One, .table = "input", .byte_order = "CDAB"};
  const auto imported = import_csv("address,type\n1,int32\n", "m", from_one);
  ASSERT_TRUE(imported);
  EXPECT_THAT(as_yaml(*imported),
              HasSubstr("address_base: 1\nbyte_order: CDAB\npoints:\n  register_1: {register: input, "
                        "address: 1, type: int32}\n"));
}

TEST(CsvImport, TellsNamesakesApart) {
  EXPECT_EQ(csv("name,address,table,type\nyes,1,4x,int\nYes!,2,4x,int\nyes 2,3,4x,int\nyes,4,4x,int\n"),
            "points:\n  'yes': {register: holding, address: 1, type: int16}\n"
            "  yes_2: {register: holding, address: 2, type: int16}\n"
            "  yes_2_2: {register: holding, address: 3, type: int16}\n"
            "  yes_3: {register: holding, address: 4, type: int16}\n");
}

TEST(CsvImport, ReadsWhatSpreadsheetsOfWesternEuropeSave) {
  EXPECT_THAT(csv("Name;Adresse;Address;Table;Type;Unit\nW\xE4rme;;5;4x;int;\xB0"
                  "C\n"),
              HasSubstr("{register: holding, address: 5, type: int16, unit: '°C'}"));
}

TEST(CsvImport, SaysAllMistakesWithTheirPlaces) {
  EXPECT_THAT(
      csv_mistakes("name,address,table,type,scale,size,byte_order\n"
                   "a,4x1,holding,int16,,,\n"
                   "b,70000,holding,int16,,,\n"
                   "c,1,relay,int16,,,\n"
                   "d,2,holding,flaot32,,,\n"
                   "e,3,holding,float32,ten,,\n"
                   "\"ü\",4,holding,float32,,1,\n"
                   "g,5,holding,string,,,\n"
                   "h,6,holding,int32,0,,middle\n"),
      ElementsAre("2:3: must be an address such as 3000, 0xBB8 or BB8h, is \"4x1\"",
                  "3:3: is beyond the addresses, 0 to 65535 (is it one like 400001? --numbering modicon)",
                  "4:5: must say which table: coil, discrete, input, holding, or a function code, is \"relay\"",
                  "5:13: is no type that is known: \"flaot32\" (did you mean float32?)",
                  "6:21: must be a number such as 0.1 or 1/10, is \"ten\"", "7:24: float32 fills 2 registers, not 1",
                  "8:21: a string needs its size, in registers",
                  "9:22: must be ABCD, BADC, CDAB or DCBA, is \"middle\"", "9:19: 0 would make every value the same"));
  EXPECT_THAT(config::Error(import_csv("name,address,table,type\nb,-,4x,int\n", "m.csv", {}).error()).what(),
              HasSubstr("m.csv:2:3: error: must be an address such as 3000, 0xBB8 or BB8h, is \"-\"\nb,-,4x,int\n  ^"));
}

TEST(CsvImport, TakesSentinelsOfAnyNotation) {
  const auto row = [](const std::string& invalid, const std::string& bit) {
    return "address,table,type,invalid,bit\n1,4x,u64," + invalid + "," + bit + "\n";
  };
  EXPECT_THAT(csv(row("8000h", "")), HasSubstr("invalid: 0x8000}"));
  EXPECT_THAT(csv(row("0xFFFFFFFFFFFFFFFF", "3")), HasSubstr("bit: 3, invalid: 0xFFFFFFFFFFFFFFFF}"));
  EXPECT_THAT(csv(row("-32768", "-")), HasSubstr("type: uint64, invalid: -32768}"));
  EXPECT_THAT(csv_mistakes(row("1-2", "b")), ElementsAre("2:14: must be the number of a bit, is \"b\"",
                                                         "2:10: must be a raw value such as 0x8000, is \"1-2\""));
}

TEST(CsvImport, SaysWhatATableLacks) {
  EXPECT_THAT(csv_mistakes(""), ElementsAre(HasSubstr("has no row that names the columns")));
  EXPECT_THAT(csv_mistakes("a,b,c\n1,2,3\n"), ElementsAre(HasSubstr("has no row that names the columns")));
  EXPECT_THAT(csv_mistakes("address,type\n1,int\n"),
              ElementsAre("1:1: no column says which table the registers are in (say "
                          "it: --table holding, or --numbering modicon)"));
  EXPECT_THAT(csv_mistakes("address,type,table\n,int,4x\n"), ElementsAre("0:0: has no row with an address"));
  EXPECT_THAT(csv_mistakes("address,type,table\n1,\"int,4x\n\n"), ElementsAre("2:3: this quote is never closed"));
  EXPECT_THAT(csv_mistakes("address,type,table\n1,\"int\"16,4x\n"), ElementsAre("2:8: is behind the closing quote"));
  EXPECT_THAT(csv_mistakes(std::string("a\0b", 3)), ElementsAre("0:0: is not a text file in UTF-8 or ISO 8859-1"));
  EXPECT_THAT(csv_mistakes("address,type,table\n99999,int,4x\n3000,int,4x\n",
                           {.numbering = Numbering::Modicon, .table = {}, .byte_order = {}}),
              ElementsAre(HasSubstr("2:1: is no number such as 40001"), HasSubstr("3:1: is no number such as 40001")));
}

class SunspecImport : public config::DirectoryFixture {
 protected:
  SunspecModel model(const std::string& name, const std::string& text, std::uint16_t address) const {
    return {write(name, text), address};
  }

  std::string complaint(const std::string& text) const {
    try {
      import_sunspec({model("m.json", text, 40002)}, 1);
    } catch (const config::Error& error) {
      const std::string what = error.what();
      return what.substr(directory_.string().size() + 1);
    }
    return {};
  }
};

// In the form of github.com/sunspec/models, with one point of each sort.
constexpr const char* kModel = R"({
    "id": 4711,
    "group": {
        "label": "Test \"bench\"", "name": "bench", "type": "group",
        "points": [
            {"name": "ID", "type": "uint16", "size": 1, "value": 4711},
            {"name": "L", "type": "uint16", "size": 1},
            {"name": "Mn", "type": "string", "size": 4, "label": "Manufacturer", "static": "S"},
            {"name": "A", "type": "uint16", "size": 1, "sf": "A_SF", "units": "A", "mandatory": "M"},
            {"name": "A_SF", "type": "sunssf", "size": 1},
            {"name": "PF", "type": "int16", "sf": -2, "units": "Pct"},
            {"name": "WH", "type": "acc32", "size": 2, "sf": "WH_SF", "units": "Wh", "desc": "Lifetime \u00b5energy"},
            {"name": "WH_SF", "type": "sunssf", "size": 1},
            {"name": "Pad", "type": "pad", "size": 1},
            {"name": "W", "type": "float32", "units": "W"},
            {"name": "St", "type": "enum16", "symbols": [{"name": "OFF", "value": 1}, {"name": "MPPT", "value": 4}]},
            {"name": "Lim", "type": "uint16", "access": "RW", "label": "Limit"}
        ],
        "groups": [
            {"name": "module", "count": "N", "type": "group", "points": [
                {"name": "ID", "type": "uint16"},
                {"name": "DCA", "type": "uint16", "sf": "A_SF", "units": "A"}
            ]},
            {"name": "tail", "type": "group", "points": [{"name": "Tmp", "type": "int16", "units": "C"}]}
        ]
    }
})";

TEST_F(SunspecImport, MakesAPointOfEachOfTheModels) {
  const auto yaml = as_yaml(import_sunspec({model("model_4711.json", kModel, 40069)}, 2));
  EXPECT_EQ(
      yaml,
      "# SunSpec model 4711, Test \"bench\", with its ID at 40069.\n"
      "points:\n"
      "  Mn: {register: holding, address: 40071, type: string, length: 8}  # Manufacturer\n"
      "  A: {register: holding, address: 40075, type: uint16, scale_factor: 40076, invalid: 0xFFFF, unit: A}\n"
      "  PF: {register: holding, address: 40077, type: int16, scale: 0.01, invalid: 0x8000, unit: '%'}\n"
      "  WH: {register: holding, address: 40078, type: uint32, scale_factor: 40080, invalid: 0, unit: Wh, counter: "
      "true}  # Lifetime µenergy\n"
      "  W: {register: holding, address: 40082, type: float32, unit: W}\n"
      "  St: {register: holding, address: 40084, type: uint16, invalid: 0xFFFF, enum: {1: 'OFF', 4: MPPT}}\n"
      "  Lim: {register: holding, address: 40085, type: uint16, invalid: 0xFFFF}  # Limit, can be written\n"
      "  module_1_ID: {register: holding, address: 40086, type: uint16, invalid: 0xFFFF}\n"
      "  module_1_DCA: {register: holding, address: 40087, type: uint16, scale_factor: 40076, invalid: 0xFFFF, unit: "
      "A}\n"
      "  module_2_ID: {register: holding, address: 40088, type: uint16, invalid: 0xFFFF}\n"
      "  module_2_DCA: {register: holding, address: 40089, type: uint16, scale_factor: 40076, invalid: 0xFFFF, unit: "
      "A}\n"
      "  tail_Tmp: {register: holding, address: 40090, type: int16, invalid: 0x8000, unit: '°C'}\n");
  auto settings_only = yaml;  // `enum` is read by whoever publishes
  settings_only.replace(settings_only.find(", enum: {1: 'OFF', 4: MPPT}"),
                        std::string(", enum: {1: 'OFF', 4: MPPT}").size(), "");
  EXPECT_THAT(mistakes_in_template(settings_only), IsEmpty());
}

TEST_F(SunspecImport, LeavesOutWhatOneReadCannotGiveWithItsScaleFactor) {
  const auto far =
      R"({"id": 9, "group": {"name": "g", "points": [{"name": "ID", "type": "uint16"}, {"name": "L", "type": "uint16"},
      {"name": "SF", "type": "sunssf"}, {"name": "Text", "type": "string", "size": 124}, {"name": "A", "type": "int16", "sf": "SF"}]}})";
  const auto yaml = as_yaml(import_sunspec({model("m.json", far, 10)}, 1));
  EXPECT_THAT(yaml, HasSubstr("# A is left out: one read does not reach its scale factor.\npoints:\n  Text: {"));
  EXPECT_EQ(yaml.find("  A: "), std::string::npos);
}

TEST_F(SunspecImport, TellsPointsOfSeveralModelsApart) {
  const auto small =
      R"({"id": 1, "group": {"name": "g", "points": [{"name": "ID", "type": "uint16"}, {"name": "L", "type": "uint16"},
      {"name": "DA", "type": "uint16"}]}})";
  const auto yaml = as_yaml(import_sunspec({model("a.json", small, 40002), model("b.json", small, 40069)}, 1));
  EXPECT_THAT(yaml, HasSubstr("  DA: {register: holding, address: 40004,"));
  EXPECT_THAT(yaml, HasSubstr("  DA_2: {register: holding, address: 40071,"));
}

TEST_F(SunspecImport, SaysWhereAModelIsWrong) {
  EXPECT_THAT(complaint("{\"points\": []}\n"), HasSubstr("m.json: error: group: is missing: this is no model"));
  const auto point = [&](const std::string& text) {
    return complaint(
        "{\"id\": 1, \"group\": {\"name\": \"g\", \"points\": [{\"name\": \"ID\", \"type\": \"uint16\"},\n"
        "{\"name\": \"L\", \"type\": \"uint16\"},\n" +
        text + "]}}\n");
  };
  EXPECT_THAT(point("{\"name\": \"A\", \"type\": \"uint17\"}"),
              HasSubstr("m.json:3:23: error: group.points[2].type: must be one of int16, uint16"));
  EXPECT_THAT(point("{\"name\": \"A\", \"type\": \"int16\", \"sf\": \"A_SF\"}"),
              HasSubstr("m.json:3:38: error: group.points[2].sf: there is no scale factor \"A_SF\""));
  EXPECT_THAT(point("{\"name\": \"A\", \"type\": \"int32\", \"size\": 1}"),
              HasSubstr("m.json:3:40: error: group.points[2].size: int32 fills 2 registers"));
  EXPECT_THAT(point("{\"name\": \"A\", \"type\": \"string\"}"), HasSubstr("group.points[2].size: is required"));
  EXPECT_THAT(point("{\"type\": \"int16\"}"), HasSubstr("group.points[2].name: is required"));
  EXPECT_THAT(complaint("{\"id\": 1, \"group\": "), HasSubstr("m.json:1:"));
  EXPECT_THAT(
      complaint(
          "{\"group\": {\"name\": \"g\", \"points\": [], \"groups\": [{\"name\": \"h\", \"count\": 2000000000}]}}"),
      HasSubstr("group.groups[0]: is a group too many: 10000 are the most"));
}

}  // namespace
}  // namespace ferrule::drivers::modbus
