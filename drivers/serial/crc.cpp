#include "drivers/serial/crc.hpp"

#include <algorithm>

namespace ferrule::drivers::serial {

namespace {

constexpr std::array kModels{
    CrcModel{"CRC-8/SMBUS", 8, 0x07, 0x00, false, 0x00, 0xF4},
    CrcModel{"CRC-8/I-432-1", 8, 0x07, 0x00, false, 0x55, 0xA1},
    CrcModel{"CRC-8/ROHC", 8, 0x07, 0xFF, true, 0x00, 0xD0},
    CrcModel{"CRC-8/MAXIM-DOW", 8, 0x31, 0x00, true, 0x00, 0xA1},
    CrcModel{"CRC-8/NRSC-5", 8, 0x31, 0xFF, false, 0x00, 0xF7},
    CrcModel{"CRC-8/SAE-J1850", 8, 0x1D, 0xFF, false, 0xFF, 0x4B},
    CrcModel{"CRC-8/AUTOSAR", 8, 0x2F, 0xFF, false, 0xFF, 0xDF},
    CrcModel{"CRC-8/DVB-S2", 8, 0xD5, 0x00, false, 0x00, 0xBC},
    CrcModel{"CRC-8/CDMA2000", 8, 0x9B, 0xFF, false, 0x00, 0xDA},
    CrcModel{"CRC-16/ARC", 16, 0x8005, 0x0000, true, 0x0000, 0xBB3D},
    CrcModel{"CRC-16/MODBUS", 16, 0x8005, 0xFFFF, true, 0x0000, 0x4B37},
    CrcModel{"CRC-16/USB", 16, 0x8005, 0xFFFF, true, 0xFFFF, 0xB4C8},
    CrcModel{"CRC-16/MAXIM-DOW", 16, 0x8005, 0x0000, true, 0xFFFF, 0x44C2},
    CrcModel{"CRC-16/UMTS", 16, 0x8005, 0x0000, false, 0x0000, 0xFEE8},
    CrcModel{"CRC-16/XMODEM", 16, 0x1021, 0x0000, false, 0x0000, 0x31C3},
    CrcModel{"CRC-16/IBM-3740", 16, 0x1021, 0xFFFF, false, 0x0000, 0x29B1},
    CrcModel{"CRC-16/SPI-FUJITSU", 16, 0x1021, 0x1D0F, false, 0x0000, 0xE5CC},
    CrcModel{"CRC-16/GENIBUS", 16, 0x1021, 0xFFFF, false, 0xFFFF, 0xD64E},
    CrcModel{"CRC-16/KERMIT", 16, 0x1021, 0x0000, true, 0x0000, 0x2189},
    CrcModel{"CRC-16/IBM-SDLC", 16, 0x1021, 0xFFFF, true, 0xFFFF, 0x906E},
    CrcModel{"CRC-16/MCRF4XX", 16, 0x1021, 0xFFFF, true, 0x0000, 0x6F91},
    CrcModel{"CRC-16/DNP", 16, 0x3D65, 0x0000, true, 0xFFFF, 0xEA82},
    CrcModel{"CRC-16/EN-13757", 16, 0x3D65, 0x0000, false, 0xFFFF, 0xC2B7},
    CrcModel{"CRC-32/ISO-HDLC", 32, 0x04C11DB7, 0xFFFFFFFF, true, 0xFFFFFFFF, 0xCBF43926},
    CrcModel{"CRC-32/BZIP2", 32, 0x04C11DB7, 0xFFFFFFFF, false, 0xFFFFFFFF, 0xFC891918},
    CrcModel{"CRC-32/MPEG-2", 32, 0x04C11DB7, 0xFFFFFFFF, false, 0x00000000, 0x0376E6E7},
    CrcModel{"CRC-32/CKSUM", 32, 0x04C11DB7, 0x00000000, false, 0xFFFFFFFF, 0x765E7680},
    CrcModel{"CRC-32/JAMCRC", 32, 0x04C11DB7, 0xFFFFFFFF, true, 0x00000000, 0x340BC6D9},
    CrcModel{"CRC-32/ISCSI", 32, 0x1EDC6F41, 0xFFFFFFFF, true, 0xFFFFFFFF, 0xE3069283},
};

constexpr std::uint32_t reflect(std::uint32_t value, int bits) {
  std::uint32_t result = 0;
  for (int i = 0; i < bits; ++i) result |= (value >> i & 1U) << (bits - 1 - i);
  return result;
}

constexpr std::uint32_t ones(int bits) { return ~std::uint32_t{0} >> (32 - bits); }

}  // namespace

std::span<const CrcModel> crc_models() { return kModels; }

const CrcModel* crc_model(std::string_view name) {
  const auto* found = std::ranges::find(kModels, name, &CrcModel::name);
  return found == kModels.end() ? nullptr : found;
}

Crc::Crc(const CrcModel& model) : model_(model), table_() {
  const auto poly = model.reflected ? reflect(model.poly, model.width) : model.poly;
  const auto top = std::uint32_t{1} << (model.width - 1);
  for (std::uint32_t byte = 0; byte < table_.size(); ++byte) {
    auto value = model.reflected ? byte : byte << (model.width - 8);
    for (int bit = 0; bit < 8; ++bit) {
      if (model.reflected) {
        value = (value & 1U) != 0 ? value >> 1 ^ poly : value >> 1;
      } else {
        value = (value & top) != 0 ? value << 1 ^ poly : value << 1;
      }
    }
    table_[byte] = value & ones(model.width);
  }
}

std::uint32_t Crc::operator()(std::string_view bytes) const {
  auto crc = model_.reflected ? reflect(model_.init, model_.width) : model_.init;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    crc = model_.reflected ? crc >> 8 ^ table_[(crc ^ byte) & 0xFF]
                           : crc << 8 ^ table_[(crc >> (model_.width - 8) ^ byte) & 0xFF];
    crc &= ones(model_.width);
  }
  return crc ^ model_.xor_out;
}

std::uint8_t xor_of(std::string_view bytes) {
  std::uint8_t value = 0;
  for (const char c : bytes) value = static_cast<std::uint8_t>(value ^ static_cast<std::uint8_t>(c));
  return value;
}

std::uint32_t sum_of(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value += static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace ferrule::drivers::serial
