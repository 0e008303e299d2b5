// Modbus over TCP, TLS and UDP: every answer carries the id of its request, so a late one is told from the right one.
#pragma once

#include <array>

#include "drivers/modbus/wire_client.hpp"

namespace ferrule::drivers::modbus {

/// Largest frame (Modbus TCP guide V1.0b 3.1.2).
inline constexpr std::size_t kMaxTcpFrame = 260;

class TcpClient final : public WireClient {
 public:
  TcpClient(Port& port, const StopSignal& stop, const Timing& timing, Ids ids)
      : WireClient(port, stop, timing), ids_(ids) {}

  tl::expected<void, Fault> opened() override;
  tl::expected<std::span<const std::uint8_t>, Fault> read(const Request& request) override;
  tl::expected<void, Fault> write(std::uint8_t unit, std::span<const std::uint8_t> pdu) override;
  tl::expected<std::span<const std::uint8_t>, Fault> ask(std::uint8_t unit,
                                                         std::span<const std::uint8_t> pdu) override {
    return exchange(unit, pdu);
  }

 private:
  using Answer = tl::expected<std::span<const std::uint8_t>, Fault>;

  Answer exchange(std::uint8_t unit, std::span<const std::uint8_t> pdu);
  Answer answer_to(std::uint8_t unit, std::uint8_t function);
  tl::expected<void, Fault> send(std::uint8_t unit, std::span<const std::uint8_t> pdu);
  tl::expected<bool, Fault> receive(TimePoint deadline);
  tl::unexpected<Fault> unanswered();
  tl::unexpected<Fault> not_ours(std::string why);
  tl::unexpected<Fault> desynchronised(std::string why);
  tl::expected<bool, Fault> nonsense(std::string why);
  tl::expected<void, Fault> fill(std::size_t bytes, TimePoint deadline);
  bool is_ours() const;
  void discard_input();

  const Ids ids_;
  std::array<std::uint8_t, kMaxTcpFrame> input_{};  // begins with an answer
  std::size_t filled_ = 0;
  std::size_t size_ = 0;  // of the answer
  std::uint16_t transaction_ = 0;
  int skipped_ = 0;  // answers with another id during the present request
  int silent_ = 0;   // requests in a row without any answer
};

}  // namespace ferrule::drivers::modbus
