// A CAN port whose bus is the test's.
#pragma once

#include <linux/can.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>

#include "drivers/can/port.hpp"

namespace ferrule::drivers::can {

/// What an open port has heard and may hear. Outlives the port.
struct PairBus {
  int peer = -1;  ///< the other end; -1 while the port is closed
  std::vector<IdFilter> filters{};
  bool tells_sent = false;
  bool acknowledges = true;   ///< where it tells: another node is there
  int full = 0;               ///< so many attempts to send find no room
  std::uint32_t dropped = 0;  ///< as the kernel counts
  std::optional<ControllerState> state{};
  std::string refuses{};  ///< why it cannot be opened
  std::vector<Frame> sent{};

  void say(const Frame& frame) const { say_raw(raw_of(frame)); }
  template <class Raw>
  void say_raw(const Raw& raw) const {
    static_cast<void>(::send(peer, &raw, sizeof raw, MSG_NOSIGNAL));
  }
  void hang_up() {
    ::close(peer);
    peer = -1;
  }
  static can_frame raw_of(const Frame& frame) {
    can_frame raw{};
    raw.can_id = frame.id;
    raw.can_dlc = frame.size;
    std::memcpy(raw.data, frame.data.data(), frame.size);
    return raw;
  }
};

class PairCanPort final : public CanPort {
 public:
  explicit PairCanPort(PairBus& bus) : bus_(bus) {}
  ~PairCanPort() override {
    if (bus_.peer >= 0) bus_.hang_up();
  }

  tl::expected<void, Fault> open(const std::vector<IdFilter>& filters) override {
    if (!bus_.refuses.empty()) return tl::unexpected(Fault{Failure::PortLost, bus_.refuses});
    bus_.filters = filters;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return {};
    if (bus_.peer >= 0) ::close(bus_.peer);
    descriptor_ = ends[0];
    bus_.peer = ends[1];
    return {};
  }
  std::string name() const override { return "pair0"; }
  bool tells_sent() const override { return bus_.tells_sent; }
  std::optional<ControllerState> state() const override { return bus_.state; }

  tl::expected<std::optional<Received>, std::string> receive() override {
    auto received = CanPort::receive();
    if (!received || !*received) return received;
    if (bus_.dropped > 0) (*received)->dropped = bus_.dropped;
    (*received)->own = (*received)->frame && echoes_.erase((*received)->frame->id) > 0;
    return received;
  }
  Sending send(const Frame& frame, std::string& why) override {
    if (bus_.full > 0) {
      --bus_.full;
      why = "No buffer space available";
      return Sending::Full;
    }
    const auto sending = CanPort::send(frame, why);
    if (sending != Sending::Sent) return sending;
    bus_.sent.push_back(frame);
    if (bus_.tells_sent && bus_.acknowledges) {
      echoes_.insert(frame.id);
      bus_.say(frame);
    }
    return sending;
  }

 private:
  PairBus& bus_;
  std::set<std::uint32_t> echoes_;  // frames that are on their way back
};

}  // namespace ferrule::drivers::can
