#include "gateway/gateway.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "gateway/operation.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {
namespace {

Settings plant(const std::filesystem::path& state, const std::string& port) {
  return parse_settings(fmt::format("version: 1\n"
                                    "gateway: {{id: plant1, state_dir: {}}}\n"
                                    "buses: {{here: {{type: system}}}}\n"
                                    "devices: {{box: {{bus: here, points: {{load: {{from: load}}}}}}}}\n"
                                    "broker: {{listen: [{{port: {}}}]}}\n"
                                    "uplinks: {{cloud: {{url: 'mqtt://127.0.0.1:1', out: [{{from: '#'}}]}}}}\n",
                                    state.string(), port),
                        "plant.yaml");
}

TEST(GatewayTest, LeavesNothingOnTheLoopWhenItsPortIsTaken) {
  const std::filesystem::path state = testing::TempDir() + "/gateway_test";
  std::filesystem::remove_all(state);
  mqtt::Loop loop;
  Gateway first(plant(state / "first", "0"), loop);
  const std::string listening = first.listening().at(0);
  const std::string port = listening.substr(listening.rfind(':') + 1);
  EXPECT_THROW(Gateway(plant(state / "second", port), loop), config::Error);
  // The second one's store has committed its new databases, and reports that behind its end.
  loop.post([&] { first.stop(); });
  loop.run();
  std::filesystem::remove_all(state);
}

/// Asks before the loop runs; the answer is there when it has ended.
class Asker {
 public:
  Asker(int port, const std::string& path) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const auto request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    EXPECT_EQ(::send(descriptor_, request.data(), request.size(), MSG_NOSIGNAL), std::ssize(request));
  }
  ~Asker() { ::close(descriptor_); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  std::string answer() const {
    std::array<char, 4096> buffer{};
    const auto size = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }

 private:
  const int descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST(GatewayTest, IsAliveButNotReadyWhileItStops) {
  const std::filesystem::path state = testing::TempDir() + "/gateway_test_ready";
  std::filesystem::remove_all(state);
  mqtt::Loop loop;
  auto settings = plant(state, "0");
  settings.http.emplace().listen.port = 0;
  Gateway gateway(std::move(settings), loop);
  std::ostringstream lines;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)));
  const Operation operation(loop, gateway);
  spdlog::set_default_logger(before);
  const auto log = lines.str();
  const auto place = log.find("http: listening on 127.0.0.1:");
  ASSERT_NE(place, std::string::npos) << log;
  const int port = std::stoi(log.substr(log.find(':', log.find("127.0.0.1", place)) + 1));
  const Asker ready(port, "/readyz");
  const Asker alive(port, "/healthz");
  gateway.stop();
  loop.run();
  EXPECT_TRUE(ready.answer().starts_with("HTTP/1.1 503 ")) << ready.answer();
  EXPECT_TRUE(alive.answer().starts_with("HTTP/1.1 200 "));
  std::filesystem::remove_all(state);
}

}  // namespace
}  // namespace ferrule::gateway
