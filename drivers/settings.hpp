// The `buses`, `templates` and `devices` sections of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/node.hpp"

namespace ferrule::drivers {

enum class BusType : std::uint8_t { ModbusTcp, ModbusRtu };
enum class Table : std::uint8_t { Coil, Discrete, Input, Holding };  ///< function codes 1, 2, 4, 3
enum class Type : std::uint8_t { Bool, Int16, Uint16, Int32, Uint32, Float32 };
enum class ByteOrder : std::uint8_t { ABCD, BADC, CDAB, DCBA };      ///< A is the most significant byte
enum class Parity : std::uint8_t { None, Even, Odd };

struct LineSettings {
  int baud = 9600;
  int data_bits = 8;
  Parity parity = Parity::Even;
  int stop_bits = 1;
};

struct PointSettings {
  std::string name;
  Table table = Table::Holding;
  std::uint16_t address = 0;  ///< as on the wire (address_base already subtracted)
  Type type = Type::Uint16;
  ByteOrder byte_order = ByteOrder::ABCD;
  double scale = 1;
  double offset = 0;
  std::string unit;
  std::chrono::milliseconds interval{1000};
  config::Node publish;  ///< the point's own map, from which the gateway reads its publish rule overrides (qos, retain, ...)
  config::Node publish_template;  ///< the template's map of the same point
};

struct DeviceSettings {
  std::string name;
  std::uint8_t unit_id = 1;
  std::uint16_t max_gap = 8;
  std::uint16_t max_registers = 125;
  std::vector<PointSettings> points;
  config::Node publish;  ///< the device's map, likewise
  config::Node publish_template;  ///< its template's map, whose rules the device's own override
  config::Location where;
};

struct BusSettings {
  std::string name;
  BusType type = BusType::ModbusTcp;
  std::string host;
  std::uint16_t port = 502;
  std::string path;  ///< of the serial device or pty
  LineSettings line;
  std::chrono::milliseconds timeout{500};
  int retries = 1;
  std::chrono::milliseconds gap{0};
  int offline_after = 3;
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> offline_retry{1000, 60000};
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> reconnect{1000, 30000};
  std::vector<DeviceSettings> devices;
  config::Location where;
};

/// Reads `buses`, `templates` and `devices` of the root. Mistakes go to the document: unknown bus of a device, a unit id used
/// twice on a bus, the same host:port or serial device in two buses, a point beyond address 65535, a bus without devices ...
std::vector<BusSettings> read_buses(const config::Node& root);

}  // namespace ferrule::drivers
