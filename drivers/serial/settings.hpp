// What the configuration says of a serial sensor: how it is asked, how it speaks, where its values are.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "drivers/serial/frame_rule.hpp"
#include "drivers/settings.hpp"
#include "drivers/settings_layers.hpp"

namespace ferrule::drivers::serial {

/// How the values stand in a frame.
enum class Form : std::uint8_t {
  Match,  ///< text: groups of a regular expression
  Split,  ///< text: fields between separators
  Pairs,  ///< text: key=value
  Json,   ///< text: one JSON value
  Bytes,  ///< binary
};

/// Where one point's value stands. How it is written is in its Encoding.
struct PointRule {
  Form form = Form::Match;
  std::string match;      ///< Form::Match: the regular expression
  std::string from;       ///< group, key, JSON pointer (RFC 6901; empty: the whole document)
  std::size_t index = 0;  ///< Form::Split: the field, from 0 on; Form::Bytes: offset in the whole frame
  std::string only;       ///< a regular expression for the frames that are meant; empty: all
  std::string separator;  ///< Form::Split, Form::Pairs
  std::string assign;     ///< Form::Pairs: between key and value
  bool comma = false;     ///< text: the decimal separator is a comma
  bool hex = false;       ///< text: an integer in hexadecimal digits
  std::chrono::milliseconds stale_after{0};  ///< 0: never
};

/// DeviceSettings::own of a device on a serial bus.
struct SensorSettings final : DriverSettings {
  std::string request;  ///< bytes; empty: the device talks by itself
  std::chrono::milliseconds timeout{500};
  FrameRule frame;
  std::vector<PointRule> points;  ///< beside DeviceSettings::points
  bool talks() const { return request.empty(); }
};

void read_bus(const config::Node& node, BusSettings& bus);

/// See DriverEntry::read_device.
void read_device(const Layers& layers, const BusSettings* bus, DeviceSettings& device);

}  // namespace ferrule::drivers::serial
