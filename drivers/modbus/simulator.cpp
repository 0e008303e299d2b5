#include "drivers/modbus/simulator.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "drivers/modbus/slave_ports.hpp"

namespace ferrule::drivers::modbus {

namespace {

using std::chrono::milliseconds;

std::error_code last_error() { return {errno, std::generic_category()}; }

struct Endpoint {
  Framing framing;
  SlaveGroup slaves;
  std::chrono::microseconds per_byte{0};  // time on the wire
};

}  // namespace

class Simulator::Impl {
 public:
  Impl(std::uint64_t seed, const Clock& clock)
      : clock_(clock),
        seeds_(seed),
        tcp_(Framing::Tcp),
        rtu_(Framing::Rtu),
        ports_("simulator", clock, {}, [this](const SlaveRequest& request) { return answer(request); }) {}

  tl::expected<std::uint16_t, std::error_code> add_tcp(std::uint16_t port, const std::vector<SimulatedSlave>& slaves) {
    auto listening = ports_.listen("127.0.0.1", port);
    if (listening) endpoints_.push_back({Framing::Tcp, SlaveGroup(Framing::Tcp, slaves, seeds_.next())});
    return listening;
  }

  tl::expected<std::string, std::error_code> add_rtu(const LineSettings& line,
                                                     const std::vector<SimulatedSlave>& slaves) {
    Descriptor master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 128> path{};
    if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
        ptsname_r(master.get(), path.data(), path.size()) != 0) {
      return tl::unexpected(last_error());
    }
    Descriptor other_end(open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios mode{};
    if (!other_end || tcgetattr(other_end.get(), &mode) != 0) return tl::unexpected(last_error());
    cfmakeraw(&mode);
    if (tcsetattr(other_end.get(), TCSANOW, &mode) != 0) return tl::unexpected(last_error());
    const int bits = 1 + line.data_bits + (line.parity == Parity::None ? 0 : 1) + line.stop_bits;
    const std::chrono::microseconds per_byte(1'000'000LL * bits / std::max(1, line.baud));
    endpoints_.push_back({Framing::Rtu, SlaveGroup(Framing::Rtu, slaves, seeds_.next()), per_byte});
    ports_.add_line(std::move(master), std::move(other_end), path.data());
    return std::string(path.data());
  }

  void start() {
    started_ = clock_.now();
    ports_.start();
  }

  void stop() { ports_.stop(); }

  SimulatorStatus status() const {
    const auto ports = ports_.status();
    return {ports.requests, ports.answers, faults_, ports.unsent, ports.malformed};
  }

 private:
  SlavePorts::Heard answer(const SlaveRequest& request) {
    auto& endpoint = endpoints_[request.port];
    const auto now = clock_.now();
    const auto elapsed = std::chrono::floor<milliseconds>(now - started_);
    auto reply = endpoint.slaves.answer(request.frame, elapsed, endpoint.framing == Framing::Tcp ? tcp_ : rtu_);
    if (reply.faulty) ++faults_;
    if (reply.bytes.empty()) return SlavePorts::Heard::Ours;
    const auto on_wire = endpoint.per_byte * static_cast<std::int64_t>(request.frame.size() + reply.bytes.size());
    ports_.answer(request.asker, std::move(reply.bytes), now + reply.delay + on_wire);
    return SlavePorts::Heard::Ours;
  }

  // Constant after start.
  const Clock& clock_;
  Random seeds_;
  TimePoint started_;

  // Owned by the ports' thread once it runs.
  Responder tcp_;
  Responder rtu_;
  std::vector<Endpoint> endpoints_;  // by port

  std::atomic<std::uint64_t> faults_ = 0;
  SlavePorts ports_;
};

Simulator::Simulator(std::uint64_t seed, const Clock& clock) : impl_(std::make_unique<Impl>(seed, clock)) {}
Simulator::~Simulator() = default;

tl::expected<std::uint16_t, std::error_code> Simulator::add_tcp(std::uint16_t port,
                                                                const std::vector<SimulatedSlave>& slaves) {
  return impl_->add_tcp(port, slaves);
}

tl::expected<std::string, std::error_code> Simulator::add_rtu(const LineSettings& line,
                                                              const std::vector<SimulatedSlave>& slaves) {
  return impl_->add_rtu(line, slaves);
}

void Simulator::start() { impl_->start(); }
void Simulator::stop() { impl_->stop(); }
SimulatorStatus Simulator::status() const { return impl_->status(); }

}  // namespace ferrule::drivers::modbus
