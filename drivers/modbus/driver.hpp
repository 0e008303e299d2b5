// The Modbus master as a Driver: plans the reads of a bus's devices, asks, decodes.
#pragma once

#include <memory>
#include <vector>

#include "drivers/driver.hpp"
#include "drivers/modbus/client.hpp"
#include "drivers/modbus/planner.hpp"

namespace ferrule::drivers::modbus {

std::unique_ptr<Driver> make_tcp_driver(const BusSettings& settings, const StopSignal& stop);
std::unique_ptr<Driver> make_rtu_driver(const BusSettings& settings, const StopSignal& stop);

/// A task is one block of the plan. A block that the device refuses is halved until the refused point is alone; that
/// one is remembered and asked for again every five minutes only, while the others go on.
class ModbusDriver final : public Driver {
 public:
  ModbusDriver(const BusSettings& settings, std::unique_ptr<Port> port, std::unique_ptr<Client> client);

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override { port_->close(); }
  bool is_open() const override { return port_->is_open(); }
  int descriptor() const override { return port_->descriptor(); }
  std::string port_name() const override { return port_->name(); }

  std::size_t task_count() const override { return entries_.size(); }
  Task task(std::size_t number) const override;
  tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) override;
  void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) override;
  std::string describe(std::size_t number) const override;

 private:
  struct Entry {
    Block block;
    std::uint32_t device = 0;
    std::uint8_t unit = 0;
    bool refused = false;    // it is one point, or all of a function that the device does not have
    std::uint32_t runs = 0;  // good ones since the last failure
  };
  /// What decoding needs of a point; a bus keeps thousands.
  struct Field {
    Table table;
    Type type;
    ByteOrder byte_order;
    double scale;
    double offset;
  };

  void refuse(std::size_t number, Fault& fault);
  void decode_answer(Entry& entry, std::span<const std::uint8_t> data, std::vector<Reading>& readings);

  const std::unique_ptr<Port> port_;
  const std::unique_ptr<Client> client_;
  std::vector<Field> fields_;  // by PointIndex
  std::vector<Entry> entries_;
  PointSettings scratch_;  // a Field in the form that the decoder takes
};

}  // namespace ferrule::drivers::modbus
