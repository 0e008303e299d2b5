// The tables of one unit of a Modbus server: which register is which point.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/modbus/responder.hpp"
#include "drivers/modbus_server/request.hpp"
#include "drivers/modbus_server/settings.hpp"

namespace ferrule::drivers::modbus_server {

/// Registers, or bits in the bit tables.
std::uint32_t width_of(const Encoding& encoding);

/// Whether two places in the same table cannot both be: some bit is of both, or values of different widths overlap.
bool collide(const Encoding& one, const Encoding& other);

/// The latest of a point. Without a good or uncertain value the failure says why.
struct Shown {
  Value value;
  Quality quality = Quality::Bad;
  Failure failure = Failure::Timeout;  ///< it was not read yet
};

/// What a master writes to a point.
struct PointWrite {
  const ExposedPoint* point;
  Value value;
};

/// One unit. Used by the server's thread only. Every request is about whole values: what would cut one in two, or
/// reaches a register that is no point's, is refused with exception 02.
class UnitTable {
 public:
  using Look = std::function<Shown(const ExposedPoint&)>;

  /// `points` of one unit, sorted by table and address; they outlive the table.
  explicit UnitTable(std::span<const ExposedPoint> points);

  /// Brings what the request reads into the image. The exception that is the answer instead, or 0: 02 see above; for a
  /// point without a value that has no sentinel 0B when its device cannot be reached, else 04, which is also that of a
  /// value that its registers cannot hold.
  std::uint8_t refresh(const Request& request, const Look& look);

  /// The writes of a request, in the order of the registers; or the exception: 02 see above, and for a point that is
  /// not writable; 03 for registers that hold no value of the point's type.
  tl::expected<std::vector<PointWrite>, std::uint8_t> writes(const Request& request) const;

  modbus::RegisterImage& image() { return image_; }

 private:
  tl::expected<std::span<const ExposedPoint>, std::uint8_t> points_of(const Request& request) const;

  const std::span<const ExposedPoint> points_;
  modbus::RegisterImage image_;
};

}  // namespace ferrule::drivers::modbus_server
