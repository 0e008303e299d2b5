#include "bridge/metric_value.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <variant>

namespace ferrule::bridge {

namespace {

using mqtt::sparkplug::Datatype;
using mqtt::sparkplug::Value;

/// What a metric's value is, whatever its width.
using Plain = std::variant<std::monostate, std::int64_t, std::uint64_t, double, bool, std::string>;

constexpr bool is_signed(Datatype type) { return type >= Datatype::Int8 && type <= Datatype::Int64; }

Plain plain(const Value& value, Datatype type) {
  if (const auto* number = std::get_if<std::uint32_t>(&value)) {
    if (type == Datatype::Int8) return std::int64_t{static_cast<std::int8_t>(*number)};
    if (type == Datatype::Int16) return std::int64_t{static_cast<std::int16_t>(*number)};
    if (is_signed(type)) return std::int64_t{static_cast<std::int32_t>(*number)};
    return std::uint64_t{*number};
  }
  if (const auto* number = std::get_if<std::uint64_t>(&value)) {
    if (is_signed(type)) return static_cast<std::int64_t>(*number);
    return *number;
  }
  if (const auto* number = std::get_if<float>(&value)) return double{*number};
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return {};
}

/// The nearest integer of that type.
template <class Integer>
Integer clamp_to(const Plain& value) {
  constexpr auto kLeast = std::numeric_limits<Integer>::min();
  constexpr auto kMost = std::numeric_limits<Integer>::max();
  return std::visit(
      [](const auto& number) -> Integer {
        using Number = std::decay_t<decltype(number)>;
        if constexpr (std::is_same_v<Number, bool>) {
          return number ? 1 : 0;
        } else if constexpr (std::is_same_v<Number, double>) {
          if (number <= static_cast<double>(kLeast)) return kLeast;
          if (number >= static_cast<double>(kMost)) return kMost;
          return static_cast<Integer>(std::round(number));
        } else if constexpr (std::is_integral_v<Number>) {
          if (std::cmp_less(number, kLeast)) return kLeast;
          if (std::cmp_greater(number, kMost)) return kMost;
          return static_cast<Integer>(number);
        } else {
          return 0;
        }
      },
      value);
}

template <class Integer, class Wire>
Value integer(const Plain& value) {
  return static_cast<Wire>(clamp_to<Integer>(value));
}

double number_of(const Plain& value) {
  return std::visit(
      [](const auto& held) -> double {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) return static_cast<double>(held);
        return std::numeric_limits<double>::quiet_NaN();
      },
      value);
}

std::string text_of(const Plain& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::visit(
      [](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) return nlohmann::json(held).dump();
        return {};
      },
      value);
}

}  // namespace

Value cast(const Value& value, Datatype from, Datatype to) {
  const auto known = plain(value, from);
  if (std::holds_alternative<std::monostate>(known)) return {};
  if (to == Datatype::String) return text_of(known);
  const double number = number_of(known);
  if (!std::isfinite(number)) return {};  // text is none, and no number has a place on every host
  switch (to) {
    case Datatype::Int8:
      return integer<std::int8_t, std::uint32_t>(known);
    case Datatype::Int16:
      return integer<std::int16_t, std::uint32_t>(known);
    case Datatype::Int32:
      return integer<std::int32_t, std::uint32_t>(known);
    case Datatype::Int64:
      return integer<std::int64_t, std::uint64_t>(known);
    case Datatype::UInt8:
      return integer<std::uint8_t, std::uint32_t>(known);
    case Datatype::UInt16:
      return integer<std::uint16_t, std::uint32_t>(known);
    case Datatype::UInt32:
      return integer<std::uint32_t, std::uint32_t>(known);
    case Datatype::UInt64:
      return integer<std::uint64_t, std::uint64_t>(known);
    case Datatype::Float:
      return static_cast<float>(number);
    case Datatype::Double:
      return number;
    case Datatype::Boolean:
      return number != 0;
    case Datatype::String:
      break;
  }
  return {};
}

std::string json_of(const Value& value, Datatype type) {
  // A float is sent as the shortest text that reads back as the same float: 23.4, not 23.399999618530273.
  if (const auto* number = std::get_if<float>(&value)) {
    return std::isfinite(*number) ? fmt::format("{}", *number) : "";
  }
  return std::visit(
      [](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::monostate>)
          return {};
        else
          return nlohmann::json(held).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      },
      plain(value, type));
}

}  // namespace ferrule::bridge
