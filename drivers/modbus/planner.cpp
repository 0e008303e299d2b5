#include "drivers/modbus/planner.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <span>
#include <tuple>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::modbus {

namespace {

// A point by its place on the wire. `end` is one past its last register and may be 65536.
struct Span {
  Table table;
  std::uint32_t begin;
  std::uint32_t end;
  std::chrono::milliseconds interval;
  PointIndex point;
};

std::vector<Span> spans_of(const DeviceSettings& device, PointIndex first) {
  std::vector<Span> spans;
  spans.reserve(device.points.size());
  for (const auto& point : device.points) {
    const auto extent = extent_of(point);
    const std::uint32_t begin = extent.address;
    spans.push_back({point.table, begin, begin + extent.width, point.interval, first++});
  }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tie(a.interval, a.table, a.begin, a.end, a.point) <
           std::tie(b.interval, b.table, b.begin, b.end, b.point);
  });
  return spans;
}

std::uint32_t end_of(const Block& block) { return std::uint32_t{block.address} + block.count; }

void add(Block& block, const Span& span, std::uint32_t every) {
  block.points.push_back({span.point, static_cast<std::uint16_t>(span.begin - block.address),
                          static_cast<std::uint16_t>(span.end - span.begin), every});
}

Block block_of(const Span& span) {
  Block block{span.table,
              static_cast<std::uint16_t>(span.begin),
              static_cast<std::uint16_t>(span.end - span.begin),
              span.interval,
              {}};
  add(block, span, 1);
  return block;
}

// Lets the point share a block that reads its registers anyway, and whose interval divides its own.
bool ride_along(std::vector<Block>& blocks, const Span& span) {
  for (auto& block : blocks) {
    const bool inside = block.table == span.table && block.address <= span.begin && span.end <= end_of(block);
    if (!inside || block.interval >= span.interval || span.interval % block.interval != std::chrono::milliseconds{0}) {
      continue;
    }
    add(block, span, static_cast<std::uint32_t>(span.interval / block.interval));
    return true;
  }
  return false;
}

// Lengthens the block over the point when the gap and the length allow it.
bool extend(Block& block, const Span& span, const DeviceSettings& device) {
  const std::uint32_t limit = is_bits(block.table) ? std::min<std::uint32_t>(kMaxBits, 16u * device.max_registers)
                                                   : std::min<std::uint32_t>(kMaxRegisters, device.max_registers);
  const auto end = std::max(end_of(block), span.end);
  const bool fits = block.table == span.table && block.interval == span.interval &&
                    span.begin <= end_of(block) + device.max_gap && end - block.address <= limit;
  if (!fits) return false;
  block.count = static_cast<std::uint16_t>(end - block.address);
  add(block, span, 1);
  return true;
}

// The part of a block that holds these of its points, and no more.
Block trimmed(const Block& block, std::span<const BlockPoint> points) {
  std::uint16_t begin = points.front().offset;
  std::uint32_t end = 0;
  auto every = points.front().every;
  for (const auto& point : points) {
    end = std::max(end, std::uint32_t{point.offset} + point.width);
    every = std::gcd(every, point.every);
  }
  Block part{block.table,
             static_cast<std::uint16_t>(block.address + begin),
             static_cast<std::uint16_t>(end - begin),
             block.interval * every,
             {points.begin(), points.end()}};
  for (auto& point : part.points) {
    point.offset = static_cast<std::uint16_t>(point.offset - begin);
    point.every /= every;
  }
  return part;
}

}  // namespace

std::vector<Block> plan(const DeviceSettings& device, PointIndex first) {
  std::vector<Block> blocks;
  // Fastest first: when a slower point comes, the blocks it could ride along in are final. Its own interval's last
  // block is the only one that can still grow.
  for (const auto& span : spans_of(device, first)) {
    if (ride_along(blocks, span)) continue;
    if (!blocks.empty() && extend(blocks.back(), span, device)) continue;
    blocks.push_back(block_of(span));
  }
  for (auto& block : blocks) {
    std::stable_sort(block.points.begin(), block.points.end(),
                     [](const BlockPoint& a, const BlockPoint& b) { return a.offset < b.offset; });
  }
  return blocks;
}

std::pair<Block, Block> split(const Block& block) {
  assert(block.points.size() >= 2);
  const std::span points(block.points);
  const auto half = points.size() / 2;
  return {trimmed(block, points.first(half)), trimmed(block, points.subspan(half))};
}

}  // namespace ferrule::drivers::modbus
