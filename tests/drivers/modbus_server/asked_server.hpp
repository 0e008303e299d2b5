// A whole server, its thread included, and masters that ask it.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "drivers/modbus_server/request.hpp"
#include "drivers/modbus_server/server.hpp"

namespace ferrule::drivers::modbus_server {

inline constexpr int kRefused = MODBUS_ENOBASE;  // libmodbus's errno of an exception is this and its code

inline ExposedPoint point(std::uint8_t unit, PointIndex index, std::uint16_t address, bool writable = false) {
  ExposedPoint exposed;
  exposed.unit = unit;
  exposed.point = index;
  exposed.encoding.address = address;
  exposed.writable = writable;
  return exposed;
}

/// The real time, which a test can put forward.
class ShiftedClock final : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now() + ahead_.load(); }
  std::chrono::system_clock::time_point utc() const override { return std::chrono::system_clock::now(); }
  void advance(std::chrono::nanoseconds time) { ahead_ = ahead_.load() + time; }

 private:
  std::atomic<std::chrono::nanoseconds> ahead_{};
};

/// libmodbus's client.
class Master {
 public:
  explicit Master(modbus_t* modbus, int unit = 1) : modbus_(modbus) {
    modbus_set_slave(modbus_, unit);
    modbus_set_response_timeout(modbus_, 10, 0);
    connected = modbus_connect(modbus_) == 0;
  }
  ~Master() {
    modbus_close(modbus_);
    modbus_free(modbus_);
  }
  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  void unit(int unit) { modbus_set_slave(modbus_, unit); }
  std::vector<std::uint16_t> read(int address, int count) {
    std::vector<std::uint16_t> registers(static_cast<std::size_t>(count));
    error = modbus_read_registers(modbus_, address, count, registers.data()) == count ? 0 : errno;
    if (error != 0) registers.clear();
    return registers;
  }
  bool write(int address, std::uint16_t value) {
    const bool done = modbus_write_register(modbus_, address, value) == 1;
    error = done ? 0 : errno;
    return done;
  }
  bool write(int address, std::vector<std::uint16_t> values) {
    const auto count = static_cast<int>(values.size());
    const bool done = modbus_write_registers(modbus_, address, count, values.data()) == count;
    error = done ? 0 : errno;
    return done;
  }
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(modbus_get_socket(modbus_), bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  }
  /// Sends what the socket takes within a minute: how many bytes; nothing when it is closed.
  std::size_t offer(std::string_view bytes) const {
    pollfd wanted{modbus_get_socket(modbus_), POLLOUT, 0};
    if (::poll(&wanted, 1, 60'000) <= 0) return 0;
    const auto sent = ::send(wanted.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
  /// At least `size` bytes, or what came until the connection was closed.
  std::string receive(std::size_t size) const {
    std::string all;
    pollfd wanted{modbus_get_socket(modbus_), POLLIN, 0};
    while (all.size() < size && ::poll(&wanted, 1, 10'000) > 0) {
      std::array<char, 4096> bytes{};
      const auto got = ::recv(wanted.fd, bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      all.append(bytes.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

  bool connected = false;
  int error = 0;

 private:
  modbus_t* modbus_;
};

class ModbusServer : public testing::Test {
 protected:
  void SetUp() override {
    settings.name = "scada";
    settings.port = 0;
    settings.points = {point(1, 0, 0), point(1, 1, 1, true), point(1, 2, 2, true)};
    shown[0] = shown[1] = shown[2] = {std::uint64_t{7}, Quality::Good, Failure::None};
  }
  void start(modbus::SlavePorts::Admits admits = {}) {
    server = std::make_unique<Server>(settings, way(), std::move(admits), clock);
    server->start();
  }
  std::uint16_t port() const {
    const auto name = server->status().port;
    return static_cast<std::uint16_t>(std::stoi(name.substr(name.rfind(':') + 1)));
  }
  modbus_t* tcp() const { return modbus_new_tcp("127.0.0.1", port()); }

  ShiftedClock clock;
  ServerSettings settings;
  std::map<PointIndex, Shown> shown;  // set before the server is asked
  std::function<WriteResult(PointIndex, const Value&)> on_write = [](auto, const auto&) { return WriteResult{}; };
  using OnPass = std::function<std::optional<PassResult>(const PassRequest&)>;
  void on_pass(OnPass answer) {
    const std::lock_guard lock(mutex);
    on_pass_ = std::move(answer);
  }
  void remember(std::optional<std::vector<std::uint8_t>> answer) {
    const std::lock_guard lock(mutex);
    remembered_ = std::move(answer);
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock(mutex);
    return notes_;
  }
  std::mutex mutex;

 private:
  Server::Way way() {
    return {[this](const ExposedPoint& exposed) { return shown[exposed.point]; },
            [this](const ExposedPoint& exposed, Value value, std::string who, auto done) {
              {
                const std::lock_guard lock(mutex);
                notes_.push_back(std::move(who));
              }
              // As in the gateway: the answer comes later, from another thread.
              writes_.push_back(std::async(
                  std::launch::async, [this, point = exposed.point, value, done] { done(on_write(point, value)); }));
            },
            [this](std::size_t, std::uint8_t, std::span<const std::uint8_t>, TimePoint) {
              const std::lock_guard lock(mutex);
              return remembered_;
            },
            [this](std::size_t, PassRequest&& request) {
              std::optional<PassResult> result;
              {
                const std::lock_guard lock(mutex);
                result = on_pass_(request);
              }
              if (!result) return false;
              request.done(std::move(*result));
              return true;
            },
            [this](std::string who, std::string what) {
              const std::lock_guard lock(mutex);
              notes_.push_back(who + ": " + what);
            }};
  }

  OnPass on_pass_ = [](const auto&) { return std::nullopt; };  // guarded by mutex
  std::optional<std::vector<std::uint8_t>> remembered_;        // guarded by mutex
  std::vector<std::string> notes_;                             // guarded by mutex
  std::vector<std::future<void>> writes_;

 protected:
  std::unique_ptr<Server> server;  // ends before what it looks at
};

/// The master's end of a line whose other end the server opens.
class Line {
 public:
  Line() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(master_);
    unlockpt(master_);
    path = ptsname(master_);
    // Kept open: a pty that nobody has open is lost for whoever reads the master's end.
    far_ = ::open(path.c_str(), O_RDWR | O_NOCTTY);
    termios mode{};
    tcgetattr(far_, &mode);
    cfmakeraw(&mode);
    tcsetattr(far_, TCSANOW, &mode);
  }
  ~Line() {
    ::close(master_);
    ::close(far_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void send(std::vector<std::uint8_t> bytes) const {
    EXPECT_EQ(::write(master_, bytes.data(), bytes.size()), std::ssize(bytes));
  }
  /// `size` bytes, or fewer when no more come within that time.
  std::vector<std::uint8_t> receive(std::size_t size, int milliseconds = 10'000) const {
    std::vector<std::uint8_t> all;
    pollfd wanted{master_, POLLIN, 0};
    while (all.size() < size && ::poll(&wanted, 1, milliseconds) > 0) {
      std::array<std::uint8_t, 256> bytes{};
      const auto got = ::read(master_, bytes.data(), bytes.size());
      if (got <= 0) break;
      all.insert(all.end(), bytes.begin(), bytes.begin() + got);
    }
    return all;
  }

  std::string path;

 private:
  int master_;
  int far_;
};

}  // namespace ferrule::drivers::modbus_server
