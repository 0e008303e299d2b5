// A device of the configuration, made from a DBC file.
#pragma once

#include <string>

#include "drivers/can/dbc.hpp"

namespace ferrule::drivers::can {

/// What the text calls things.
struct ImportNames {
  std::string file;  ///< of the DBC file, as `dbc:` will have it
  std::string bus = "can";
  std::string interface = "can0";
  std::string device;
};

/// `buses` and `devices` as YAML: a point for each signal of a classic frame, by the signal's name, or MESSAGE_SIGNAL
/// where several messages have one of that name. What the file says of it stands beside it as a comment.
std::string as_yaml(const Dbc& dbc, const ImportNames& names);

}  // namespace ferrule::drivers::can
