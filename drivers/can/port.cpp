#include "drivers/can/port.hpp"

#include <fmt/format.h>
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "drivers/can/link_state.hpp"

namespace ferrule::drivers::can {

namespace {

// Between two looks, 10 ms apart, a bus of 1 Mbit/s brings 90 frames; a machine that is busy looks later.
constexpr int kReceiveBuffer = 1 << 20;
constexpr std::uint32_t kErrors = CAN_ERR_TX_TIMEOUT | CAN_ERR_CRTL | CAN_ERR_BUSOFF | CAN_ERR_RESTARTED;

static_assert(Frame::kExtended == CAN_EFF_FLAG && Frame::kRemote == CAN_RTR_FLAG && Frame::kError == CAN_ERR_FLAG);

tl::unexpected<Fault> lost(std::string why) { return tl::unexpected(Fault{Failure::PortLost, std::move(why)}); }

template <class T>
void set(int descriptor, int level, int option, const T& value) {
  ::setsockopt(descriptor, level, option, &value, sizeof value);
}

std::optional<std::uint32_t> dropped_in(msghdr& message) {
  for (auto* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL) continue;
    std::uint32_t count = 0;
    std::memcpy(&count, CMSG_DATA(control), sizeof count);
    return count;
  }
  return std::nullopt;
}

std::optional<Frame> frame_of(const can_frame& raw) {
  if (raw.can_dlc > CAN_MAX_DLEN) return std::nullopt;
  Frame frame;
  frame.id = raw.can_id;
  frame.size = raw.can_dlc;
  std::copy_n(raw.data, frame.size, frame.data.begin());
  return frame;
}

}  // namespace

CanPort::~CanPort() { close(); }

void CanPort::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

tl::expected<std::optional<Received>, std::string> CanPort::receive() {
  canfd_frame packet{};  // the longest: a CAN FD frame is then told from a classic one
  iovec part{&packet, sizeof packet};
  alignas(cmsghdr) std::array<char, 128> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto got = ::recvmsg(descriptor_, &message, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<Received>();
  if (got == 0) return tl::unexpected<std::string>("closed by the other side");
  if (got < 0) {
    const int error = errno;
    if (error == ENETDOWN) return tl::unexpected<std::string>("the interface was taken down");
    if (error == ENODEV) return tl::unexpected<std::string>("the interface is gone");
    return tl::unexpected<std::string>(std::strerror(error));
  }
  Received received;
  received.own = (message.msg_flags & MSG_CONFIRM) != 0;
  received.dropped = dropped_in(message);
  can_frame raw{};
  if (got == static_cast<ssize_t>(sizeof raw)) {
    std::memcpy(&raw, &packet, sizeof raw);
    received.frame = frame_of(raw);
  }
  return received;
}

CanPort::Sending CanPort::send(const Frame& frame, std::string& why) {
  can_frame raw{};
  raw.can_id = frame.id;
  raw.can_dlc = frame.size;
  std::copy_n(frame.data.begin(), frame.size, raw.data);
  if (::send(descriptor_, &raw, sizeof raw, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof raw)) return Sending::Sent;
  const int error = errno;
  why = error == ENETDOWN ? "the interface was taken down" : std::strerror(error);
  return error == ENOBUFS || error == EAGAIN || error == EINTR ? Sending::Full : Sending::Lost;
}

tl::expected<void, Fault> CanInterface::open(const std::vector<IdFilter>& filters) {
  descriptor_ = ::socket(PF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
  if (descriptor_ < 0) {
    const bool missing = errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT;
    return lost(missing ? "no CAN: this kernel has none (modprobe can-raw), or the service may not use it (docs/can.md)"
                        : fmt::format("CAN: {}", std::strerror(errno)));
  }
  const auto index = find();
  if (!index) return lost(index.error());
  if (auto configured = configure(filters); !configured) return lost(configured.error());
  sockaddr_can address{};
  address.can_family = AF_CAN;
  address.can_ifindex = *index;
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return lost(fmt::format("{}: {}", interface_, std::strerror(errno)));
  }
  return {};
}

std::optional<ControllerState> CanInterface::state() const {
  const auto link = link_state(interface_);
  return link ? link->state : std::nullopt;
}

/// The interface's number, when it can be used.
tl::expected<int, std::string> CanInterface::find() const {
  const auto fail = [&](std::string_view why) { return tl::unexpected(fmt::format("{}: {}", interface_, why)); };
  ifreq request{};
  interface_.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(descriptor_, SIOCGIFINDEX, &request) != 0) return fail("there is no such interface (ferrule ports)");
  const int index = request.ifr_ifindex;
  if (::ioctl(descriptor_, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family != ARPHRD_CAN) {
    return fail("is no CAN interface");
  }
  if (::ioctl(descriptor_, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) == 0) {
    return fail(fmt::format("is down (ip link set {} up type can bitrate ...)", interface_));
  }
  return index;
}

tl::expected<void, std::string> CanInterface::configure(const std::vector<IdFilter>& filters) const {
  set(descriptor_, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, can_err_mask_t{kErrors});
  set(descriptor_, SOL_CAN_RAW, CAN_RAW_RECV_OWN_MSGS, int{1});
  set(descriptor_, SOL_SOCKET, SO_RXQ_OVFL, int{1});
  set(descriptor_, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  set(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);  // beyond the machine's limit, where we may
  if (filters.empty() || filters.size() > CAN_RAW_FILTER_MAX) return {};
  std::vector<can_filter> list;
  for (const auto& filter : filters) list.push_back({filter.id, filter.mask});
  const auto size = static_cast<socklen_t>(list.size() * sizeof(can_filter));
  if (::setsockopt(descriptor_, SOL_CAN_RAW, CAN_RAW_FILTER, list.data(), size) == 0) return {};
  return tl::unexpected(fmt::format("{}: the kernel takes no filter: {}", interface_, std::strerror(errno)));
}

tl::expected<void, Fault> CanRehearsal::open(const std::vector<IdFilter>&) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return lost(fmt::format("{}: the path is too long", name()));
  path_.copy(address.sun_path, path_.size());
  descriptor_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ >= 0 && ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return {};
  }
  return lost(fmt::format("{}: {}", name(), std::strerror(errno)));
}

std::unique_ptr<CanPort> make_port(const std::string& interface) {
  if (interface.starts_with(CanRehearsal::kPrefix)) {
    return std::make_unique<CanRehearsal>(interface.substr(CanRehearsal::kPrefix.size()));
  }
  return std::make_unique<CanInterface>(interface);
}

}  // namespace ferrule::drivers::can
