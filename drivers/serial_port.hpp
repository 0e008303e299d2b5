// A port that is a serial line, or a pseudo-terminal that stands in for one.
#pragma once

#include <memory>
#include <string>

#include "drivers/port.hpp"
#include "drivers/settings.hpp"

namespace ferrule::drivers {

/// Opens real lines with libserialport and pseudo-terminals, which that library refuses, by itself. Links such as those
/// in /dev/serial/by-id are resolved at each open, so an adapter that comes back under another number is found again.
/// The line is ours alone: a second program that asks for a lock gets none, on a real line no second one can open it.
class SerialPort final : public Port {
 public:
  SerialPort(std::string path, const LineSettings& line, const StopSignal& stop);
  ~SerialPort() override;

  tl::expected<void, Fault> open(TimePoint deadline) override;  ///< never waits
  void close() override;
  std::string name() const override { return path_; }
  void begin_send() override;
  void end_send() override;

 private:
  struct Handle;  // libserialport's
  tl::expected<void, Fault> open_line(const std::string& device);
  tl::expected<void, Fault> open_pseudo_terminal(const std::string& device);
  tl::expected<void, Fault> claim();
  tl::expected<void, Fault> set_up_transmitter();
  bool drives_rts() const { return line_.rs485 && line_.rs485->by == Rs485Settings::By::Rts; }
  bool set_rts(bool sending) const;
  tl::unexpected<Fault> failed(const std::string& why);

  const std::string path_;
  const LineSettings line_;
  std::unique_ptr<Handle> handle_;  // while a real line is open
};

}  // namespace ferrule::drivers
