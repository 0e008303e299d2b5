#include "scripted_peer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "drivers/modbus/owed.hpp"

namespace ferrule::drivers {

using namespace std::chrono_literals;

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16)));
    at += 2;
  }
  return bytes;
}

std::string to_hex(const Bytes& bytes) {
  std::string text;
  for (const auto byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  return text;
}

Bytes with_crc(std::string_view text) {
  auto bytes = from_hex(text);
  const auto crc = modbus::crc16(bytes);
  bytes.push_back(static_cast<std::uint8_t>(crc));
  bytes.push_back(static_cast<std::uint8_t>(crc >> 8));
  return bytes;
}

PairPort::PairPort(const StopSignal& stop) : Port(stop) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  descriptor_ = ends[0];
  peer = ends[1];
  ::fcntl(descriptor_, F_SETFL, O_NONBLOCK);
}

PairPort::~PairPort() {
  PairPort::close();
  if (peer >= 0) ::close(peer);
}

void PairPort::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

ScriptedPeer::~ScriptedPeer() {
  if (thread_.joinable()) thread_.join();
}

ScriptedPeer& ScriptedPeer::expect(std::string_view hex) {
  steps_.emplace_back([this, wanted = from_hex(hex)] {
    Bytes got;
    if (read_exactly(wanted.size(), got) && got == wanted) return true;
    trouble_ = fmt::format("expected {}, got {}", to_hex(wanted), to_hex(got));
    return false;
  });
  return *this;
}

ScriptedPeer& ScriptedPeer::reply(const Bytes& bytes) {
  steps_.emplace_back([this, bytes] {
    return ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()) ||
           ::write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());  // a pseudo-terminal
  });
  return *this;
}

ScriptedPeer& ScriptedPeer::reply_in_single_bytes(const Bytes& bytes) {
  for (const auto byte : bytes) reply(Bytes{byte}).pause(1ms);
  return *this;
}

ScriptedPeer& ScriptedPeer::pause(std::chrono::milliseconds time) {
  steps_.emplace_back([time] {
    std::this_thread::sleep_for(time);
    return true;
  });
  return *this;
}

ScriptedPeer& ScriptedPeer::hang_up() {
  steps_.emplace_back([this] { return ::shutdown(descriptor_, SHUT_RDWR) == 0; });
  return *this;
}

void ScriptedPeer::start() {
  thread_ = std::thread([this] { run(); });
}

std::string ScriptedPeer::finish() {
  thread_.join();
  return trouble_;
}

void ScriptedPeer::run() {
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    if (steps_[step]()) continue;
    if (trouble_.empty()) trouble_ = "could not write";
    trouble_ += fmt::format(" (step {})", step + 1);
    return;
  }
}

bool ScriptedPeer::read_exactly(std::size_t count, Bytes& bytes) const {
  while (bytes.size() < count) {
    pollfd poll{descriptor_, POLLIN, 0};
    if (::poll(&poll, 1, 5000) <= 0) return false;
    std::uint8_t byte = 0;
    if (::read(descriptor_, &byte, 1) != 1) return false;
    bytes.push_back(byte);
  }
  return true;
}

}  // namespace ferrule::drivers
