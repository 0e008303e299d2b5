#include "drivers/can/link_state.hpp"

#include <linux/can/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "drivers/descriptor.hpp"

namespace ferrule::drivers::can {

namespace {

static_assert(static_cast<int>(ControllerState::BusOff) == CAN_STATE_BUS_OFF);
static_assert(static_cast<int>(ControllerState::Sleeping) == CAN_STATE_SLEEPING);

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kMostAnswer = 32 * 1024;
constexpr timeval kPatience{1, 0};

template <class T>
std::optional<T> as(Bytes bytes) {
  T value{};
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string text_of(Bytes bytes) {
  const std::string text(bytes.begin(), bytes.end());
  return text.substr(0, text.find('\0'));
}

/// Calls `take` with type and content of each attribute (length (2) | type (2) | content, padded to 4 bytes).
template <class Take>
void each_attribute(Bytes bytes, Take take) {
  constexpr std::uint16_t kNested = NLA_F_NESTED;
  while (const auto head = as<nlattr>(bytes)) {
    if (head->nla_len < sizeof *head || head->nla_len > bytes.size()) return;
    take(static_cast<std::uint16_t>(head->nla_type & ~kNested),
         bytes.subspan(sizeof *head, head->nla_len - sizeof *head));
    bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(head->nla_len), bytes.size()));
  }
}

void take_can(Bytes bytes, LinkState& link) {
  each_attribute(bytes, [&](std::uint16_t type, Bytes content) {
    if (type == IFLA_CAN_STATE) {
      const auto state = as<std::uint32_t>(content);
      if (state && *state <= CAN_STATE_SLEEPING) link.state = static_cast<ControllerState>(*state);
    } else if (type == IFLA_CAN_BITTIMING) {
      link.bitrate = as<std::uint32_t>(content).value_or(0);  // the first member
    } else if (type == IFLA_CAN_RESTART_MS) {
      link.restart_ms = as<std::uint32_t>(content).value_or(0);
    }
  });
}

void take_link_info(Bytes bytes, LinkState& link) {
  Bytes data;
  each_attribute(bytes, [&](std::uint16_t type, Bytes content) {
    if (type == IFLA_INFO_KIND) link.kind = text_of(content);
    if (type == IFLA_INFO_DATA) data = content;
  });
  if (link.kind == "can") take_can(data, link);
}

}  // namespace

std::optional<LinkState> parse_link(Bytes answer) {
  const auto head = as<nlmsghdr>(answer);
  if (!head || head->nlmsg_type != RTM_NEWLINK || head->nlmsg_len > answer.size()) return std::nullopt;
  constexpr std::size_t kBody = NLMSG_HDRLEN;
  constexpr std::size_t kAttributes = kBody + NLMSG_ALIGN(sizeof(ifinfomsg));
  if (head->nlmsg_len < kAttributes) return std::nullopt;
  LinkState link;
  link.up = (as<ifinfomsg>(answer.subspan(kBody))->ifi_flags & IFF_UP) != 0;
  each_attribute(answer.subspan(kAttributes, head->nlmsg_len - kAttributes), [&](std::uint16_t type, Bytes content) {
    if (type == IFLA_IFNAME) link.name = text_of(content);
    if (type == IFLA_LINKINFO) take_link_info(content, link);
  });
  return link;
}

std::optional<LinkState> link_state(const std::string& interface) {
  struct {
    nlmsghdr head;
    ifinfomsg body;
  } request{};
  request.head = {sizeof request, RTM_GETLINK, NLM_F_REQUEST, 1, 0};
  request.body.ifi_index = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (request.body.ifi_index == 0) return std::nullopt;
  const Descriptor kernel(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!kernel) return std::nullopt;
  ::setsockopt(kernel.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  if (::send(kernel.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) return std::nullopt;
  std::vector<std::uint8_t> answer(kMostAnswer);
  const auto got = ::recv(kernel.get(), answer.data(), answer.size(), 0);
  if (got <= 0) return std::nullopt;
  return parse_link(Bytes(answer).first(static_cast<std::size_t>(got)));
}

std::vector<LinkState> list_links() {
  std::vector<LinkState> links;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/sys/class/net", error), end; !error && at != end; at.increment(error)) {
    int type = 0;
    std::ifstream(at->path() / "type") >> type;
    if (type != ARPHRD_CAN) continue;
    const auto name = at->path().filename().string();
    auto link = link_state(name);
    if (!link) link = LinkState{name, {}, false, 0, {}, 0};
    links.push_back(std::move(*link));
  }
  std::ranges::sort(links, {}, &LinkState::name);
  return links;
}

}  // namespace ferrule::drivers::can
