// Dialogues with devices as `ferrule record` writes them, played back byte by byte. Each is three files in dialogues/:
// NAME.yaml configures the bus, NAME.wire is the transcript, NAME.readings says what was understood, a line for each
// reading.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "drivers/modbus/driver.hpp"
#include "drivers/serial/driver.hpp"
#include "loaded_settings.hpp"
#include "scripted_peer.hpp"

namespace ferrule::drivers {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path kDialogues = std::filesystem::path(FERRULE_SOURCE_DIR) / "tests/drivers/dialogues";
constexpr double kPause = 0.005;  // seconds; a shorter one says nothing

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Lets the peer say its part of a transcript: what was received, when what was sent before it has come.
void play(const std::string& transcript, ScriptedPeer& peer) {
  std::istringstream lines(transcript);
  double before = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    double at = 0;
    std::string kind;
    words >> at >> kind;
    std::string hex;
    std::getline(words >> std::ws, hex);
    if (kind == ">") {
      peer.expect(hex);
    } else if (kind == "<") {
      if (at - before > kPause) peer.pause(std::chrono::milliseconds(static_cast<int>((at - before) * 1000)));
      peer.reply(hex);
    } else {
      throw std::runtime_error("not a line of a transcript: " + line);
    }
    before = at;
  }
  peer.hang_up();
}

std::unique_ptr<Driver> driver_of(const BusSettings& settings, std::unique_ptr<PairPort> port, const StopSignal& stop) {
  if (settings.type == BusType::Serial) {
    return std::make_unique<serial::SerialDriver>(settings, std::move(port), stop);
  }
  const modbus::Timing timing{settings.timeout, settings.gap, {}, settings.turnaround};
  auto client = has_line_frames(settings.type) ? modbus::make_rtu_client(*port, stop, timing)
                                               : modbus::make_tcp_client(*port, stop, timing);
  return std::make_unique<modbus::ModbusDriver>(settings, std::move(port), std::move(client));
}

std::string to_text(const Value& value) {
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

std::vector<std::string> names_of(const BusSettings& bus) {
  std::vector<std::string> names;
  for (const auto& device : bus.devices) {
    for (const auto& point : device.points) names.push_back(device.name + " " + point.name);
  }
  return names;
}

/// Runs the driver's tasks in turn until the other side hangs up; what it read, a line for each reading or failure.
std::string run(Driver& driver, const std::vector<std::string>& names, const StopSignal& stop) {
  std::string text;
  for (std::size_t task = 0;; task = (task + 1) % driver.task_count()) {
    if (driver.task(task).listens) stop.wait(driver.descriptor(), POLLIN, std::chrono::steady_clock::now() + 1s);
    std::vector<Reading> readings;
    const auto result = driver.run(task, readings);
    if (!result && result.error().failure == Failure::PortLost) return text;
    if (!result) text += fmt::format("! {}\n", name(result.error().failure));
    for (const auto& reading : readings) {
      text +=
          fmt::format("{} {}\n", names[reading.point],
                      reading.quality == Quality::Good ? to_text(reading.value) : std::string(name(reading.failure)));
    }
  }
}

std::vector<std::string> recorded() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kDialogues)) {
    if (entry.path().extension() == ".wire") names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

class Dialogue : public ::testing::TestWithParam<std::string> {};

TEST_P(Dialogue, IsReplayedByteByByte) {
  const auto file = [&](const char* extension) { return kDialogues / (GetParam() + extension); };
  Loaded loaded(text_of(file(".yaml")));
  loaded.document.finish();
  const auto& settings = loaded.buses.at(0);
  const auto names = names_of(settings);
  StopSignal stop;
  auto port = std::make_unique<PairPort>(stop);
  ScriptedPeer peer(port->peer);
  play(text_of(file(".wire")), peer);
  const auto driver = driver_of(settings, std::move(port), stop);
  ASSERT_TRUE(driver->open(std::chrono::steady_clock::now() + 1s));
  peer.start();
  EXPECT_EQ(run(*driver, names, stop), text_of(file(".readings")));
  EXPECT_EQ(peer.finish(), "");
}

INSTANTIATE_TEST_SUITE_P(Recorded, Dialogue, ::testing::ValuesIn(recorded()),
                         [](const auto& dialogue) { return dialogue.param; });

}  // namespace
}  // namespace ferrule::drivers
