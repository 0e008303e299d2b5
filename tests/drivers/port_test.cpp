#include "drivers/port.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "drivers/serial_port.hpp"
#include "drivers/tcp_port.hpp"
#include "fake_slave.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::string trouble(Port& port) {
  const auto opened = port.open(steady_clock::now() + 2s);
  if (opened) return "";
  EXPECT_EQ(opened.error().failure, Failure::PortLost);
  EXPECT_FALSE(port.is_open());
  return opened.error().detail;
}

TEST(TcpPort, ConnectsByAddressAndByName) {
  StopSignal stop;
  TcpSlave slave(answer_addresses);
  TcpPort by_address("127.0.0.1", slave.port(), stop);
  EXPECT_EQ(trouble(by_address), "");
  EXPECT_EQ(by_address.name(), fmt::format("127.0.0.1:{}", slave.port()));
  by_address.close();
  TcpPort by_name("localhost", slave.port(), stop);
  EXPECT_EQ(trouble(by_name), "");
}

TEST(TcpPort, GivesAPeerItsTimeBeforeTheFirstRequest) {
  StopSignal stop;
  TcpSlave slave(answer_addresses);
  TcpPort port("127.0.0.1", slave.port(), stop, {10s, 150ms});
  const auto before = steady_clock::now();
  EXPECT_EQ(trouble(port), "");
  EXPECT_GE(steady_clock::now() - before, 150ms);
}

TEST(TcpPort, ProbesASilentConnectionAsOftenAsItIsTold) {
  StopSignal stop;
  TcpSlave slave(answer_addresses);
  const auto option = [](const TcpPort& port, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    ::getsockopt(port.descriptor(), level, name, &value, &length);
    return value;
  };
  TcpPort port("127.0.0.1", slave.port(), stop, {30s, 0ms});
  ASSERT_EQ(trouble(port), "");
  EXPECT_EQ(option(port, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(port, IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option(port, IPPROTO_TCP, TCP_KEEPINTVL), 15);
  port.close();
  TcpPort never("127.0.0.1", slave.port(), stop, {0s, 0ms});
  ASSERT_EQ(trouble(never), "");
  EXPECT_EQ(option(never, SOL_SOCKET, SO_KEEPALIVE), 0);
}

TEST(TcpPort, SaysWhyItCannotConnect) {
  StopSignal stop;
  TcpPort refused("127.0.0.1", 1, stop);
  EXPECT_EQ(trouble(refused), "cannot connect to 127.0.0.1:1: Connection refused");
  TcpPort unknown("no-such-host.invalid", 502, stop);
  EXPECT_EQ(trouble(unknown).rfind("cannot resolve `no-such-host.invalid`: ", 0), 0U);
  TcpPort six("::1", 1, stop);
  EXPECT_EQ(six.name(), "[::1]:1");
}

TEST(TcpPort, DoesNotConnectAfterStop) {
  StopSignal stop;
  stop.request();
  TcpPort port("no-such-host.invalid", 502, stop);
  const auto before = steady_clock::now();
  EXPECT_NE(trouble(port), "");
  EXPECT_LT(steady_clock::now() - before, 500ms);
}

TEST(SerialPort, HasItsLineForItself) {
  StopSignal stop;
  PtySlave slave(answer_addresses);
  SerialPort first(slave.path(), {}, stop);
  SerialPort second(slave.path(), {}, stop);
  EXPECT_EQ(trouble(first), "");
  EXPECT_EQ(trouble(second), fmt::format("cannot open {}: in use by another program", slave.path()));
  first.close();
  EXPECT_EQ(trouble(second), "");
}

TEST(SerialPort, SetsUpARealLineAndKeepsItForItself) {
  StopSignal stop;
  SerialPort port("/dev/ttyS0", {19200, 7, Parity::Odd, 2}, stop);
  if (const auto why = trouble(port); !why.empty()) GTEST_SKIP() << why;
  SerialPort second("/dev/ttyS0", {}, stop);
  EXPECT_NE(trouble(second), "");  // and it has changed nothing
  termios mode{};
  ASSERT_EQ(::tcgetattr(port.descriptor(), &mode), 0);
  EXPECT_EQ(::cfgetospeed(&mode), speed_t{B19200});
  EXPECT_EQ(mode.c_cflag & CSIZE, tcflag_t{CS7});
  EXPECT_NE(mode.c_cflag & PARENB, 0U);
  EXPECT_NE(mode.c_cflag & PARODD, 0U);
  EXPECT_NE(mode.c_cflag & CSTOPB, 0U);
  EXPECT_EQ(mode.c_lflag & (ICANON | ECHO), 0U);
}

TEST(SerialPort, SaysWhyItCannotOpen) {
  StopSignal stop;
  SerialPort missing("/dev/ttyNONE", {}, stop);
  EXPECT_EQ(trouble(missing), "cannot open /dev/ttyNONE: No such file or directory");
  SerialPort folder("/tmp", {}, stop);
  EXPECT_EQ(trouble(folder), "cannot open /tmp: not a serial port");
  SerialPort null("/dev/null", {}, stop);
  EXPECT_NE(trouble(null), "");
}

TEST(Port, DrainsToSilence) {
  StopSignal stop;
  PairPort port(stop);
  ScriptedPeer peer(port.peer);
  peer.reply("01 02 03").pause(10ms).reply("04 05");
  peer.start();
  Bytes head(4);
  const auto drained = port.drain(100ms, steady_clock::now() + 5s, head);
  EXPECT_TRUE(drained.silent);
  EXPECT_FALSE(drained.lost);
  EXPECT_EQ(drained.bytes, 5U);
  EXPECT_EQ(to_hex(head), "01 02 03 04");
  EXPECT_EQ(peer.finish(), "");
}

TEST(Port, NoticesAHangUpWhileItDrains) {
  StopSignal stop;
  PairPort port(stop);
  ::close(port.peer);
  port.peer = -1;
  EXPECT_TRUE(port.drain(100ms, steady_clock::now() + 5s, {}).lost);
}

}  // namespace
}  // namespace ferrule::drivers
