// Ports of CAN buses: interfaces as far as this kernel has them, and sockets that stand in for one, with a bus around.
#include "drivers/can/port.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/can.h>
#include <linux/can/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "../loaded_settings.hpp"
#include "drivers/bus.hpp"
#include "drivers/can/link_state.hpp"

namespace ferrule::drivers::can {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

bool kernel_has_can() {
  const int descriptor = ::socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);
  if (descriptor >= 0) ::close(descriptor);
  return descriptor >= 0;
}

std::string trouble_with(const std::string& interface) {
  const auto port = make_port(interface);
  const auto opened = port->open({exactly(1)});
  return opened ? "" : opened.error().detail;
}

TEST(CanInterface, SaysWhyItCannotBeOpened) {
  if (!kernel_has_can()) {
    EXPECT_EQ(trouble_with("can77"),
              "no CAN: this kernel has none (modprobe can-raw), or the service may not use it (docs/can.md)");
    return;
  }
  EXPECT_EQ(trouble_with("can77"), "can77: there is no such interface (ferrule ports)");
  EXPECT_EQ(trouble_with("lo"), "lo: is no CAN interface");
}

/// A virtual interface, where the kernel lets us make one.
class VirtualCan {
 public:
  VirtualCan() : there_(run("ip link add fcan0 type vcan") && run("ip link set fcan0 up")) {}
  ~VirtualCan() { run("ip link del fcan0"); }
  explicit operator bool() const { return there_; }
  static bool run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

 private:
  const bool there_;
};

std::optional<Received> next(CanPort& port) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  const StopSignal stop;
  while (stop.wait(port.descriptor(), POLLIN, until) == Woke::Ready) {
    const auto received = port.receive();
    EXPECT_TRUE(received) << received.error();
    if (!received || *received) return received ? *received : std::nullopt;
  }
  return std::nullopt;
}

/// With a virtual interface: the dialogue. Without: that there is none is said.
TEST(CanInterface, HearsWhatItsFiltersLetThroughAndItsOwnFramesComeBack) {
  const VirtualCan link;
  if (!link) {
    EXPECT_THAT(trouble_with("fcan0"), AnyOf(HasSubstr("no CAN"), HasSubstr("no such interface")));
    return;
  }
  const auto ours = make_port("fcan0");
  const auto other = make_port("fcan0");
  ASSERT_TRUE(ours->open({exactly(0x123), parameter_group(65263, std::nullopt)}));
  ASSERT_TRUE(other->open({}));
  std::string why;
  const Frame unwanted{0x124, 1, {1}};
  const Frame wanted{0x123, 3, {1, 2, 3}};
  const Frame group{0x18FEEF00 | Frame::kExtended, 8, {8, 7, 6, 5, 4, 3, 2, 1}};
  for (const auto& frame : {unwanted, wanted, group}) ASSERT_EQ(other->send(frame, why), CanPort::Sending::Sent) << why;
  const auto first = next(*ours);
  ASSERT_TRUE(first && first->frame);
  EXPECT_EQ(*first->frame, wanted);
  EXPECT_FALSE(first->own);
  EXPECT_EQ(next(*ours)->frame, group);
  ASSERT_EQ(ours->send(wanted, why), CanPort::Sending::Sent);
  const auto echo = next(*ours);
  EXPECT_TRUE(echo->own);
  EXPECT_EQ(echo->frame, wanted);
  // More than the receive buffer holds: what is lost is counted.
  for (int i = 0; i < 20'000; ++i) other->send(wanted, why);
  std::uint32_t dropped = 0;
  for (auto received = ours->receive(); received && *received; received = ours->receive()) {
    dropped = (*received)->dropped.value_or(dropped);
  }
  ASSERT_EQ(other->send(wanted, why), CanPort::Sending::Sent);
  dropped = next(*ours)->dropped.value_or(dropped);
  EXPECT_GT(dropped, 0U);
  const auto links = list_links();
  EXPECT_EQ(std::ranges::count(links, "fcan0", &LinkState::name), 1);
  EXPECT_EQ(link_state("fcan0")->kind, "vcan");
  VirtualCan::run("ip link set fcan0 down");
  const StopSignal stop;
  EXPECT_EQ(stop.wait(ours->descriptor(), POLLIN, std::chrono::steady_clock::now() + 10s), Woke::Ready);
  EXPECT_EQ(ours->receive().error(), "the interface was taken down");
  EXPECT_EQ(trouble_with("fcan0"), "fcan0: is down (ip link set fcan0 up type can bitrate ...)");
}

/// Two cards on one wire (FERRULE_CAN_CARDS=can0,can1), as scripts/can-guest has them; else what it says of two that
/// are not there.
TEST(CanInterface, KnowsACardsBitRateAndIsToldWhenItsFrameWasSent) {
  const auto* cards = std::getenv("FERRULE_CAN_CARDS");
  const std::string both = cards == nullptr ? "fcan8,fcan9" : cards;
  const auto one = make_port(both.substr(0, both.find(',')));
  const auto other = make_port(both.substr(both.find(',') + 1));
  const auto opened = one->open({exactly(0x123)});
  if (cards == nullptr) {
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().detail, AnyOf(HasSubstr("no CAN"), HasSubstr("fcan8: there is no such interface")));
    return;
  }
  ASSERT_TRUE(opened) << opened.error().detail;
  ASSERT_TRUE(other->open({exactly(0x123)}));
  EXPECT_EQ(link_state(one->name())->kind, "can");
  EXPECT_EQ(link_state(one->name())->bitrate, 250'000U);
  EXPECT_EQ(one->state(), ControllerState::Active);
  std::string why;
  const Frame frame{0x123, 8, {1, 2, 3, 4, 5, 6, 7, 8}};
  ASSERT_EQ(one->send(frame, why), CanPort::Sending::Sent) << why;
  const auto arrived = next(*other);
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->frame, frame);
  EXPECT_FALSE(arrived->own);
  const auto echo = next(*one);
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->frame, frame);
  EXPECT_TRUE(echo->own);
}

TEST(CanRehearsal, SaysWhyItCannotBeOpened) {
  EXPECT_EQ(trouble_with("unix:/nowhere/bus"), "unix:/nowhere/bus: No such file or directory");
  EXPECT_EQ(trouble_with("unix:/" + std::string(200, 'x')),
            "unix:/" + std::string(200, 'x') + ": the path is too long");
}

/// The other end of a rehearsal.
class Rehearsal {
 public:
  Rehearsal() {
    std::string pattern = (fs::temp_directory_path() / "ferrule-can-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Rehearsal() {
    end();
    fs::remove_all(directory_);
  }
  std::string path() const { return (directory_ / "bus").string(); }

  void begin() {
    listening_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening_, 1), 0);
    connection_ = ::accept(listening_, nullptr, nullptr);
    ASSERT_GE(connection_, 0);
  }
  void end() {
    for (int* descriptor : {&connection_, &listening_}) {
      if (*descriptor >= 0) ::close(*descriptor);
      *descriptor = -1;
    }
    fs::remove(path());
  }
  void say(std::uint32_t id, std::uint8_t byte) const {
    can_frame raw{};
    raw.can_id = id;
    raw.can_dlc = 1;
    raw.data[0] = byte;
    ASSERT_EQ(::send(connection_, &raw, sizeof raw, MSG_NOSIGNAL), static_cast<ssize_t>(sizeof raw));
  }
  can_frame hear() const {
    can_frame raw{};
    EXPECT_EQ(::recv(connection_, &raw, sizeof raw, 0), static_cast<ssize_t>(sizeof raw));
    return raw;
  }

 private:
  fs::path directory_;
  int listening_ = -1;
  int connection_ = -1;
};

TEST(CanBus, TellsThatItsPortIsGoneAndComesBackWithIt) {
  Rehearsal rehearsal;
  Loaded loaded(fmt::format(R"(buses: {{can: {{type: can, interface: "unix:{}", reconnect: 100ms..100ms}}}}
devices: {{d: {{bus: can, points: {{p: {{message: 1, start_bit: 0, length: 8, write: {{fill: 0}}}}}}}}}})",
                            rehearsal.path()));
  loaded.document.finish();
  SystemClock clock;
  std::mutex mutex;
  std::vector<Reading> seen;
  Bus bus(
      loaded.buses.at(0),
      [&](std::span<const Reading> readings) {
        const std::lock_guard lock(mutex);
        seen.insert(seen.end(), readings.begin(), readings.end());
      },
      clock);
  const auto saw = [&](Failure failure, const Value& value) {
    const std::lock_guard lock(mutex);
    return std::ranges::any_of(seen, [&](const Reading& one) { return one.failure == failure && one.value == value; });
  };
  const auto until = std::chrono::steady_clock::now() + 60s;
  const auto wait_for = [&](auto wanted) {
    while (std::chrono::steady_clock::now() < until && !wanted()) std::this_thread::sleep_for(5ms);
    return wanted();
  };
  bus.start();
  EXPECT_TRUE(wait_for([&] { return saw(Failure::PortLost, false); }));
  EXPECT_THAT(bus.status().trouble, HasSubstr("No such file or directory"));
  rehearsal.begin();
  rehearsal.say(1, 42);
  EXPECT_TRUE(wait_for([&] { return saw(Failure::None, std::uint64_t{42}); }));
  EXPECT_TRUE(bus.status().connected);
  WriteRequest request;
  request.value = std::uint64_t{7};
  request.deadline = clock.now() + 60s;
  request.done = [&](const WriteResult& result) {
    const std::lock_guard lock(mutex);
    seen.push_back(
        {0, Quality::Bad, result.outcome == Outcome::Ok ? Failure::Clamped : Failure::Timeout, false, {}, {}});
  };
  ASSERT_TRUE(bus.submit(std::move(request)));
  EXPECT_EQ(rehearsal.hear().data[0], 7);
  EXPECT_TRUE(wait_for([&] { return saw(Failure::Clamped, false); })) << "the write was answered with ok";
  rehearsal.end();
  EXPECT_TRUE(wait_for([&] { return !bus.status().connected; }));
  rehearsal.begin();
  rehearsal.say(1, 43);
  EXPECT_TRUE(wait_for([&] { return saw(Failure::None, std::uint64_t{43}); }));
  bus.stop();
}

/// What the kernel answers to RTM_GETLINK, attribute by attribute.
class Answer {
 public:
  Answer() : bytes_(NLMSG_HDRLEN + sizeof(ifinfomsg)) {}
  std::size_t open(std::uint16_t type) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof(nlattr));
    const nlattr head{0, type};
    std::memcpy(&bytes_[at], &head, sizeof head);
    return at;
  }
  void close(std::size_t at) {
    const auto size = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(&bytes_[at], &size, sizeof size);
    bytes_.resize(NLA_ALIGN(bytes_.size()));
  }
  template <class T>
  void add(std::uint16_t type, const T& value) {
    const auto at = open(type);
    const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof value);
    close(at);
  }
  void add_text(std::uint16_t type, std::string_view text) {
    const auto at = open(type);
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    bytes_.push_back(0);
    close(at);
  }
  std::vector<std::uint8_t> bytes() {
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    head.nlmsg_type = RTM_NEWLINK;
    ifinfomsg body{};
    body.ifi_flags = IFF_UP;
    std::memcpy(bytes_.data(), &head, sizeof head);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &body, sizeof body);
    return bytes_;
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

TEST(LinkState, ReadsWhatTheKernelSaysOfAController) {
  Answer answer;
  answer.add_text(IFLA_IFNAME, "can0");
  const auto info = answer.open(IFLA_LINKINFO);
  answer.add_text(IFLA_INFO_KIND, "can");
  const auto data = answer.open(IFLA_INFO_DATA | NLA_F_NESTED);
  can_bittiming timing{};
  timing.bitrate = 250'000;
  answer.add(IFLA_CAN_BITTIMING, timing);
  answer.add(IFLA_CAN_STATE, std::uint32_t{CAN_STATE_ERROR_PASSIVE});
  answer.add(IFLA_CAN_RESTART_MS, std::uint32_t{100});
  answer.close(data);
  answer.close(info);
  auto bytes = answer.bytes();
  const auto link = parse_link(bytes);
  ASSERT_TRUE(link);
  EXPECT_EQ(link->name, "can0");
  EXPECT_EQ(link->kind, "can");
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->bitrate, 250'000U);
  EXPECT_EQ(link->state, ControllerState::Passive);
  EXPECT_EQ(link->restart_ms, 100U);
  for (std::size_t size = 0; size < bytes.size(); ++size) parse_link(std::span(bytes).first(size));
  EXPECT_FALSE(parse_link(std::span(bytes).first(bytes.size() - 1)));
}

TEST(LinkState, KnowsInterfacesThatAreNoneOfCan) {
  const auto loopback = link_state("lo");
  ASSERT_TRUE(loopback);
  EXPECT_EQ(loopback->name, "lo");
  EXPECT_FALSE(loopback->state);
  EXPECT_FALSE(link_state("can77"));
}

TEST(ErrorFrame, IsSaidInWords) {
  const auto read = [](std::uint32_t id, std::uint8_t said = 0) {
    return read_error({Frame::kError | id, 8, {0, said, 0, 0, 0, 0, 130, 7}});
  };
  EXPECT_EQ(read(0x40).state, ControllerState::BusOff);
  EXPECT_EQ(read(0x100).state, ControllerState::Active);
  EXPECT_EQ(read(0x4, 0x10).state, ControllerState::Passive);
  EXPECT_EQ(read(0x4, 0x20).state, ControllerState::Passive);
  EXPECT_EQ(read(0x4, 0x04).state, ControllerState::Warning);
  EXPECT_EQ(read(0x4, 0x40).state, ControllerState::Active);
  EXPECT_EQ(read(0x204, 0x20).state, ControllerState::Passive) << "with its counts";
  EXPECT_FALSE(read(0x4, 0x01).says_state);
  EXPECT_EQ(read(0x4, 0x01).trouble, "the controller's receive buffer overflowed");
  EXPECT_EQ(read(0x4, 0x02).trouble, "the controller's transmit buffer overflowed");
  EXPECT_EQ(read(0x1).trouble, "the controller could not send a frame in time");
  EXPECT_TRUE(read(0x8).trouble.empty());
  EXPECT_EQ(name(ControllerState::BusOff), "bus-off");
}

}  // namespace
}  // namespace ferrule::drivers::can
