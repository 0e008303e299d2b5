// The `modbus_servers` section of the configuration as plain structs: what Ferrule shows to other masters.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/reading.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus_server {

/// A point of a bus in the tables of one of the server's units.
struct ExposedPoint {
  std::string name;  ///< of the point it shows: `meter1/voltage`
  std::size_t bus = 0;
  PointIndex point = 0;
  std::uint8_t unit = 1;
  Encoding encoding;
  bool writable = false;
  std::optional<std::uint64_t> sentinel{};  ///< raw: shown while there is no good value; nothing: an exception
  config::Location where;
};

/// Units of a bus that other masters reach through the server.
struct Share {
  std::size_t bus = 0;
  std::vector<std::uint8_t> units;
  std::chrono::milliseconds max_age{1000};  ///< of an answer that may stand for another; 0: each request goes out
  std::chrono::milliseconds timeout{2000};  ///< a request that could not be sent for so long is refused
  bool writes = false;
};

struct ServerSettings {
  std::string name;
  bool on_line = false;  ///< a serial line; else TCP
  std::string host = "127.0.0.1";
  std::uint16_t port = 1502;
  std::string path;
  LineSettings line;
  std::size_t max_connections = 16;
  std::chrono::milliseconds idle_close{std::chrono::minutes{10}};  ///< 0: never
  std::uint8_t own_unit = 1;         ///< whom TCP masters mean by unit 0 and 255 where nobody has these
  std::vector<ExposedPoint> points;  ///< by unit, table and address
  std::vector<Share> shares;
  config::Location where;
};

/// Reads one server's map but `listen` and `allow`. Mistakes go to the document: a
/// point or bus that is not there, registers of two points, a write to what cannot be written ...
ServerSettings read_server(std::string name, const config::Node& node, const std::vector<BusSettings>& buses);

}  // namespace ferrule::drivers::modbus_server
