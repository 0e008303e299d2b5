// A hostile master: whatever it sends is refused, or answered within its own registers, and nothing is written that a
// write does not say. Input: a stream of bytes from a TCP connection, or with an odd first byte from a line.
#include <algorithm>
#include <array>
#include <cstdint>

#include "drivers/modbus/request_framing.hpp"
#include "drivers/modbus_server/request.hpp"
#include "drivers/modbus_server/unit_table.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::drivers;
using namespace ferrule::drivers::modbus_server;
using ferrule::fuzz::require;

std::vector<ExposedPoint> points() {
  std::vector<ExposedPoint> points;
  const auto add = [&](Table table, std::uint16_t address, Type type) {
    auto& point = points.emplace_back();
    point.encoding.table = table;
    point.encoding.address = address;
    point.encoding.type = type;
    point.encoding.length = 5;
    point.writable = true;
    point.point = static_cast<PointIndex>(points.size() - 1);
  };
  add(Table::Coil, 0, Type::Bool);
  add(Table::Coil, 65535, Type::Bool);
  add(Table::Holding, 0, Type::Float32);
  add(Table::Holding, 2, Type::String);
  add(Table::Holding, 5, Type::Bcd16);
  add(Table::Holding, 65532, Type::Uint64);
  return points;
}

void serve(modbus::Framing framing, std::span<const std::uint8_t> bytes, UnitTable& table) {
  const auto frame = parse_frame(framing, bytes);
  if (!frame) return;
  const auto refusal = exception_frame(framing, bytes, 1);
  require(refusal.size() <= ferrule::drivers::modbus::kMaxRequest, "an answer fits into a frame");
  const auto request = parse_request(frame->pdu);
  if (!request) return;
  require(std::uint32_t{request->address} + request->count <= 65536, "a request ends with the last register");
  if (request->count == 0) return;
  if (!request->writes) {
    table.refresh(*request, [](const ExposedPoint& point) {
      return Shown{Value(std::uint64_t{point.point}), Quality::Good, Failure::None};
    });
    return;
  }
  require(request->values.size() == request->count, "a write has a value for each register");
  const auto writes = table.writes(*request);
  require(!writes || (!writes->empty() && writes->size() <= 6), "a write is about the points that there are");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const auto exposed = points();
  static UnitTable table(exposed);
  const bool line = (data[0] & 1) != 0;
  std::span<const std::uint8_t> rest(data + 1, size - 1);
  while (true) {
    const auto length = line ? modbus::rtu_request_length(rest) : modbus::tcp_request_length(rest);
    if (!length || *length == 0 || *length > modbus::kMaxRequest || *length > rest.size()) return 0;
    serve(line ? modbus::Framing::Rtu : modbus::Framing::Tcp, rest.first(*length), table);
    rest = rest.subspan(*length);
  }
}
