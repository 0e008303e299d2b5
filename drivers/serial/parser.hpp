// Finds the values of a device's points in its frames.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/serial/framer.hpp"
#include "drivers/serial/pattern.hpp"
#include "drivers/serial/settings.hpp"
#include "drivers/serial/value.hpp"

namespace ferrule::drivers::serial {

/// Pure logic; used by one thread.
class Parser {
 public:
  struct Found {
    std::size_t point;  ///< of the device
    modbus::Decoded decoded;
  };

  /// Takes what it needs of both. `encodings` are the device's points.
  Parser(const SensorSettings& sensor, const std::vector<PointSettings>& encodings);

  /// What the frame says, at most one value a point. A point that the frame does not mention (its `only` does not
  /// match, it has no such group, field, key or byte) is not among it; one whose place is empty, or does not hold a
  /// value of its type, is Bad with Failure::Invalid.
  const std::vector<Found>& parse(const Frame& frame);

 private:
  struct Point {
    PointRule rule;
    Encoding encoding;
    std::size_t match;  // index of a pattern; kNone
    std::size_t only;
    std::size_t group = 0;
  };
  struct Matched {
    bool tried = false;
    bool matches = false;
  };
  class Document;  // the frame as JSON

  std::size_t pattern_of(const std::string& text);
  bool matches(std::size_t pattern, std::string_view text);
  void parse_text(const Point& point, std::size_t number, std::string_view text, Document& document);
  void add(std::size_t number, const Point& point, std::string_view written);

  std::map<std::string, std::size_t> by_text_;  // patterns that several points share are tried once a frame
  std::vector<Pattern> patterns_;
  std::vector<Matched> matched_;
  std::vector<Point> points_;
  std::vector<Found> found_;
};

}  // namespace ferrule::drivers::serial
