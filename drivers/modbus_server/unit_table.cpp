#include "drivers/modbus_server/unit_table.hpp"

#include <algorithm>
#include <array>

#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/layout.hpp"
#include "drivers/modbus/write.hpp"

namespace ferrule::drivers::modbus_server {

namespace {

using modbus::is_bits;

// The bits of its registers that are the value's.
std::vector<std::uint16_t> bits_of(const Encoding& encoding) {
  const auto layout = modbus::layout_of(encoding);
  std::vector<std::uint16_t> mask(layout.registers, 0xFFFF);
  if (layout.kind == modbus::Kind::Text || layout.bits == 16 * layout.registers) return mask;
  modbus::spread(modbus::ones(layout.bits) << layout.shift, encoding.byte_order, mask);
  return mask;
}

std::array<modbus::Range, 4> ranges_of(std::span<const ExposedPoint> points) {
  std::array<modbus::Range, 4> ranges{};
  for (const auto& point : points) {
    const std::uint32_t address = point.encoding.address;
    const auto width = width_of(point.encoding);
    auto& range = ranges[static_cast<std::size_t>(point.encoding.table)];
    const auto begin = range.count == 0 ? address : std::min<std::uint32_t>(range.address, address);
    const auto end = std::max(address + width, range.count == 0 ? 0 : range.address + range.count);
    range = {static_cast<std::uint16_t>(begin), end - begin};
  }
  return ranges;
}

/// Why there is no value, as a master is told (Modbus AP v1.1b3 7): the device cannot be reached, or it has none.
std::uint8_t exception_for(Failure failure) { return is_silent(failure) ? kTargetFailed : kDeviceFailure; }

// False when the registers cannot hold the value.
bool put(const Shown& shown, const Encoding& encoding, modbus::RegisterImage& image) {
  const auto raw = modbus::unscaled(shown.value, encoding, 0);
  if (!is_bits(encoding.table)) {
    return modbus::encode(raw, encoding,
                          image.registers(encoding.table, encoding.address, modbus::registers_of(encoding)));
  }
  std::array<std::uint16_t, 1> bit{};
  if (!modbus::encode(raw, Encoding{.type = Type::Bool}, bit)) return false;
  image.set_bit(encoding.table, encoding.address, bit[0] != 0);
  return true;
}

bool is_sentinel(std::span<const std::uint16_t> registers, const ExposedPoint& point) {
  if (!point.sentinel) return false;
  const auto layout = modbus::layout_of(point.encoding);
  const auto raw = modbus::join(registers, point.encoding.byte_order) >> layout.shift & modbus::ones(layout.bits);
  return raw == *point.sentinel;
}

void put_sentinel(std::uint64_t raw, const Encoding& encoding, modbus::RegisterImage& image) {
  const auto layout = modbus::layout_of(encoding);
  const auto registers = image.registers(encoding.table, encoding.address, layout.registers);
  const auto others = modbus::join(registers, encoding.byte_order) & ~(modbus::ones(layout.bits) << layout.shift);
  modbus::spread(others | raw << layout.shift, encoding.byte_order, registers);
}

}  // namespace

std::uint32_t width_of(const Encoding& encoding) {
  return is_bits(encoding.table) ? 1U : modbus::registers_of(encoding);
}

bool collide(const Encoding& one, const Encoding& other) {
  if (is_bits(one.table)) return one.address == other.address;
  if (one.address + width_of(one) <= other.address || other.address + width_of(other) <= one.address) return false;
  if (one.address != other.address || width_of(one) != width_of(other)) return true;
  const auto mine = bits_of(one);
  const auto theirs = bits_of(other);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if ((mine[i] & theirs[i]) != 0) return true;
  }
  return false;
}

UnitTable::UnitTable(std::span<const ExposedPoint> points) : points_(points), image_(ranges_of(points)) {}

/// The points that fill exactly the request's registers.
tl::expected<std::span<const ExposedPoint>, std::uint8_t> UnitTable::points_of(const Request& request) const {
  const auto end = std::uint32_t{request.address} + request.count;
  const auto end_of = [](const ExposedPoint& point) { return point.encoding.address + width_of(point.encoding); };
  const auto first = std::ranges::partition_point(points_, [&](const ExposedPoint& point) {
    return point.encoding.table < request.table ||
           (point.encoding.table == request.table && end_of(point) <= request.address);
  });
  std::uint32_t filled = request.address;
  auto last = first;
  for (; last != points_.end() && last->encoding.table == request.table && last->encoding.address < end; ++last) {
    const bool cut = last->encoding.address < request.address || end_of(*last) > end;
    if (cut || last->encoding.address > filled) return tl::unexpected(kIllegalAddress);
    filled = std::max(filled, end_of(*last));
  }
  if (filled != end) return tl::unexpected(kIllegalAddress);
  return std::span(first, last);
}

std::uint8_t UnitTable::refresh(const Request& request, const Look& look) {
  const auto points = points_of(request);
  if (!points) return points.error();
  for (const auto& point : *points) {
    const auto shown = look(point);
    const bool has_value = shown.quality != Quality::Bad;
    if (has_value && put(shown, point.encoding, image_)) continue;
    if (!point.sentinel) return has_value ? kDeviceFailure : exception_for(shown.failure);
    put_sentinel(*point.sentinel, point.encoding, image_);
  }
  return 0;
}

tl::expected<std::vector<PointWrite>, std::uint8_t> UnitTable::writes(const Request& request) const {
  const auto points = points_of(request);
  if (!points) return tl::unexpected(points.error());
  std::vector<PointWrite> writes;
  for (const auto& point : *points) {
    if (!point.writable) return tl::unexpected(kIllegalAddress);
    const auto first = static_cast<std::size_t>(point.encoding.address - request.address);
    if (is_bits(point.encoding.table)) {
      auto& write = writes.emplace_back();  // in place: GCC 12 at -O2 takes a moved Value for uninitialised
      write.point = &point;
      write.value = request.values[first] != 0;
      continue;
    }
    const auto registers = std::span(request.values).subspan(first, width_of(point.encoding));
    auto decoded = modbus::decode(registers, point.encoding);
    if (decoded.quality != Quality::Good || is_sentinel(registers, point)) return tl::unexpected(kIllegalValue);
    auto& write = writes.emplace_back();
    write.point = &point;
    write.value = std::move(decoded.value);
  }
  return writes;
}

}  // namespace ferrule::drivers::modbus_server
