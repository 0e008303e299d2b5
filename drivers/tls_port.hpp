// A port that is a TLS connection with certificates on both sides (Modbus/TCP Security V36).
#pragma once

#include <memory>
#include <string>

#include "drivers/settings.hpp"
#include "drivers/tcp_port.hpp"

namespace ferrule::drivers {

/// TLS 1.2 or 1.3 over a TcpPort. The files are read at each opening, so that renewed ones hold from the next
/// connection on. The peer's certificate must come from our CA and be for the host's name or address.
class TlsPort final : public TcpPort {
 public:
  TlsPort(std::string host, std::uint16_t port, const StopSignal& stop, Options options, TlsSettings settings);
  ~TlsPort() override;

  tl::expected<void, Fault> open(TimePoint deadline) override;
  void close() override;

 private:
  tl::expected<std::size_t, std::string> receive(std::span<std::uint8_t> bytes) override;
  tl::expected<void, Fault> transmit(std::span<const std::uint8_t> bytes) override;
  struct Session;
  tl::expected<void, Fault> shake_hands(TimePoint deadline);
  std::string flush();
  tl::unexpected<Fault> refused(const std::string& why);

  const TlsSettings settings_;
  std::unique_ptr<Session> session_;
};

}  // namespace ferrule::drivers
