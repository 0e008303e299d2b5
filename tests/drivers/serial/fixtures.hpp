// Recorded in the shape of real devices, byte for byte: what they say, how the configuration describes them, and what
// is understood of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ferrule::drivers::serial {

struct Fixture {
  std::string name;
  std::string yaml;                 ///< the device's map, in flow style
  std::string bytes;                ///< as they come
  std::vector<std::string> frames;  ///< what of them are frames: the text between start and checksum
  std::vector<std::string> values;  ///< `point=value`, one for each value found, in order
};

/// The sentence with its checksum and line end.
std::string nmea(std::string_view body);

std::vector<Fixture> fixtures();

}  // namespace ferrule::drivers::serial
