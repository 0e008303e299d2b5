#include "drivers/modbus/simulated_slave.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::milliseconds;

constexpr std::uint8_t kIllegalDataAddress = 0x02;
constexpr std::uint8_t kGatewayTargetFailed = 0x0B;

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// The unit stands before it: after the MBAP header's six other bytes, or first.
constexpr std::size_t function_at(Framing framing) { return framing == Framing::Tcp ? 7 : 1; }

// What a request reads or writes.
struct Access {
  Table table = Table::Holding;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // one past the last; equal to begin: nothing
};
struct Accesses {
  Access read;
  Access write;
};

// `pdu` begins with the function code: function, address, count or value, and for 23 a second address and count.
Accesses accesses_of(std::span<const std::uint8_t> pdu) {
  if (pdu.size() < 5) return {};
  const std::uint32_t address = word_at(pdu, 1);
  const std::uint32_t count = word_at(pdu, 3);
  switch (pdu[0]) {
    case 1:
      return {{Table::Coil, address, address + count}, {}};
    case 2:
      return {{Table::Discrete, address, address + count}, {}};
    case 3:
      return {{Table::Holding, address, address + count}, {}};
    case 4:
      return {{Table::Input, address, address + count}, {}};
    case 5:
      return {{}, {Table::Coil, address, address + 1}};
    case 6:
    case 22:
      return {{}, {Table::Holding, address, address + 1}};
    case 15:
      return {{}, {Table::Coil, address, address + count}};
    case 16:
      return {{}, {Table::Holding, address, address + count}};
    case 23: {
      if (pdu.size() < 9) return {};
      const std::uint32_t written = word_at(pdu, 5);
      return {{Table::Holding, address, address + count}, {Table::Holding, written, written + word_at(pdu, 7)}};
    }
    default:
      return {};
  }
}

struct LivePoint {
  SimulatedPoint point;
  std::uint32_t end;
  Signal signal;
  bool written = false;

  bool within(const Access& access) const {
    const auto& place = point.encoding;
    return place.table == access.table && place.address < access.end && access.begin < end;
  }
};

std::uint32_t end_of(const Encoding& place) {
  return std::uint32_t{place.address} + (is_bits(place.table) ? 1u : registers_of(place));
}

std::array<Range, 4> ranges_of(const std::vector<SimulatedPoint>& points) {
  std::array<Range, 4> ranges{};
  for (const auto& point : points) {
    const auto& place = point.encoding;
    auto& range = ranges[static_cast<std::size_t>(place.table)];
    const auto begin = range.count == 0 ? place.address : std::min(range.address, place.address);
    const auto end = std::max(end_of(place), range.count == 0 ? 0 : range.address + range.count);
    range = {begin, std::min<std::uint32_t>(end, 65536) - begin};
  }
  return ranges;
}

// A counter in a register begins again at 0 past the largest number that fits.
double wrapped(double value, const SimulatedPoint& point) {
  const auto largest = largest_count(point.encoding);
  if (point.waveform.shape != Shape::Counter || largest == 0) return value;
  return std::fmod(value, largest + 1);
}

}  // namespace

class SlaveGroup::Slave {
 public:
  Slave(Framing framing, const SimulatedSlave& slave, std::uint64_t seed)
      : unit_id(slave.unit_id),
        function_at_(function_at(framing)),
        faults_(slave.faults),
        refuse_gaps_(slave.refuse_gaps),
        random_(seed + unit_id),
        image_(ranges_of(slave.points)) {
    for (const auto& point : slave.points) {
      const auto place = std::uint64_t{unit_id} << 24 | static_cast<std::uint64_t>(point.encoding.table) << 16 |
                         point.encoding.address;
      points_.push_back({point, end_of(point.encoding), Signal(point.waveform, Random(seed ^ place << 8).next())});
    }
  }

  std::vector<std::uint8_t> execute(std::span<const std::uint8_t> request, const Accesses& accesses,
                                    milliseconds elapsed, Responder& responder) {
    if (refuse_gaps_ && has_gap(accesses.read)) return responder.refuse(request, unit_id, kIllegalDataAddress);
    for (auto& point : points_) {
      if (!point.written && point.within(accesses.read)) refresh(point, elapsed);
    }
    auto bytes = responder.answer(request, unit_id, image_);
    if (!bytes) return {};
    const bool refused = !bytes->empty() && ((*bytes)[function_at_] & 0x80) != 0;
    for (auto& point : points_) point.written = point.written || (!refused && point.within(accesses.write));
    return std::move(*bytes);
  }

  Answer answer(std::span<const std::uint8_t> request, const Accesses& accesses, milliseconds elapsed,
                Responder& responder) {
    auto chance = random_.fraction();
    const auto strikes = [&](double share) {
      chance -= share;
      return chance < 0;
    };
    if (strikes(faults_.exception)) {
      return {responder.refuse(request, unit_id, faults_.exception_code), faults_.delay, true};
    }
    auto bytes = execute(request, accesses, elapsed, responder);
    if (strikes(faults_.drop)) return {{}, faults_.delay, true};
    if (strikes(faults_.late)) return {std::move(bytes), faults_.delay + faults_.lateness, true};
    if (strikes(faults_.garbage)) {
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_.next());
      return {std::move(bytes), faults_.delay, true};
    }
    return {std::move(bytes), faults_.delay, false};
  }

  const std::uint8_t unit_id;

 private:
  bool has_gap(const Access& read) const {
    for (auto at = read.begin; at < read.end; ++at) {
      const Access one{read.table, at, at + 1};
      if (std::none_of(points_.begin(), points_.end(), [&](const auto& point) { return point.within(one); }))
        return true;
    }
    return false;
  }

  void refresh(LivePoint& live, milliseconds elapsed) {
    const auto& place = live.point.encoding;
    const double value = wrapped(live.signal.at(elapsed), live.point);
    if (is_bits(place.table)) {
      image_.set_bit(place.table, place.address, value >= 0.5);
    } else {
      encode(value, place, image_.registers(place.table, place.address, registers_of(place)));
    }
  }

  const std::size_t function_at_;
  const Faults faults_;
  const bool refuse_gaps_;
  Random random_;
  RegisterImage image_;
  std::vector<LivePoint> points_;
};

SlaveGroup::SlaveGroup(Framing framing, const std::vector<SimulatedSlave>& slaves, std::uint64_t seed)
    : framing_(framing) {
  slaves_.reserve(slaves.size());
  for (const auto& slave : slaves) slaves_.emplace_back(framing, slave, seed);
}

SlaveGroup::~SlaveGroup() = default;
SlaveGroup::SlaveGroup(SlaveGroup&&) noexcept = default;

SlaveGroup::Answer SlaveGroup::answer(std::span<const std::uint8_t> request, milliseconds elapsed,
                                      Responder& responder) {
  const auto pdu_at = function_at(framing_);
  if (request.size() <= pdu_at) return {};
  const auto unit = request[pdu_at - 1];
  if (framing_ == Framing::Rtu && unit == 0) return broadcast(request, elapsed, responder);
  const auto slave =
      std::find_if(slaves_.begin(), slaves_.end(), [&](const auto& candidate) { return candidate.unit_id == unit; });
  if (slave != slaves_.end()) return slave->answer(request, accesses_of(request.subspan(pdu_at)), elapsed, responder);
  if (framing_ == Framing::Rtu) return {};
  return {responder.refuse(request, unit, kGatewayTargetFailed)};
}

// Executed by all, answered by none (Modbus serial line V1.02 2.1).
SlaveGroup::Answer SlaveGroup::broadcast(std::span<const std::uint8_t> request, milliseconds elapsed,
                                         Responder& responder) {
  const auto accesses = accesses_of(request.subspan(1));
  for (auto& slave : slaves_) slave.execute(request, accesses, elapsed, responder);
  return {};
}

}  // namespace ferrule::drivers::modbus
