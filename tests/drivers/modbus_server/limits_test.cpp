// Masters that are too many, too slow or too quiet.
#include <sys/resource.h>

#include "tests/drivers/modbus_server/asked_server.hpp"

namespace ferrule::drivers::modbus_server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

using CrowdedServer = ModbusServer;

TEST_F(CrowdedServer, LetsANewcomerTakeThePlaceOfWhoHasNotAskedForHalfAMinute) {
  settings.max_connections = 2;
  start();
  Master busy(tcp());
  Master gone(tcp());
  EXPECT_THAT(gone.read(0, 1), ElementsAre(7));
  EXPECT_THAT(busy.read(0, 1), ElementsAre(7));
  EXPECT_THAT(Master(tcp()).read(0, 1), IsEmpty()) << "both asked a moment ago";
  clock.advance(31s);
  EXPECT_THAT(busy.read(0, 1), ElementsAre(7));
  EXPECT_THAT(Master(tcp()).read(0, 1), ElementsAre(7));
  EXPECT_THAT(busy.read(0, 1), ElementsAre(7));
  EXPECT_THAT(gone.read(0, 1), IsEmpty());
  EXPECT_EQ(server->status().ports.refused, 1U);
  EXPECT_EQ(server->status().ports.displaced, 1U);
}

TEST_F(CrowdedServer, ClosesWhoDoesNotAskThoughHeSendsAByteNowAndThen) {
  settings.idle_close = 10min;
  start();
  Master master(tcp());
  Master busy(tcp());
  for (int i = 0; i < 3; ++i) {
    master.send(std::string(1, '\0'));
    EXPECT_THAT(busy.read(0, 1), ElementsAre(7));
    clock.advance(4min);
  }
  EXPECT_EQ(master.receive(1), "") << "closed";
  EXPECT_THAT(busy.read(0, 1), ElementsAre(7));
}

TEST_F(CrowdedServer, CutsOffWhoDoesNotTakeHisAnswers) {
  settings.points.clear();
  for (std::uint16_t i = 0; i < 125; ++i) settings.points.push_back(point(1, 0, i));
  start();
  Master greedy(tcp());
  const std::string request{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 125};
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += request;
  // Megabytes of answers wait in the sockets before one is not taken.
  std::size_t sent = 0;
  for (auto more = greedy.offer(many); more > 0; more = greedy.offer(std::string_view(many).substr(sent % 12))) {
    sent += more;
  }
  Master other(tcp());
  EXPECT_THAT(other.read(0, 1), ElementsAre(7)) << "the others have their answers";
  EXPECT_EQ(server->status().ports.unsent, 1U);
  EXPECT_EQ(server->status().ports.connections, 1U);
}

TEST_F(CrowdedServer, StopsThoughAWriteIsUnderWay) {
  std::promise<void> forever;
  const auto over = forever.get_future().share();
  on_write = [over](PointIndex, const Value&) {
    over.wait();
    return WriteResult{};
  };
  start();
  Master master(tcp());
  master.send(std::string{0, 1, 0, 0, 0, 6, 1, 6, 0, 1, 0, 5});
  while (server->status().writes == 0) std::this_thread::sleep_for(1ms);
  server->stop();
  EXPECT_EQ(master.receive(1), "") << "closed, and nothing was said of the write";
  forever.set_value();
}

/// While it lives the process has no descriptor left.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto few = before_;
    few.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) taken_.push_back(fd);
  }
  ~NoDescriptors() {
    for (const int fd : taken_) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

std::chrono::microseconds processor_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

TEST_F(CrowdedServer, WaitsForDescriptorsWithoutTurningInCircles) {
  start();
  Master early(tcp());
  EXPECT_THAT(early.read(0, 1), ElementsAre(7));
  const auto socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  {
    const NoDescriptors none;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port());
    ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << "the kernel keeps it";
    const auto before = processor_time();
    std::this_thread::sleep_for(500ms);
    EXPECT_LT(processor_time() - before, 250ms);
    EXPECT_THAT(early.read(0, 1), ElementsAre(7)) << "who is there has his answers";
  }
  const std::string request{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
  EXPECT_EQ(::send(socket, request.data(), request.size(), MSG_NOSIGNAL), std::ssize(request));
  std::array<char, 64> answer{};
  EXPECT_EQ(::recv(socket, answer.data(), answer.size(), 0), 11);
  ::close(socket);
}

}  // namespace
}  // namespace ferrule::drivers::modbus_server
