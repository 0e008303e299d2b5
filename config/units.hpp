// Durations and sizes as people write them: `1h30m`, `512MB`.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace ferrule::config {

/// Why a word is not what it should be, and what to write instead (may be empty).
struct Misread {
  std::string message;  ///< follows the name of the value: "needs a unit, e.g. 500ms"
  std::string hint;
};

/// `500ms`, `1s`, `5m`, `2h`, `30d`, and several with falling units: `1h30m`. `0` needs no unit. Never negative.
tl::expected<std::chrono::milliseconds, Misread> parse_duration(std::string_view word);

/// The shortest text that parse_duration reads back as the same: `1m30s`. Negative durations get a leading minus.
std::string duration_text(std::chrono::milliseconds duration);

/// Bytes: `100B`, `512MB` (KB MB GB TB: powers of 1000; kB is KB), `64KiB` (KiB MiB GiB TiB: of 1024). `0` needs no
/// unit.
tl::expected<std::uint64_t, Misread> parse_size(std::string_view word);

/// A text that parse_size reads back as the same: in the biggest unit that divides it.
std::string size_text(std::uint64_t bytes);

}  // namespace ferrule::config
