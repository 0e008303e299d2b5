#include "gateway/demo_cloud.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "bridge/paho_link.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kStartTime = 5s;
constexpr auto kGrace = 500ms;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool someone_listens(std::uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(port);
  const bool connected = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return connected;
}

/// Only what fork(2) allows in a process with threads.
[[noreturn]] void become(const char* program, char* const* arguments, const char* log) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  setpgid(0, 0);  // a Ctrl-C at the demo's terminal is the demo's to handle
  const int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out >= 0) {
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
  }
  execv(program, arguments);
  _exit(127);
}

}  // namespace

std::uint16_t free_port(std::uint16_t wanted) {
  for (const std::uint16_t port : {wanted, std::uint16_t{0}}) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    auto address = loopback(port);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool free = bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0;
    ::close(descriptor);
    if (free) return ntohs(address.sin_port);
  }
  throw std::runtime_error("no free port on 127.0.0.1");
}

DemoCloudProcess::DemoCloudProcess(const std::filesystem::path& directory, std::uint16_t port) {
  const auto configuration = (directory / "cloud.yaml").string();
  const auto log = (directory / "cloud.log").string();
  std::ofstream(configuration) << "version: 1\ngateway: {id: cloud}\nbroker: {listen: [{port: " << port << "}]}\n";
  std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::array<char*, 4> arguments{program.data(), const_cast<char*>("run"), const_cast<char*>(configuration.c_str()), nullptr};
  process_ = fork();
  if (process_ == 0) become(program.c_str(), arguments.data(), log.c_str());
  if (process_ < 0) throw std::runtime_error("cannot start the stand-in cloud");
  wait_until_it_listens(port);
}

void DemoCloudProcess::wait_until_it_listens(std::uint16_t port) const {
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while (!someone_listens(port)) {
    if (std::chrono::steady_clock::now() > deadline || waitpid(process_, nullptr, WNOHANG) != 0) {
      throw std::runtime_error("the stand-in cloud does not start");
    }
    std::this_thread::sleep_for(20ms);
  }
}

DemoCloudProcess::~DemoCloudProcess() {
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

/// The observer sends nothing, so nothing is ever in flight.
class DemoObserver::NoState final : public bridge::LinkState {
 public:
  void put(bridge::Seq, const std::string&, const std::string&) override {}
  std::vector<InFlight> restore() override { return {}; }
};

DemoObserver::DemoObserver(const std::string& url, std::string filter, Post post, std::function<void()> subscribed,
                           std::function<void(const mqtt::Publication&)> arrived, std::function<void(std::string)> failed)
    : filter_(std::move(filter)),
      post_(std::move(post)),
      subscribed_(std::move(subscribed)),
      arrived_(std::move(arrived)),
      failed_(std::move(failed)),
      state_(std::make_unique<NoState>()) {
  bridge::UplinkSettings settings;
  settings.name = "observer";
  settings.url = url;
  settings.client_id = fmt::format("ferrule-demo-observer-{}", getpid());
  link_ = std::make_unique<bridge::PahoLink>(settings, *state_, *this);
  link_->connect();
}

DemoObserver::~DemoObserver() { link_->disconnect(kGrace); }

void DemoObserver::on_connected(bool /*session_present*/) {
  post_([this] {
    link_->subscribe(filter_, mqtt::Qos::ExactlyOnce);
    subscribed_();
  });
}

void DemoObserver::on_disconnected(std::string cause) {
  post_([this, cause = std::move(cause)] { failed_(cause); });
}

void DemoObserver::on_message(mqtt::PublicationPtr publication) {
  post_([this, publication = std::move(publication)] { arrived_(*publication); });
}

}  // namespace ferrule::gateway
