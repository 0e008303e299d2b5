// Every kind of register that SunSpec's models are made of (SunSpec Device Information Model Specification V1.1, 4.2),
// as a configuration describes it: a value, its largest or smallest, and what stands for "not implemented".
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "loaded_settings.hpp"

namespace ferrule::drivers::modbus {
namespace {

using Registers = std::vector<std::uint16_t>;

struct Row {
  const char* name;
  const char* point;    ///< of the value, which lies at 100; its scale factor at 104
  Registers registers;  ///< from 100 on
  const char* value;
};

const Row kRows[] = {
    {"int16", "type: int16, invalid: 0x8000", {0xFF38}, "-200"},
    {"int16 at its largest", "type: int16, invalid: 0x8000", {0x7FFF}, "32767"},
    {"int16 not implemented", "type: int16, invalid: 0x8000", {0x8000}, "invalid"},
    {"uint16", "type: uint16, invalid: 0xFFFF", {0xFFFE}, "65534"},
    {"uint16 not implemented", "type: uint16, invalid: 0xFFFF", {0xFFFF}, "invalid"},
    {"acc16", "type: uint16, invalid: 0", {0x1234}, "4660"},
    {"acc16 not implemented", "type: uint16, invalid: 0", {0}, "invalid"},
    {"int32", "type: int32, invalid: 0x80000000", {0xFFFF, 0xFF38}, "-200"},
    {"int32 not implemented", "type: int32, invalid: 0x80000000", {0x8000, 0}, "invalid"},
    {"uint32", "type: uint32, invalid: 0xFFFFFFFF", {0x0001, 0x86A0}, "100000"},
    {"uint32 not implemented", "type: uint32, invalid: 0xFFFFFFFF", {0xFFFF, 0xFFFF}, "invalid"},
    {"acc32", "type: uint32, invalid: 0", {0xFFFF, 0xFFFF}, "4294967295"},
    {"acc32 not implemented", "type: uint32, invalid: 0", {0, 0}, "invalid"},
    {"int64", "type: int64, invalid: 0x8000000000000000", {0xFFDF, 0xFFFF, 0xFFFF, 0xFFFF}, "-9007199254740993"},
    {"int64 not implemented", "type: int64, invalid: 0x8000000000000000", {0x8000, 0, 0, 0}, "invalid"},
    {"uint64", "type: uint64, invalid: 0xFFFFFFFFFFFFFFFF", {0x0020, 0, 0, 1}, "9007199254740993"},
    {"uint64 not implemented",
     "type: uint64, invalid: 0xFFFFFFFFFFFFFFFF",
     {0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF},
     "invalid"},
    {"acc64", "type: uint64, invalid: 0", {0, 0, 0x0001, 0}, "65536"},
    {"enum16", "type: uint16, invalid: 0xFFFF", {4}, "4"},
    {"enum16 not implemented", "type: uint16, invalid: 0xFFFF", {0xFFFF}, "invalid"},
    {"enum32", "type: uint32, invalid: 0xFFFFFFFF", {0, 7}, "7"},
    {"bitfield16, bit 3", "bit: 3", {0x0008}, "true"},
    {"bitfield16, bits 4 to 6", "type: uint16, bit: 4, bit_count: 3", {0x0050}, "5"},
    {"bitfield32, bit 31", "type: uint32, bit: 31", {0x8000, 0}, "1"},
    {"float32", "type: float32", {0x4366, 0x8000}, "230.5"},
    {"float32 not implemented", "type: float32", {0x7FC0, 0}, "invalid"},
    {"float64", "type: float64", {0xC05E, 0xDD2F, 0x1A9F, 0xBE77}, "-123.456"},
    {"float64 not implemented", "type: float64", {0x7FF8, 0, 0, 0}, "invalid"},
    {"string", "type: string, length: 8", {0x4655, 0x4E20, 0x3130, 0x0000}, "FUN 10"},
    {"string not implemented", "type: string, length: 8", {0, 0, 0, 0}, ""},
    {"ipaddr", "type: uint32", {0xC0A8, 0x0001}, "3232235521"},
    {"sunssf", "type: int16, invalid: 0x8000", {0xFFFE}, "-2"},
    {"int16 with a factor", "type: int16, invalid: 0x8000, scale_factor: 104", {0xFF38, 0, 0, 0, 0xFFFF}, "-20"},
    {"uint16 with a factor", "type: uint16, invalid: 0xFFFF, scale_factor: 104", {1234, 0, 0, 0, 0xFFFE}, "12.34"},
    {"uint32 with a factor", "type: uint32, scale_factor: 104", {0x0001, 0x86A0, 0, 0, 3}, "100000000"},
    {"acc32 with a factor", "type: uint32, invalid: 0, scale_factor: 104", {0, 50, 0, 0, 1}, "500"},
    {"not implemented with a factor",
     "type: int16, invalid: 0x8000, scale_factor: 104",
     {0x8000, 0, 0, 0, 1},
     "invalid"},
    {"a factor that is not implemented", "type: int16, scale_factor: 104", {5, 0, 0, 0, 0x8000}, "invalid"},
};

std::string text_of(const Decoded& decoded) {
  if (decoded.quality != Quality::Good) return std::string(name(decoded.failure));
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, decoded.value);
}

TEST(SunSpec, ReadsEveryKindOfRegister) {
  for (const auto& row : kRows) {
    const Loaded loaded(std::string(kGoodBus) +
                        "devices: {m: {bus: plc, points: {p: {register: holding, address: 100, " + row.point + "}}}}");
    ASSERT_NO_THROW(loaded.document.finish()) << row.name;
    const auto& encoding = loaded.buses.at(0).devices.at(0).points.at(0);
    const auto extent = extent_of(encoding);
    const auto registers = std::span(row.registers).subspan(extent.address - 100U, extent.width);
    EXPECT_EQ(text_of(decode(registers, encoding)), row.value) << row.name;
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus
