// Serial sensors as a Driver: asks or listens, cuts frames, finds values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/driver.hpp"
#include "drivers/freshness.hpp"
#include "drivers/port.hpp"
#include "drivers/serial/framer.hpp"
#include "drivers/serial/parser.hpp"
#include "drivers/serial/settings.hpp"

namespace ferrule::drivers::serial {

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

/// A task is a device. Several that talk by themselves on one line all hear every byte, each with a framer of its own.
///
/// After an answer that did not come, or was not one, the line is held until it has been silent for the timeout: what
/// comes late then cannot pass for the answer to the next request.
class SerialDriver final : public Driver {
 public:
  SerialDriver(const BusSettings& settings, std::unique_ptr<Port> port, const StopSignal& stop);

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override { port_->close(); }
  bool is_open() const override { return port_->is_open(); }
  int descriptor() const override { return port_->descriptor(); }
  std::string port_name() const override { return port_->name(); }
  void trace(WireTrace& trace) override { port_->trace(trace); }

  std::size_t task_count() const override { return sensors_.size(); }
  Task task(std::size_t number) const override;
  tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) override;
  void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) override;
  tl::expected<void, Fault> write(PointIndex point, const Value& value) override;
  tl::expected<Held, Fault> read_back(PointIndex point, const Value& value) override;
  std::optional<std::size_t> task_of(PointIndex point) const override;
  std::string describe(std::size_t number) const override;

 private:
  struct Sensor {
    Sensor(const SensorSettings& settings, const std::vector<PointSettings>& points, PointIndex first_point);
    std::string request;
    std::chrono::milliseconds timeout;
    std::chrono::milliseconds gap;
    std::chrono::milliseconds interval;
    PointIndex first;
    std::size_t points;
    Framer framer;
    Parser parser;
    Freshness freshness;
    std::vector<Reading> heard;  // by a listener while another one's turn was on
    std::string trouble;
  };
  using Result = tl::expected<void, Fault>;

  Result ask(Sensor& sensor, std::vector<Reading>& readings);
  Result send(const std::string& request, TimePoint deadline);
  Result await(Sensor& sensor, TimePoint deadline, std::vector<Reading>& readings);
  Result listen(Sensor& sensor, std::vector<Reading>& readings);
  Result hear();
  void feed(Sensor& sensor, std::string_view bytes, std::vector<Reading>& readings);
  void end_of_frame(Sensor& sensor, std::vector<Reading>& readings);
  static void take(Sensor& sensor, const Frame& frame, std::vector<Reading>& readings);
  tl::expected<std::string_view, Fault> read();
  tl::unexpected<Fault> lost(std::string why);
  tl::unexpected<Fault> failed(Failure failure, std::string why, bool sent = true);
  std::chrono::milliseconds longest_gap() const;

  const std::unique_ptr<Port> port_;
  const StopSignal& stop_;
  const std::chrono::milliseconds timeout_;
  bool talks_ = false;
  std::vector<Sensor> sensors_;  // by task; the device has the same number
  TimePoint last_byte_{};
  std::array<char, 1024> buffer_;
};

}  // namespace ferrule::drivers::serial
