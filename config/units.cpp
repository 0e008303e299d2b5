#include "config/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "config/text.hpp"

namespace ferrule::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// From big to small: that is also the order they may follow each other in.
constexpr std::array kDurations = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                   Unit{"ms", 1}};
constexpr std::array kSizes = {Unit{"TiB", 1ULL << 40U}, Unit{"TB", 1'000'000'000'000},
                               Unit{"GiB", 1ULL << 30U}, Unit{"GB", 1'000'000'000},
                               Unit{"MiB", 1ULL << 20U}, Unit{"MB", 1'000'000},
                               Unit{"KiB", 1ULL << 10U}, Unit{"KB", 1000},
                               Unit{"kB", 1000},         Unit{"B", 1}};

// Other spellings that can only mean one thing; they are not read, but named in the hint.
struct Spelling {
  std::string_view written;
  std::string_view unit;
};
constexpr std::array kDurationSpellings = {
    Spelling{"sec", "s"}, Spelling{"secs", "s"}, Spelling{"second", "s"}, Spelling{"seconds", "s"},
    Spelling{"min", "m"}, Spelling{"mins", "m"}, Spelling{"minute", "m"}, Spelling{"minutes", "m"},
    Spelling{"hr", "h"},  Spelling{"hrs", "h"},  Spelling{"hour", "h"},   Spelling{"hours", "h"},
    Spelling{"day", "d"}, Spelling{"days", "d"}, Spelling{"msec", "ms"},  Spelling{"milliseconds", "ms"},
    Spelling{"MS", "ms"}, Spelling{"Ms", "ms"},  Spelling{"S", "s"},      Spelling{"H", "h"},
    Spelling{"D", "d"},   Spelling{"mS", "ms"},  Spelling{"millis", "ms"}};
constexpr std::array kSizeSpellings = {Spelling{"K", "KB"},   Spelling{"k", "KB"},   Spelling{"M", "MB"},
                                       Spelling{"G", "GB"},   Spelling{"T", "TB"},   Spelling{"Ki", "KiB"},
                                       Spelling{"Mi", "MiB"}, Spelling{"Gi", "GiB"}, Spelling{"Ti", "TiB"}};

struct Part {
  std::string_view whole;     // digits
  std::string_view fraction;  // digits behind a point
  std::string_view blank;
  std::string_view unit;  // letters
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <class Predicate>
std::string_view take_while(std::string_view& rest, Predicate wanted) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), wanted);
  const auto taken = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest.remove_prefix(taken.size());
  return taken;
}

// Takes one `12.5 ms` off the front; nullopt when there is no number.
std::optional<Part> take_part(std::string_view& rest) {
  Part part;
  part.whole = take_while(rest, is_digit);
  if (part.whole.empty()) return std::nullopt;
  if (rest.size() > 1 && rest[0] == '.' && is_digit(rest[1])) {
    rest.remove_prefix(1);
    part.fraction = take_while(rest, is_digit);
  }
  part.blank = take_while(rest, [](char c) { return c == ' '; });
  part.unit = take_while(rest, is_letter);
  return part;
}

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  const auto found = std::find_if(units.begin(), units.end(), [name](const Unit& unit) { return unit.name == name; });
  return found == units.end() ? nullptr : &*found;
}

template <std::size_t N, std::size_t M>
const Unit* guess_unit(const std::array<Unit, N>& units, const std::array<Spelling, M>& spellings,
                       std::string_view name) {
  for (const auto& spelling : spellings)
    if (spelling.written == name) return find_unit(units, spelling.unit);
  if (name == "M") return nullptr;  // minutes, months or mega: no guess
  for (const auto& unit : units)
    if (unit.name.size() > 1 && lower(unit.name) == lower(name)) return &unit;
  return nullptr;
}

std::optional<std::uint64_t> to_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc{}) return std::nullopt;
  return value;
}

// `1.5` units as a whole number of smallest units, if it is one: what to write instead of a fraction.
std::optional<std::uint64_t> exact(const Part& part, std::uint64_t factor) {
  if (part.fraction.size() > 9) return std::nullopt;
  const auto whole = to_number(part.whole);
  const auto fraction = part.fraction.empty() ? std::optional<std::uint64_t>(0) : to_number(part.fraction);
  if (!whole || !fraction || *whole > 1'000'000'000) return std::nullopt;
  std::uint64_t scale = 1;
  for (std::size_t i = 0; i < part.fraction.size(); ++i) scale *= 10;
  if (*fraction != 0 && factor > std::numeric_limits<std::uint64_t>::max() / *fraction) return std::nullopt;
  if (*fraction * factor % scale != 0 || *whole > std::numeric_limits<std::uint64_t>::max() / 2 / factor)
    return std::nullopt;
  return *whole * factor + *fraction * factor / scale;
}

template <class Text>
std::string did_you_mean(std::optional<std::uint64_t> value, Text text) {
  return value ? fmt::format("did you mean {}?", text(*value)) : std::string{};
}

std::string milliseconds_text(std::uint64_t value) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return duration_text(std::chrono::milliseconds{static_cast<std::int64_t>(std::min(value, kMax))});
}

// Adds `whole` x `factor` to `sum`; false when that leaves `max`.
bool add(std::uint64_t& sum, std::string_view whole, std::uint64_t factor, std::uint64_t max) {
  const auto value = to_number(whole);
  if (!value || *value > max / factor || *value * factor > max - sum) return false;
  sum += *value * factor;
  return true;
}

}  // namespace

tl::expected<std::chrono::milliseconds, Misread> parse_duration(std::string_view word) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto not_a_duration = [] {
    return tl::unexpected(Misread{"must be a duration, e.g. 500ms, 10s or 1h30m", {}});
  };
  if (word == "0") return std::chrono::milliseconds{0};
  if (word.size() > 1 && word[0] == '-' && is_digit(word[1]))
    return tl::unexpected(Misread{"must not be negative", {}});
  std::uint64_t sum = 0;
  const Unit* previous = nullptr;
  auto rest = word;
  do {
    const auto part = take_part(rest);
    if (!part) return not_a_duration();
    if (part->unit.empty()) {
      if (!rest.empty() || !part->blank.empty()) return not_a_duration();
      if (!part->fraction.empty()) {
        return tl::unexpected(Misread{fmt::format("needs a unit, e.g. {}.{}s", part->whole, part->fraction), {}});
      }
      return tl::unexpected(Misread{fmt::format("needs a unit, e.g. {0}ms or {0}s", part->whole), {}});
    }
    const auto* unit = find_unit(kDurations, part->unit);
    const auto* meant = unit != nullptr ? unit : guess_unit(kDurations, kDurationSpellings, part->unit);
    const bool only = previous == nullptr && rest.empty();
    const auto hint =
        only && meant != nullptr ? did_you_mean(exact(*part, meant->factor), milliseconds_text) : std::string{};
    if (unit == nullptr) {
      return tl::unexpected(Misread{fmt::format("has no unit \"{}\"; units are ms, s, m, h and d", part->unit), hint});
    }
    if (!part->fraction.empty()) return tl::unexpected(Misread{"must be a whole number of its unit", hint});
    if (!part->blank.empty()) return tl::unexpected(Misread{"must have no blank before its unit", hint});
    if (previous != nullptr && unit <= previous) {
      return tl::unexpected(Misread{"must name its units from big to small, each once, e.g. 1h30m", {}});
    }
    if (!add(sum, part->whole, unit->factor, kMax)) return tl::unexpected(Misread{"is too long a duration", {}});
    previous = unit;
  } while (!rest.empty());
  return std::chrono::milliseconds{static_cast<std::int64_t>(sum)};
}

std::string duration_text(std::chrono::milliseconds duration) {
  const auto count = duration.count();
  // Negation of the smallest number overflows; as an unsigned number it does not.
  auto left = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  if (left == 0) return "0s";
  std::string text = count < 0 ? "-" : "";
  for (const auto& unit : kDurations) {
    if (left >= unit.factor) text += fmt::format("{}{}", left / unit.factor, unit.name);
    left %= unit.factor;
  }
  return text;
}

tl::expected<std::uint64_t, Misread> parse_size(std::string_view word) {
  if (word == "0") return std::uint64_t{0};
  auto rest = word;
  const auto part = take_part(rest);
  if (!part || !rest.empty()) return tl::unexpected(Misread{"must be a size, e.g. 512MB or 64KiB", {}});
  if (part->unit.empty()) {
    return tl::unexpected(Misread{fmt::format("needs a unit, e.g. {0}B, {0}KB or {0}MiB", part->whole), {}});
  }
  const auto* unit = find_unit(kSizes, part->unit);
  const auto* meant = unit != nullptr ? unit : guess_unit(kSizes, kSizeSpellings, part->unit);
  const auto hint = meant != nullptr ? did_you_mean(exact(*part, meant->factor), size_text) : std::string{};
  if (unit == nullptr) {
    return tl::unexpected(Misread{
        fmt::format("has no unit \"{}\"; units are B, KB, MB, GB, TB and KiB, MiB, GiB, TiB", part->unit), hint});
  }
  if (!part->fraction.empty()) return tl::unexpected(Misread{"must be a whole number of its unit", hint});
  if (!part->blank.empty()) return tl::unexpected(Misread{"must have no blank before its unit", hint});
  std::uint64_t bytes = 0;
  if (!add(bytes, part->whole, unit->factor, std::numeric_limits<std::uint64_t>::max())) {
    return tl::unexpected(Misread{"is too big a size", {}});
  }
  return bytes;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == 0) return "0B";
  for (const auto& unit : kSizes)
    if (bytes % unit.factor == 0) return fmt::format("{}{}", bytes / unit.factor, unit.name);
  return fmt::format("{}B", bytes);
}

}  // namespace ferrule::config
