#include "bench/broker/servers.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace ferrule::bench {

namespace {

constexpr auto kFerrule = R"(version: 1
gateway: {{id: bench, state_dir: {}}}
broker:
  listen: [{{port: {}{}}}]
  limits: {{connections: 12000, subscriptions: 100000, retained: 200000}}
)";

constexpr auto kMosquitto = R"(listener {} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 1024
max_queued_messages 0
log_type error
user {}
{})";

/// Ours, so that mosquitto can read the key although it gives up root.
std::string user_name() {
  const passwd* user = getpwuid(getuid());
  return user == nullptr ? "root" : user->pw_name;
}

/// What a listener's configuration says besides its port.
std::string extra(Kind kind, Way way, const std::filesystem::path& directory) {
  if (way == Way::Tcp) return "";
  if (way == Way::WebSocket && kind == Kind::Ferrule) return ", protocol: websocket";
  if (way == Way::WebSocket) {  // mosquitto 2.0 ends when it has WebSocket listeners only
    return fmt::format("protocol websockets\nlistener 0 {}\n", (directory / "socket").string());
  }
  const auto certificate = (directory / "bench.crt").string(), key = (directory / "bench.key").string();
  const auto make = fmt::format(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -keyout "
      "{} -out {} "
      "2>/dev/null",
      key, certificate);
  if (!std::filesystem::exists(certificate) && std::system(make.c_str()) != 0)
    throw std::runtime_error("openssl fails");
  return kind == Kind::Ferrule ? fmt::format(", tls: {{cert: {}, key: {}}}", certificate, key)
                               : fmt::format("certfile {}\nkeyfile {}\n", certificate, key);
}

}  // namespace

std::unique_ptr<ServerProcess> start(Kind kind, const Programs& programs, const std::filesystem::path& directory,
                                     std::uint16_t port, Way way) {
  const auto file = (directory / "configuration").string();
  const auto log = (directory / "log").string();
  switch (kind) {
    case Kind::Relay:
      return std::make_unique<ServerProcess>(std::vector{programs.relay, std::string("relay"), std::to_string(port)},
                                             log, port);
    case Kind::Mosquitto:
      std::ofstream(file) << fmt::format(kMosquitto, port, user_name(), extra(kind, way, directory));
      return std::make_unique<ServerProcess>(std::vector{programs.mosquitto, std::string("-c"), file}, log, port);
    case Kind::Ferrule:
      std::filesystem::remove_all(directory / "state");  // what the last one retained is not to be read back
      std::filesystem::create_directory(directory / "state");
      std::ofstream(file) << fmt::format(kFerrule, (directory / "state").string(), port, extra(kind, way, directory));
      return std::make_unique<ServerProcess>(std::vector{programs.ferrule, std::string("run"), file}, log, port);
  }
  throw std::logic_error("no such server");
}

}  // namespace ferrule::bench
