// A value as mapping state keeps it, one or more for each point there is: in 16 bytes, text on the heap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "drivers/reading.hpp"

namespace ferrule::mapping {

/// The alternatives of drivers::Value, and none: nothing is known yet.
using KeptValue =
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::unique_ptr<const std::string>>;

inline KeptValue keep(const drivers::Value& value) {
  return std::visit(
      [](const auto& v) -> KeptValue {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
          return std::make_unique<const std::string>(v);
        } else {
          return v;
        }
      },
      value);
}

/// The way back; false for none.
inline drivers::Value value_of(const KeptValue& value) {
  return std::visit(
      [](const auto& v) -> drivers::Value {
        using Kept = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<Kept, std::monostate>) {
          return false;
        } else if constexpr (std::is_same_v<Kept, std::unique_ptr<const std::string>>) {
          return *v;
        } else {
          return v;
        }
      },
      value);
}

inline KeptValue copy(const KeptValue& value) {
  return std::visit(
      [](const auto& v) -> KeptValue {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::unique_ptr<const std::string>>) {
          return std::make_unique<const std::string>(*v);
        } else {
          return v;
        }
      },
      value);
}

inline bool is_none(const KeptValue& value) { return std::holds_alternative<std::monostate>(value); }

}  // namespace ferrule::mapping
