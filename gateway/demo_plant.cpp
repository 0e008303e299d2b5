#include "gateway/demo_plant.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/modbus/simulator.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;
using drivers::ByteOrder;
using drivers::Table;
using drivers::Type;
using drivers::modbus::Shape;
using drivers::modbus::SimulatedPoint;
using drivers::modbus::SimulatedSlave;
using drivers::modbus::Waveform;

constexpr std::uint16_t kPlcPort = 1502;
constexpr double kDroppedAnswers = 0.05;

SimulatedPoint input(std::uint16_t address, Type type, Waveform waveform) {
  return {{Table::Input, address, type, ByteOrder::ABCD}, waveform};
}

SimulatedSlave energy_meter() {
  return {1,
          {input(0, Type::Float32, {Shape::RandomWalk, 225, 236, 20s}),
           input(6, Type::Float32, {Shape::Sine, 2, 18, 40s}), input(12, Type::Float32, {Shape::Sine, 450, 4100, 40s}),
           input(342, Type::Float32, {Shape::Counter, 1200, 1260, 60s})},
          {}};
}

SimulatedSlave flaky_sensor() {
  SimulatedSlave sensor{2,
                        {{{Table::Holding, 0, Type::Int16, ByteOrder::ABCD}, {Shape::Sine, -50, 320, 30s}},
                         {{Table::Holding, 1, Type::Uint16, ByteOrder::ABCD}, {Shape::RandomWalk, 300, 800, 30s}}},
                        {}};
  sensor.faults.drop = kDroppedAnswers;
  return sensor;
}

SimulatedSlave boiler() {
  return {1,
          {{{Table::Holding, 0, Type::Int16, ByteOrder::ABCD}, {Shape::Sine, 580, 780, 25s}},
           {{Table::Holding, 1, Type::Int16, ByteOrder::ABCD}, {Shape::Sine, 410, 560, 25s}},
           {{Table::Holding, 10, Type::Uint32, ByteOrder::CDAB}, {Shape::Counter, 4'200'000, 4'200'600, 60s}},
           {{Table::Input, 0, Type::Float32, ByteOrder::CDAB}, {Shape::RandomWalk, 1.2, 2.4, 20s}},
           {{Table::Coil, 0, Type::Bool, ByteOrder::ABCD}, {Shape::Ramp, 0, 1.99, 8s}}},
          {}};
}

constexpr auto kConfiguration = R"(buses:
  line1: {{type: modbus-rtu, port: {}, line: {{baud: 19200, parity: none}}, timeout: 200ms, retries: 0}}
  plc: {{type: modbus-tcp, host: 127.0.0.1, port: {}}}
devices:
  meter:                       # a three-phase meter's layout: float32 in input registers
    bus: line1
    unit_id: 1
    interval: 500ms
    points:
      voltage: {{register: input, address: 0, type: float32, unit: V, deadband: 0.05}}
      current: {{register: input, address: 6, type: float32, unit: A}}
      power:   {{register: input, address: 12, type: float32, unit: W}}
      energy:  {{register: input, address: 342, type: float32, unit: kWh, interval: 2s}}
  sensor:                      # drops 5 % of its answers
    bus: line1
    unit_id: 2
    interval: 500ms
    points:
      temperature: {{register: holding, address: 0, type: int16, scale: 0.1, unit: "°C"}}
      humidity:    {{register: holding, address: 1, type: uint16, scale: 0.1, unit: "%"}}
  boiler:
    bus: plc
    unit_id: 1
    interval: 500ms
    points:
      supply:   {{register: holding, address: 0, type: int16, scale: 0.1, unit: "°C"}}
      return:   {{register: holding, address: 1, type: int16, scale: 0.1, unit: "°C"}}
      heat:     {{register: holding, address: 10, type: uint32, byte_order: CDAB, scale: 0.001, unit: MWh}}
      pressure: {{register: input, address: 0, type: float32, byte_order: CDAB, unit: bar}}
      burner:   {{register: coil, address: 0, type: bool}}
)";

template <class T>
T value_or_throw(const tl::expected<T, std::error_code>& result, const char* what) {
  if (!result) throw std::runtime_error(fmt::format("cannot simulate {}: {}", what, result.error().message()));
  return *result;
}

}  // namespace

class DemoPlant::Impl {
 public:
  explicit Impl(std::uint64_t seed) : simulator_(seed, clock_) {
    drivers::LineSettings line;
    line.baud = 19200;
    line.parity = drivers::Parity::None;
    tty_ = value_or_throw(simulator_.add_rtu(line, {energy_meter(), flaky_sensor()}), "a serial line");
    const std::vector<SimulatedSlave> plc{boiler()};
    const auto port = simulator_.add_tcp(kPlcPort, plc);
    port_ = port ? *port : value_or_throw(simulator_.add_tcp(0, plc), "a PLC");
    simulator_.start();
  }

  std::string tty_;
  std::uint16_t port_ = 0;

 private:
  drivers::SystemClock clock_;
  drivers::modbus::Simulator simulator_;
};

DemoPlant::DemoPlant(std::uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}

DemoPlant::~DemoPlant() = default;

std::string DemoPlant::configuration() const { return fmt::format(kConfiguration, impl_->tty_, impl_->port_); }

std::string DemoPlant::description() const {
  return fmt::format(
      "  energy meter   Modbus RTU, {} unit 1\n"
      "  flaky sensor   Modbus RTU, {} unit 2; drops {:.0f} % of its answers\n"
      "  boiler PLC     Modbus TCP, 127.0.0.1:{} unit 1{}",
      impl_->tty_, impl_->tty_, kDroppedAnswers * 100, impl_->port_,
      impl_->port_ == kPlcPort ? "" : "  (1502 is taken)");
}

}  // namespace ferrule::gateway
