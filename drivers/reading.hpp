// What a field device is asked for and what came back: the values that cross from a bus thread to the rest of the
// gateway.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace ferrule::drivers {

/// A decoded value. 64-bit integers never pass through a double.
using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string>;

/// OPC UA's three classes. The cause of anything but Good is the Failure beside it.
enum class Quality : std::uint8_t { Good, Uncertain, Bad };
std::string_view name(Quality);  ///< "good", "uncertain", "bad"

/// Why there is no good value, named by what follows from it.
enum class Failure : std::uint8_t {
  None,
  Timeout,   ///< no answer in time: the unit counts a miss; other units on the bus are not affected
  BadReply,  ///< an answer that is not one to our request (CRC, unit, function, length): discarded, the bus is drained
             ///< to silence
  DeviceBusy,     ///< exception 04, 05, 06: ask again later; the unit is alive
  PointRejected,  ///< exception 01, 02, 03: this address is wrong; polling of the unit's other registers is allowed
  UnitOffline,    ///< exception 0A, 0B from a gateway: the unit is absent, the connection stays
  PortLost,       ///< the connection or the serial port is gone: every unit on the bus is affected
  Invalid,        ///< the value is the configured sentinel, or not a number
  Stale,          ///< the device goes on talking, but has not said this value again for longer than it is good for
  // Found by the mapping; the value beside it is Uncertain.
  Clamped,      ///< it lay beyond its limits and is shown at the nearer one
  UnknownCode,  ///< a number for which the configuration has no word: it is shown itself
  ClockNotSet,  ///< read before the clock was right: the value is, its time is not
};
inline constexpr std::size_t kFailures = 12;  ///< how many enumerators there are, for tables by cause
std::string_view name(Failure);  ///< "", "timeout", "bad-reply", "device-busy", "point-rejected", "unit-offline",
                                 ///< "port-lost", "invalid", "stale", "clamped", "unknown-code", "clock-not-set"
/// Whether nothing is heard of the device, so that none of its values is known any more.
bool is_silent(Failure);

/// Index of a point in the list that its bus was built with: dense, constant after construction.
using PointIndex = std::uint32_t;

/// The outcome of polling one point once.
struct Reading {
  PointIndex point = 0;
  Quality quality = Quality::Bad;
  Failure failure = Failure::None;
  Value value;  ///< meaningful only when the quality is Good; else the monostate of the variant (false)
  std::chrono::system_clock::time_point at;    ///< UTC, when the answer was complete
  std::chrono::steady_clock::time_point seen;  ///< the same on the monotonic clock
};

}  // namespace ferrule::drivers
