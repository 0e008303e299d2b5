// Where frames come from and go to: a CAN interface, or a socket that stands in for one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/can/error_frame.hpp"
#include "drivers/can/frame.hpp"
#include "drivers/fault.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers::can {

/// What a look at a port brought.
struct Received {
  std::optional<Frame> frame;            ///< nothing: it was no classic frame
  bool own = false;                      ///< one that this port sent, now that somebody has acknowledged it
  std::optional<std::uint32_t> dropped;  ///< frames lost since it was opened because nobody took them in time
};

/// Used by its bus thread only. A descriptor on which each packet is a `struct can_frame` of <linux/can.h>.
class CanPort {
 public:
  virtual ~CanPort();
  CanPort(const CanPort&) = delete;
  CanPort& operator=(const CanPort&) = delete;

  /// Opens it, or says why not (always Failure::PortLost). Only frames that pass one of the filters are heard, and
  /// error frames; all frames when there are none.
  virtual tl::expected<void, Fault> open(const std::vector<IdFilter>& filters) = 0;
  virtual std::string name() const = 0;  ///< as in the configuration: `can0`
  /// Whether a frame comes back once another node has acknowledged it on the bus.
  virtual bool tells_sent() const { return false; }
  /// The controller's state, where there is one that says it.
  virtual std::optional<ControllerState> state() const { return std::nullopt; }

  void close();
  int descriptor() const { return descriptor_; }  ///< non-blocking; -1 while closed
  bool is_open() const { return descriptor_ >= 0; }

  /// The next packet; nothing when none has come. Otherwise why the port is of no use any more.
  virtual tl::expected<std::optional<Received>, std::string> receive();

  enum class Sending : std::uint8_t {
    Sent,
    Full,  ///< the queue has no room for now
    Lost,
  };
  virtual Sending send(const Frame& frame, std::string& why);

 protected:
  CanPort() = default;

  int descriptor_ = -1;
};

/// A network interface, through SocketCAN.
class CanInterface final : public CanPort {
 public:
  explicit CanInterface(std::string interface) : interface_(std::move(interface)) {}

  tl::expected<void, Fault> open(const std::vector<IdFilter>& filters) override;
  std::string name() const override { return interface_; }
  bool tells_sent() const override { return true; }
  std::optional<ControllerState> state() const override;

 private:
  tl::expected<void, std::string> configure(const std::vector<IdFilter>& filters) const;
  tl::expected<int, std::string> find() const;

  const std::string interface_;
};

/// A Unix socket (SOCK_SEQPACKET) whose other end plays the bus: a rehearsal on a machine without CAN. Who accepts a
/// frame has it; there are no filters.
class CanRehearsal final : public CanPort {
 public:
  static constexpr std::string_view kPrefix = "unix:";

  explicit CanRehearsal(std::string path) : path_(std::move(path)) {}

  tl::expected<void, Fault> open(const std::vector<IdFilter>& filters) override;
  std::string name() const override { return std::string(kPrefix) + path_; }

 private:
  const std::string path_;
};

/// By the interface's name in the configuration.
std::unique_ptr<CanPort> make_port(const std::string& interface);

}  // namespace ferrule::drivers::can
