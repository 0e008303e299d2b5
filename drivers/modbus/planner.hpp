// Which requests read a device's points: neighbouring points share one, a value never spans two.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

/// Where the answer to a block holds a point.
struct BlockPoint {
  PointIndex point = 0;
  std::uint16_t offset = 0;  ///< registers or bits from the block's first
  std::uint16_t width = 1;   ///< registers or bits
  /// The point's turn is each `every`-th poll of the block, beginning with the first: 1 unless the point is slower than
  /// the block it rides along in. Its own interval is exactly `every` times the block's.
  std::uint32_t every = 1;
};

/// One read request and the points that its answer holds, sorted by offset; never without a point.
struct Block {
  Table table = Table::Holding;
  std::uint16_t address = 0;  ///< as on the wire
  std::uint16_t count = 0;    ///< registers: at most 125; bits: at most 2000
  std::chrono::milliseconds interval{1000};
  std::vector<BlockPoint> points;
};

/// Most registers and bits that one request may ask for (Modbus AP v1.1b3 6.1 and 6.3).
inline constexpr std::uint16_t kMaxRegisters = 125;
inline constexpr std::uint16_t kMaxBits = 2000;

/// Plans the reads of one device; `first` is the index of its first point, the others follow in order.
/// Points of one table and interval share a block when at most `max_gap` unused registers (or bits) lie between them
/// and it stays within `max_registers` (bits: 16 times as many). Points may overlap. A point rides along in the block
/// of a faster one when it lies wholly inside what that reads anyway and its interval is a multiple. Blocks are sorted
/// by interval, fastest first, then table and address. Each point is in exactly one.
std::vector<Block> plan(const DeviceSettings& device, PointIndex first);

/// Halves a block by its points, each half trimmed to what its points need, so that a device that refuses a register
/// between two points still gives both. Needs at least two points; the halves may overlap where the points do. A half
/// with slower points only is read at their pace.
std::pair<Block, Block> split(const Block& block);

}  // namespace ferrule::drivers::modbus
