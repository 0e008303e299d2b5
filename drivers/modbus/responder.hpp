// libmodbus's server side without its sockets: a request's bytes in, the answer's bytes out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "drivers/settings.hpp"

namespace ferrule::drivers::modbus {

enum class Framing : std::uint8_t { Tcp, Rtu };

/// A range of registers or bits; `count` may reach one past 65535.
struct Range {
  std::uint16_t address = 0;
  std::uint32_t count = 0;
};

/// The four tables of one slave, each one contiguous range (a modbus_mapping_t).
class RegisterImage {
 public:
  /// `ranges` by Table; an empty one refuses every address. All registers and bits start at 0.
  explicit RegisterImage(std::span<const Range, 4> ranges);
  ~RegisterImage();
  RegisterImage(RegisterImage&&) noexcept;

  /// The registers from `address` on, empty when they do not lie within the table's range. Input and Holding only.
  std::span<std::uint16_t> registers(Table table, std::uint16_t address, std::uint16_t count);
  void set_bit(Table table, std::uint16_t address, bool value);  ///< Coil and Discrete only; outside its range: nothing

 private:
  friend class Responder;
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
};

/// One libmodbus context on one end of a socket pair. Each call writes a whole frame into the other end, lets libmodbus
/// check and answer it, and reads the answer back: so nothing here waits for a peer. Used by one thread.
class Responder {
 public:
  /// Throws std::system_error when the process is out of descriptors (libmodbus needs one below FD_SETSIZE).
  explicit Responder(Framing framing);
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  /// Executes a request on `image` as unit `unit`. Nothing when it is none to this unit (a bad CRC, another unit); no
  /// bytes when it was a broadcast.
  std::optional<std::vector<std::uint8_t>> answer(std::span<const std::uint8_t> request, std::uint8_t unit,
                                                  RegisterImage& image);
  /// Answers it with an exception instead (1 to 0x0B) and executes nothing. Empty as above.
  std::vector<std::uint8_t> refuse(std::span<const std::uint8_t> request, std::uint8_t unit, std::uint8_t exception);

 private:
  struct Context;
  bool receive(std::span<const std::uint8_t> request, std::uint8_t unit);
  std::vector<std::uint8_t> sent();

  const Framing framing_;
  std::unique_ptr<Context> context_;
};

}  // namespace ferrule::drivers::modbus
