// What the points of all drivers have in common.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers {

/// Shortest and longest poll interval.
inline constexpr std::chrono::milliseconds kMinInterval{10};
inline constexpr std::chrono::milliseconds kMaxInterval{std::chrono::hours{24}};

inline constexpr std::array kTypes{
    config::Choice<Type>{"bool", Type::Bool},       config::Choice<Type>{"int8", Type::Int8},
    config::Choice<Type>{"uint8", Type::Uint8},     config::Choice<Type>{"int16", Type::Int16},
    config::Choice<Type>{"uint16", Type::Uint16},   config::Choice<Type>{"int32", Type::Int32},
    config::Choice<Type>{"uint32", Type::Uint32},   config::Choice<Type>{"int64", Type::Int64},
    config::Choice<Type>{"uint64", Type::Uint64},   config::Choice<Type>{"float16", Type::Float16},
    config::Choice<Type>{"float32", Type::Float32}, config::Choice<Type>{"float64", Type::Float64},
    config::Choice<Type>{"bcd16", Type::Bcd16},     config::Choice<Type>{"bcd32", Type::Bcd32},
    config::Choice<Type>{"string", Type::String}};
inline constexpr std::array kByteOrders{
    config::Choice<ByteOrder>{"ABCD", ByteOrder::ABCD}, config::Choice<ByteOrder>{"BADC", ByteOrder::BADC},
    config::Choice<ByteOrder>{"CDAB", ByteOrder::CDAB}, config::Choice<ByteOrder>{"DCBA", ByteOrder::DCBA}};

/// The word of a value that has one.
template <class T, std::size_t N>
std::string_view word_of(T value, const std::array<config::Choice<T>, N>& choices) {
  return std::find_if(choices.begin(), choices.end(), [&](const auto& choice) { return choice.value == value; })->word;
}

/// The points of a device over those of its template: the template's first, in its order, then the device's further
/// ones. A name that cannot be a level of a topic is a mistake.
std::vector<std::pair<std::string, Layers>> named_points(const Layers& device);

/// A point's name, unit, interval and the maps of its publish keys.
PointSettings read_common(std::string name, const Layers& layers, std::chrono::milliseconds interval);

/// Reads `write: true`, or a map of limits, into a point whose type is known. False when nothing is ever to be written.
bool read_write(const config::Node& node, PointSettings& point);

/// Records a mistake at `node` unless `name` can be a level of a topic: not empty, without `/`, `+`, `#` and control
/// characters.
void check_topic_level(std::string_view name, const config::Node& node);

}  // namespace ferrule::drivers
