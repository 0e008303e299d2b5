// Modbus over TCP, TLS and UDP: every answer carries the id of its request, so a late one is told from the right one.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "drivers/modbus/wire_client.hpp"

namespace ferrule::drivers::modbus {

/// Largest frame (Modbus TCP guide V1.0b 3.1.2).
inline constexpr std::size_t kMaxTcpFrame = 260;

/// Several reads may be under way at once: each answer finds its request by its id, in whatever order they come. The
/// time for an answer begins when it is its request's turn, for the peer may work off one after the other. One that is
/// here for two timeouts before it is wanted is not used.
class TcpClient final : public WireClient {
 public:
  TcpClient(Port& port, const StopSignal& stop, const Timing& timing, Ids ids, std::size_t pipeline)
      : WireClient(port, stop, timing), ids_(ids), pipeline_(pipeline) {}

  tl::expected<void, Fault> opened() override;
  tl::expected<std::span<const std::uint8_t>, Fault> read(const Request& request) override;
  bool ask_ahead(const Request& request) override;
  tl::expected<void, Fault> write(std::uint8_t unit, std::span<const std::uint8_t> pdu) override;
  tl::expected<std::span<const std::uint8_t>, Fault> ask(std::uint8_t unit,
                                                         std::span<const std::uint8_t> pdu) override {
    return exchange(unit, pdu);
  }

 private:
  using Answer = tl::expected<std::span<const std::uint8_t>, Fault>;

  /// A read that was sent before its turn.
  struct Ahead {
    Request request;
    std::uint16_t id;
    TimePoint forget_at;                // nobody wants its answer after that
    std::vector<std::uint8_t> frame{};  // the answer, once it is here
  };

  Answer data_of(const Request& request, const Answer& answer);
  std::optional<Ahead> take_ahead(const Request& request);
  bool keep_ahead();
  std::vector<Ahead>::iterator ahead_with(std::uint16_t id);
  Answer check(std::span<const std::uint8_t> frame, std::uint8_t unit, std::uint8_t function);

  Answer exchange(std::uint8_t unit, std::span<const std::uint8_t> pdu);
  Answer answer_to(std::uint8_t unit, std::uint8_t function);
  tl::expected<void, Fault> send(std::uint8_t unit, std::span<const std::uint8_t> pdu);
  tl::expected<bool, Fault> receive(TimePoint deadline);
  tl::unexpected<Fault> unanswered();
  tl::unexpected<Fault> not_ours(std::string why);
  tl::unexpected<Fault> desynchronised(std::string why);
  tl::expected<bool, Fault> nonsense(std::string why);
  tl::expected<void, Fault> fill(std::size_t bytes, TimePoint deadline);
  std::uint16_t id_received() const;
  bool is_ours() const;
  void discard_input();

  const Ids ids_;
  const std::size_t pipeline_;
  std::vector<Ahead> ahead_;                        // in the order of sending
  std::vector<std::uint8_t> early_;                 // the frame of an answer that was here before its turn
  std::array<std::uint8_t, kMaxTcpFrame> input_{};  // begins with an answer
  std::size_t filled_ = 0;
  std::size_t size_ = 0;           // of the answer
  std::uint16_t transaction_ = 0;  // of the newest request
  std::uint16_t awaited_ = 0;      // whose answer is the present one
  int skipped_ = 0;                // answers with another id during the present request
  int silent_ = 0;                 // requests in a row without any answer
};

}  // namespace ferrule::drivers::modbus
