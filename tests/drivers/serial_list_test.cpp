#include "drivers/serial_list.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace ferrule::drivers {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class SerialListTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(directory); }
  void TearDown() override { fs::remove_all(directory); }

  void add_process(int id, const std::string& command, const fs::path& open) const {
    const auto process = directory / std::to_string(id);
    fs::create_directories(process / "fd");
    std::ofstream(process / "comm") << command << '\n';
    fs::create_symlink("/dev/null", process / "fd" / "0");
    fs::create_symlink(open, process / "fd" / "3");
  }

  const fs::path directory = fs::temp_directory_path() / fmt::format("ferrule-serial-{}", getpid());
};

TEST_F(SerialListTest, FindsTheLinkThatLeadsToAPort) {
  fs::create_symlink("/dev/null", directory / "usb-b");
  fs::create_symlink("/dev/null", directory / "usb-a");
  fs::create_symlink("/dev/no-such-port", directory / "usb-0");
  EXPECT_EQ(link_to("/dev/null", directory), (directory / "usb-a").string());
  EXPECT_EQ(link_to("/dev/zero", directory), "");
  EXPECT_EQ(link_to("/dev/null", directory / "missing"), "");
}

TEST_F(SerialListTest, NamesTheProcessesThatHaveAPortOpen) {
  add_process(4711, "mbpoll", "/dev/ttyUSB0");
  add_process(31, "ferrule", "/dev/ttyUSB0");
  add_process(99, "cat", "/dev/ttyUSB1");
  fs::create_directories(directory / "self");
  EXPECT_THAT(users_of("/dev/ttyUSB0", directory), ElementsAre("ferrule (31)", "mbpoll (4711)"));
  EXPECT_THAT(users_of("/dev/ttyUSB7", directory), IsEmpty());
}

TEST_F(SerialListTest, SeesThisProcessInTheRealProc) {
  const auto file = directory / "port";
  std::ofstream(file) << "x";
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(users_of(file, "/proc"), Contains(testing::EndsWith(fmt::format("({})", getpid()))));
  ::close(descriptor);
}

TEST(SerialList, IsSortedAndNamesDevices) {
  const auto ports = list_serial_ports();  // perhaps none
  for (std::size_t i = 0; i < ports.size(); ++i) {
    EXPECT_TRUE(ports[i].device.starts_with("/dev/")) << ports[i].device;
    if (i == 0) continue;
    EXPECT_LT(ports[i - 1].device, ports[i].device);
  }
}

}  // namespace
}  // namespace ferrule::drivers
