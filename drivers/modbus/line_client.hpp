// Modbus RTU and ASCII: nothing but its shape tells an answer from a late one, so the client keeps account of what is
// owed.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "drivers/modbus/framer.hpp"
#include "drivers/modbus/owed.hpp"
#include "drivers/modbus/wire_client.hpp"

namespace ferrule::drivers::modbus {

class LineClient final : public WireClient {
 public:
  LineClient(Port& port, const StopSignal& stop, const Timing& timing, std::unique_ptr<Framer> framer)
      : WireClient(port, stop, timing), framer_(std::move(framer)) {}

  tl::expected<void, Fault> opened() override;
  tl::expected<std::span<const std::uint8_t>, Fault> read(const Request& request) override;
  tl::expected<void, Fault> write(std::uint8_t unit, std::span<const std::uint8_t> pdu) override;
  tl::expected<std::span<const std::uint8_t>, Fault> ask(std::uint8_t unit, std::span<const std::uint8_t> pdu) override;

 private:
  using Answer = tl::expected<std::span<const std::uint8_t>, Fault>;
  /// What a frame is to the present request.
  enum class Verdict : std::uint8_t { Answer, Refusal, Late, Garbage, Lost };

  tl::expected<void, Fault> settle(const AnswerShape& shape, const Request& like);
  Answer exchange(const AnswerShape& shape, std::span<const std::uint8_t> pdu);
  Answer listen(const AnswerShape& shape, TimePoint deadline);
  std::optional<Request> distinct(const Request& request) const;
  tl::expected<void, Fault> hush();
  tl::expected<void, Fault> send(std::uint8_t unit, std::span<const std::uint8_t> pdu);
  tl::expected<void, Fault> hear_echo(std::span<const std::uint8_t> request);
  tl::expected<void, Fault> broadcast(std::span<const std::uint8_t> pdu);
  std::chrono::nanoseconds on_the_line(std::span<const std::uint8_t> pdu) const;
  std::size_t buffered() const;
  void settle_drained(std::span<const std::uint8_t> head, const Drained& drained);
  Woke await(std::size_t bytes, TimePoint deadline) const;
  Verdict receive(const AnswerShape& shape);
  Verdict judge_other_unit();
  tl::unexpected<Fault> discard(const AnswerShape& shape);
  tl::unexpected<Fault> doubt(std::uint8_t unit, Fault refused);
  void hold(const AnswerShape& shape);
  void quieten(std::chrono::milliseconds longest);

  const std::unique_ptr<Framer> framer_;
  std::vector<std::uint8_t> asked_;  // the answer to `ask`
  Owed owed_;                        // survives the port: the devices do
  TimePoint last_byte_{};
  std::optional<std::uint8_t> doubted_;  // the unit that sent a refusal of which it is not known what it refuses
};

}  // namespace ferrule::drivers::modbus
