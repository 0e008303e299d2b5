// The machine's own values, from trees of files that stand in for /proc and /sys.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <linux/gpio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../loaded_settings.hpp"
#include "drivers/system/driver.hpp"

namespace ferrule::drivers::system {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class SystemTest : public ::testing::Test {
 protected:
  ~SystemTest() override { fs::remove_all(root); }

  void put(const std::string& path, const std::string& text) const {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
  Roots roots() const { return {root / "sys", root / "proc"}; }
  std::string read(Source source, const std::string& name = {}) {
    PointRule rule;
    rule.source = source;
    rule.name = name;
    const auto text = machine.read(rule);
    if (text) return *text;
    return fmt::format("{}: {}", drivers::name(text.error().failure), text.error().detail.substr(root.string().size()));
  }

  static fs::path make_directory() {
    std::string pattern = (fs::temp_directory_path() / "ferrule-system-XXXXXX").string();
    return ::mkdtemp(pattern.data());
  }

  const fs::path root = make_directory();
  Machine machine{roots()};
};

TEST_F(SystemTest, ReadsLoadUptimeAndMemory) {
  put("proc/loadavg", "0.42 0.30 0.25 1/234 5678\n");
  put("proc/uptime", "12345.67 23456.78\n");
  put("proc/meminfo", "MemTotal:        8000000 kB\nMemFree:  100 kB\nMemAvailable:    2000000 kB\n");
  EXPECT_EQ(read(Source::Load), "0.42");
  EXPECT_EQ(read(Source::Uptime), "12345.67");
  EXPECT_EQ(read(Source::MemoryUsed), "75.0");
  EXPECT_EQ(read(Source::MemoryAvailable), "2048000000");
}

TEST_F(SystemTest, ReadsWhatTheProcessorDidSinceItWasLastAsked) {
  put("proc/stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2\n");
  EXPECT_EQ(read(Source::CpuUsed), "20.0");
  put("proc/stat", "cpu  190 0 100 710 100 0 0 0 50 0\n");
  EXPECT_EQ(read(Source::CpuUsed), "90.0");
  EXPECT_EQ(read(Source::CpuUsed), "0.0") << "nothing has passed";
  put("proc/stat", "cpu  x\n");
  EXPECT_EQ(read(Source::CpuUsed), "bad-reply: /proc/stat: has no line of the processor");
}

TEST_F(SystemTest, PrefersTheProcessorsThermalZone) {
  put("sys/class/thermal/thermal_zone0/type", "iwlwifi_1\n");
  put("sys/class/thermal/thermal_zone0/temp", "30000\n");
  put("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
  put("sys/class/thermal/thermal_zone1/temp", "48500\n");
  put("sys/class/thermal/cooling_device0/type", "Fan\n");
  EXPECT_EQ(read(Source::CpuTemperature), "48.5");
  EXPECT_EQ(read(Source::CpuTemperature, "iwlwifi_1"), "30");
  EXPECT_EQ(read(Source::CpuTemperature, "gpu"), "point-rejected: /sys/class/thermal: no such zone");
}

TEST_F(SystemTest, ReadsLinksAndTheirCounters) {
  put("sys/class/net/eth0/operstate", "up\n");
  put("sys/class/net/eth0/statistics/rx_bytes", "18446744073709551615\n");
  put("sys/class/net/eth0/statistics/tx_bytes", "7\n");
  put("sys/class/net/eth1/operstate", "down\n");
  put("sys/class/net/tun0/operstate", "unknown\n");
  EXPECT_EQ(read(Source::Link, "eth0"), "true");
  EXPECT_EQ(read(Source::Link, "eth1"), "false");
  EXPECT_EQ(read(Source::Link, "tun0"), "true");
  EXPECT_EQ(read(Source::Received, "eth0"), "18446744073709551615");
  EXPECT_EQ(read(Source::Sent, "eth0"), "7");
  EXPECT_EQ(read(Source::Link, "eth9"), "point-rejected: /sys/class/net/eth9/operstate: No such file or directory");
}

TEST_F(SystemTest, BelievesAOneWireThermometerOnlyWithItsChecksum) {
  const std::string file = "sys/bus/w1/devices/28-0316a2/w1_slave";
  const std::string first = "72 01 4b 46 7f ff 0e 10 57 : crc=57 ";
  put(file, first + "YES\n72 01 4b 46 7f ff 0e 10 57 t=-1062\n");
  EXPECT_EQ(read(Source::OneWire, "28-0316a2"), "-1.062");
  put(file, first + "NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n");
  EXPECT_EQ(read(Source::OneWire, "28-0316a2"), "bad-reply: /sys/bus/w1/devices/28-0316a2/w1_slave: wrong checksum");
  put(file, "");
  EXPECT_THAT(read(Source::OneWire, "28-0316a2"), HasSubstr("device-busy"));
  put(file, first + "YES\n72 t=x\n");
  EXPECT_THAT(read(Source::OneWire, "28-0316a2"), HasSubstr("bad-reply"));
}

TEST_F(SystemTest, ReadsTheFileSystemOfAPath) {
  const auto used = std::stod(read(Source::DiskUsed, root.string()));
  EXPECT_GE(used, 0);
  EXPECT_LE(used, 100);
  EXPECT_NE(read(Source::DiskFree, root.string()), "");
  EXPECT_EQ(read(Source::DiskUsed, (root / "no").string()), "point-rejected: /no: No such file or directory");
}

TEST_F(SystemTest, LooksAtTheBeginningOfAFileOnly) {
  put("big", "42 " + std::string(1 << 20, 'x'));
  EXPECT_EQ(read(Source::File, (root / "big").string()), "42");
  put("none", " \n");
  EXPECT_EQ(read(Source::File, (root / "none").string()), "bad-reply: /none: is empty");
}

TEST_F(SystemTest, MakesEachPointATaskOfItsOwn) {
  put("proc/loadavg", "1.5 0 0\n");
  put("sys/class/net/eth0/operstate", "up\n");
  put("volts", "3312\n");
  Loaded loaded(fmt::format(R"(buses: {{here: {{type: system}}}}
devices:
  box:
    bus: here
    interval: 5s
    points:
      load: {{from: load}}
      volts: {{from: file, path: {}, scale: 0.001, unit: V, interval: 1m}}
      net: {{from: link, interface: eth0}}
      gone: {{from: link, interface: eth9}}
)",
                            (root / "volts").string()));
  ASSERT_NO_THROW(loaded.document.finish());
  SystemDriver driver(loaded.buses.at(0), roots());
  ASSERT_TRUE(driver.open({}));
  ASSERT_EQ(driver.task_count(), 4U);
  EXPECT_EQ(driver.task(0).interval, std::chrono::seconds(5));
  EXPECT_EQ(driver.task(1).interval, std::chrono::minutes(1));
  std::vector<Reading> readings;
  for (std::size_t task = 0; task < 3; ++task) ASSERT_TRUE(driver.run(task, readings));
  EXPECT_EQ(readings[0].value, Value(1.5));
  EXPECT_EQ(readings[1].value, Value(3.312));
  EXPECT_EQ(readings[2].value, Value(true));
  const auto gone = driver.run(3, readings);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().failure, Failure::PointRejected);
  EXPECT_EQ(driver.describe(3), "point gone");
  EXPECT_FALSE(driver.write(0, true));
}

TEST(SystemSettings, HaveUnitsOfTheirOwn) {
  Loaded loaded(R"(buses: {here: {type: system}}
devices: {box: {bus: here, points: {t: {from: cpu_temperature}, d: {from: disk_used}, r: {from: received, interface: eth0}}}}
)");
  ASSERT_NO_THROW(loaded.document.finish());
  const auto& points = loaded.buses.at(0).devices.at(0).points;
  EXPECT_EQ(points[0].unit, "°C");
  EXPECT_EQ(points[1].unit, "%");
  EXPECT_EQ(points[2].type, Type::Uint64);
  EXPECT_EQ(points[0].interval, std::chrono::seconds(10));
}

TEST(SystemMistakes, IncludeWhatIsNotThere) {
  const auto of = [](const std::string& point) {
    return mistakes("buses: {here: {type: system}}\ndevices: {box: {bus: here, points: {p: {" + point + "}}}}");
  };
  EXPECT_THAT(of("from: cpu_temprature"), ElementsAre(HasSubstr("(did you mean cpu_temperature?)")));
  EXPECT_THAT(of("from: link"), ElementsAre(HasSubstr("p.interface: is required")));
  EXPECT_THAT(of("from: link, interface: ../x"), ElementsAre(HasSubstr("p.interface: is a name, not a path")));
  EXPECT_THAT(of("from: file, path: a"), ElementsAre(HasSubstr("p.path: must be an absolute path")));
  EXPECT_THAT(of("from: load, path: /a"), ElementsAre(HasSubstr("p.path: unknown key")));
  EXPECT_THAT(of("from: gpio, chip: /dev/gpiochip0"), ElementsAre(HasSubstr("p.line: is required")));
}

// A chip that answers as the kernel does. Functions without state of their own are what an ioctl can be replaced by.
struct FakeChip {
  std::uint64_t flags = 0;
  std::uint32_t line = 0;
  bool level = false;
  int error = 0;
  int requests = 0;
};
FakeChip chip;

int fake_ioctl(int, unsigned long request, void* argument) {
  if (chip.error != 0) {
    errno = chip.error;
    return -1;
  }
  if (request == GPIO_V2_GET_LINE_IOCTL) {
    auto& asked = *static_cast<gpio_v2_line_request*>(argument);
    chip.flags = asked.config.flags;
    chip.line = asked.offsets[0];
    ++chip.requests;
    asked.fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return 0;
  }
  static_cast<gpio_v2_line_values*>(argument)->bits = chip.level ? 1 : 0;
  return 0;
}

PointRule button() {
  PointRule rule;
  rule.source = Source::Gpio;
  rule.name = "/dev/null";
  rule.line = 17;
  rule.active_low = true;
  rule.bias = Bias::PullUp;
  return rule;
}

TEST(SystemGpio, HoldsALineAndReadsItsLevel) {
  chip = {};
  GpioLine line(button(), fake_ioctl);
  EXPECT_EQ(*line.read(), false);
  chip.level = true;
  EXPECT_EQ(*line.read(), true);
  EXPECT_EQ(chip.requests, 1);
  EXPECT_EQ(chip.line, 17U);
  EXPECT_EQ(chip.flags,
            std::uint64_t{GPIO_V2_LINE_FLAG_INPUT} | GPIO_V2_LINE_FLAG_ACTIVE_LOW | GPIO_V2_LINE_FLAG_BIAS_PULL_UP);
}

TEST(SystemGpio, AsksForALineAgainThatWasLost) {
  chip = {};
  GpioLine line(button(), fake_ioctl);
  ASSERT_TRUE(line.read());
  chip.error = ENODEV;
  EXPECT_EQ(line.read().error().failure, Failure::DeviceBusy);
  const auto refused = line.read();
  EXPECT_EQ(refused.error().failure, Failure::PointRejected);
  EXPECT_THAT(refused.error().detail, HasSubstr("/dev/null line 17: "));
  chip.error = 0;
  EXPECT_TRUE(line.read());
  EXPECT_EQ(chip.requests, 2);
}

TEST(SystemGpio, SaysWhichChipIsMissing) {
  auto rule = button();
  rule.name = "/dev/no-such-chip";
  GpioLine line(rule, fake_ioctl);
  EXPECT_EQ(line.read().error().detail, "/dev/no-such-chip line 17: No such file or directory");
}

}  // namespace
}  // namespace ferrule::drivers::system
