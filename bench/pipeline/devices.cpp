#include "bench/pipeline/devices.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>

#include "drivers/clock.hpp"
#include "drivers/modbus/simulator.hpp"

namespace ferrule::bench {

namespace {

using namespace drivers::modbus;

SimulatedSlave device(std::size_t points) {
  SimulatedSlave slave;
  for (std::size_t i = 0; i < points; ++i) {
    SimulatedPoint point;
    point.encoding.address = static_cast<std::uint16_t>(i);
    point.waveform = {Shape::Ramp, 0, 60'000, std::chrono::minutes{10}, std::chrono::milliseconds{10}};
    slave.points.push_back(point);
  }
  return slave;
}

/// Writes the port of each device to `output`, then serves until it is ended.
[[noreturn]] void serve(std::size_t count, std::size_t points, int output) {
  const rlimit descriptors{8192, 8192};
  setrlimit(RLIMIT_NOFILE, &descriptors);
  const drivers::SystemClock clock;
  Simulator simulator(1, clock);
  for (std::size_t i = 0; i < count; ++i) {
    const auto port = simulator.add_tcp(0, {device(points)});
    if (!port || write(output, &*port, sizeof *port) != sizeof *port) _exit(1);
  }
  simulator.start();
  while (true) pause();
}

}  // namespace

DeviceProcess::DeviceProcess(std::size_t count, std::size_t points) {
  int ends[2];
  if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  process_ = fork();
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(count, points, ends[1]);
  }
  close(ends[1]);
  for (std::uint16_t port = 0; ports_.size() < count && read(ends[0], &port, sizeof port) == sizeof port;) {
    ports_.push_back(port);
  }
  close(ends[0]);
  if (ports_.size() < count) throw std::runtime_error("the simulated devices do not start");
}

DeviceProcess::~DeviceProcess() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

}  // namespace ferrule::bench
