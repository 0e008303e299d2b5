// The `buses`, `templates` and `devices` sections of the configuration as plain structs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/node.hpp"

namespace ferrule::drivers {

enum class BusType : std::uint8_t {
  ModbusTcp,
  ModbusRtu,     ///< on a serial line
  ModbusRtuTcp,  ///< RTU's frames over TCP: a serial server that passes bytes on
  ModbusAscii,   ///< on a serial line
  ModbusAsciiTcp,
  ModbusUdp,  ///< TCP's frames, each a datagram
  ModbusTls,  ///< Modbus/TCP Security
  Serial,     ///< a sensor on a line, or behind a serial server
  System,     ///< this machine
  Can,
};
/// Has a path and a line, no host.
constexpr bool is_serial(BusType type) { return type == BusType::ModbusRtu || type == BusType::ModbusAscii; }
constexpr bool is_ascii(BusType type) { return type == BusType::ModbusAscii || type == BusType::ModbusAsciiTcp; }
/// Frames of a serial line, with its 247 units and its broadcasts, wherever they go.
constexpr bool has_line_frames(BusType type) {
  return is_serial(type) || is_ascii(type) || type == BusType::ModbusRtuTcp;
}
enum class Table : std::uint8_t { Coil, Discrete, Input, Holding };  ///< function codes 1, 2, 4, 3
enum class Type : std::uint8_t {
  Bool,
  Int8,
  Uint8,
  Int16,
  Uint16,
  Int32,
  Uint32,
  Int64,
  Uint64,
  Float16,
  Float32,
  Float64,
  Bcd16,
  Bcd32,
  String
};
/// A is the most significant byte of two registers; four registers go on in the same manner: CDAB is GHEFCDAB.
enum class ByteOrder : std::uint8_t { ABCD, BADC, CDAB, DCBA };
enum class Packing : std::uint8_t { Two, One };  ///< characters of a string in a register
enum class Parity : std::uint8_t { None, Even, Odd };

/// Who drives the transmitter of a two-wire line, and how. Without it: the adapter by itself.
struct Rs485Settings {
  enum class By : std::uint8_t {
    Kernel,  ///< the port's driver (TIOCSRS485)
    Rts,     ///< we do, by the RTS line
  };
  By by = By::Kernel;
  bool rts_high = true;                 ///< while sending
  std::chrono::milliseconds before{0};  ///< from RTS to the first bit
  std::chrono::milliseconds after{0};   ///< from the last bit to RTS
};

struct LineSettings {
  int baud = 9600;
  int data_bits = 8;
  Parity parity = Parity::Even;
  int stop_bits = 1;
  bool echo = false;  ///< what is sent comes back first: a two-wire adapter that hears itself
  std::optional<Rs485Settings> rs485{};
};

/// Files of a TLS connection with certificates on both sides.
struct TlsSettings {
  std::string ca;
  std::string cert;
  std::string key;
  std::string server_name;  ///< that the peer's certificate has to be for; empty: the host
};

/// Where a value lies in a device's tables, and how.
struct Encoding {
  Table table = Table::Holding;
  std::uint16_t address = 0;  ///< as on the wire (address_base already subtracted)
  Type type = Type::Uint16;
  ByteOrder byte_order = ByteOrder::ABCD;
  bool high_byte = false;          ///< Int8, Uint8: which half of the register
  std::uint8_t bit = 0;            ///< lowest bit of a bit field, 0 is the least significant of the value
  std::uint8_t bit_count = 0;      ///< 0: no bit field, the whole value
  Packing packing = Packing::Two;  ///< String
  std::uint16_t length = 0;        ///< String: characters
  double scale = 1;
  double offset = 0;
  /// A register of the same table whose int16 is the power of ten by which the value is multiplied (SunSpec "sf").
  std::optional<std::uint16_t> scale_factor{};
  std::vector<std::uint64_t> invalid{};  ///< raw values (or bit fields) that mean "there is none", before scaling
};

/// A count that only grows, until it starts again at 0. In raw values, before scaling.
struct CounterSettings {
  double max = 0;       ///< the largest; 0: a real number that never starts again
  double max_step = 0;  ///< the largest step from one poll to the next that is believed at once; 0: any
};

/// What may be written to a point. Limits are in the point's unit, after scaling.
struct WriteSettings {
  std::uint8_t function = 0;  ///< Modbus function code
  std::optional<double> min{};
  std::optional<double> max{};
  double step = 0;                          ///< from `min`, or from 0, on; 0: any value
  int per_minute = 0;                       ///< 0: without limit
  std::chrono::milliseconds readback{0};    ///< 0: the device's confirmation is enough
  std::chrono::milliseconds timeout{5000};  ///< a command that could not be sent for so long is dropped
};

struct PointSettings : Encoding {
  std::string name;
  std::string unit;
  std::shared_ptr<const std::map<std::int64_t, std::string>> words;  ///< of its values, where the driver knows some
  std::optional<CounterSettings> counter;
  std::optional<WriteSettings> write;
  std::chrono::milliseconds interval{1000};
  config::Node
      publish;  ///< the point's own map, from which the gateway reads its publish rule overrides (qos, retain, ...)
  config::Node publish_template;  ///< the template's map of the same point
};

/// What one driver alone understands of a device: derived in the driver's folder, made by its `read_device`.
struct DriverSettings {
  virtual ~DriverSettings() = default;

  std::size_t files = 0;  ///< a hash of what was read of further files: a reload knows by it that they have changed
};

struct DeviceSettings {
  std::string name;
  std::uint8_t unit_id = 1;
  std::uint16_t max_gap = 8;
  std::uint16_t max_registers = 125;
  std::vector<PointSettings> points;
  std::shared_ptr<const DriverSettings> own;  ///< null where the driver has none
  config::Node publish;                       ///< the device's map, likewise
  config::Node publish_template;              ///< its template's map, whose rules the device's own override
  config::Location where;
};

struct BusSettings {
  std::string name;
  BusType type = BusType::ModbusTcp;
  std::string host;
  std::uint16_t port = 502;
  std::chrono::milliseconds keepalive{10'000};  ///< TCP: a silent connection is probed so often; 0: never
  std::chrono::milliseconds connect_delay{0};   ///< TCP: the peer's time between its accepting and our first request
  std::string standby_host;                     ///< TCP: a second address of the peer; empty: none
  std::uint16_t standby_port = 502;
  int pipeline = 1;                         ///< TCP: reads that may be under way at once
  bool echoes_ids = true;                   ///< TCP: its answers carry our transaction ids
  std::chrono::milliseconds idle_close{0};  ///< TCP: closed after so long without a request; 0: never
  TlsSettings tls;
  std::string path;       ///< of the serial device or pty
  std::string interface;  ///< CAN: `can0`
  LineSettings line;
  std::chrono::milliseconds timeout{500};
  int retries = 1;
  std::chrono::milliseconds gap{0};
  std::chrono::milliseconds turnaround{100};  ///< silence after a broadcast
  int offline_after = 3;
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> offline_retry{1000, 60000};
  std::pair<std::chrono::milliseconds, std::chrono::milliseconds> reconnect{1000, 30000};
  std::vector<DeviceSettings> devices;
  config::Location where;
};

/// Whether the device stands for all units of a serial line: they execute what it is told, and none answers (Modbus
/// over serial line V1.02 2.1).
inline bool is_broadcast(const BusSettings& bus, const DeviceSettings& device) {
  return device.unit_id == 0 && has_line_frames(bus.type);
}

/// Reads `buses`, `templates` and `devices` of the root. Mistakes go to the document: unknown bus of a device, a unit
/// id used twice on a bus, the same host:port or serial device in two buses, a point beyond address 65535, a bus
/// without devices ...
std::vector<BusSettings> read_buses(const config::Node& root);

}  // namespace ferrule::drivers
