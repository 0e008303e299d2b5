// Checksums of serial frames: parametrised CRC algorithms by their catalogue names, sums and xor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ferrule::drivers::serial {

/// One algorithm of the Rocksoft model, named as in the catalogue of parametrised CRC algorithms
/// (reveng.sourceforge.io/crc-catalogue). `check` is the CRC of the nine characters "123456789".
struct CrcModel {
  std::string_view name;
  std::uint8_t width;  ///< bits: 8, 16 or 32
  std::uint32_t poly;
  std::uint32_t init;
  bool reflected;  ///< input and output; no algorithm here reflects only one of them
  std::uint32_t xor_out;
  std::uint32_t check;
};

std::span<const CrcModel> crc_models();
const CrcModel* crc_model(std::string_view name);  ///< null when there is none

/// Computes one algorithm, a table step a byte.
class Crc {
 public:
  explicit Crc(const CrcModel& model);
  std::uint32_t operator()(std::string_view bytes) const;

 private:
  CrcModel model_;
  std::array<std::uint32_t, 256> table_;
};

std::uint8_t xor_of(std::string_view bytes);
std::uint32_t sum_of(std::string_view bytes);

}  // namespace ferrule::drivers::serial
