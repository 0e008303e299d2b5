// The Modbus master as a Driver: plans the reads of a bus's devices, asks, decodes.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "drivers/driver.hpp"
#include "drivers/modbus/answer_cache.hpp"
#include "drivers/modbus/client.hpp"
#include "drivers/modbus/counter.hpp"
#include "drivers/modbus/planner.hpp"

namespace ferrule::drivers::modbus {

std::unique_ptr<Driver> make_driver(const BusSettings& settings, const StopSignal& stop);

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
  void trace(WireTrace& trace) override { port_->trace(trace); }

  std::size_t task_count() const override { return entries_.size(); }
  Task task(std::size_t number) const override;
  tl::expected<void, Fault> run(std::size_t number, std::vector<Reading>& readings) override;
  bool ask_ahead(std::size_t number) override { return client_->ask_ahead(request_of(number)); }
  void fail(std::size_t number, Failure failure, std::vector<Reading>& readings) override;
  tl::expected<void, Fault> write(PointIndex point, const Value& value) override;
  tl::expected<Held, Fault> read_back(PointIndex point, const Value& value) override;
  std::optional<std::size_t> task_of(PointIndex point) const override;
  tl::expected<std::vector<std::uint8_t>, Fault> pass(std::uint8_t unit,
                                                      std::span<const std::uint8_t> request) override;
  std::optional<std::vector<std::uint8_t>> recall(std::uint8_t unit, std::span<const std::uint8_t> request,
                                                  TimePoint since) const override;
  std::optional<double> planned_utilisation() const override { return planned_; }
  std::string describe(std::size_t number) const override;

 private:
  struct Entry {
    Block block;
    std::uint32_t device = 0;
    std::uint8_t unit = 0;
    bool refused = false;    // it is one point, or all of a function that the device does not have
    std::uint32_t runs = 0;  // good ones since the last failure
  };
  using Answer = tl::expected<std::span<const std::uint8_t>, Fault>;

  Request request_of(std::size_t number) const;
  Answer ask(std::size_t number);
  tl::expected<void, Fault> read_extent(PointIndex point);
  void refuse(std::size_t number, Fault& fault);
  void unpack(std::size_t count, std::span<const std::uint8_t> data);
  std::span<const std::uint16_t> registers_of_point(const BlockPoint& point) const;
  tl::expected<void, Fault> watch_counters(std::size_t number);
  bool in_turn(const Entry& entry, const BlockPoint& point) const { return entry.runs % point.every == 0; }
  void decode_registers(Entry& entry, std::vector<Reading>& readings) const;
  void decode_bits(Entry& entry, std::span<const std::uint8_t> data, std::vector<Reading>& readings) const;

  const std::unique_ptr<Port> port_;
  const std::unique_ptr<Client> client_;
  const std::optional<double> planned_;
  mutable AnswerCache cache_;        // filled from the first time that anybody asks it
  std::vector<Encoding> encodings_;  // by PointIndex
  std::vector<Entry> entries_;
  std::unordered_map<PointIndex, CounterGuard> counters_;
  struct Writable {
    std::uint8_t unit;
    std::uint8_t function;
  };
  std::unordered_map<PointIndex, Writable> writables_;
  std::array<std::uint16_t, kMaxRegisters> registers_{};  // of the present answer
};

}  // namespace ferrule::drivers::modbus
