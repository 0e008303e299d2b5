#include "gateway/gateway.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace ferrule::gateway
