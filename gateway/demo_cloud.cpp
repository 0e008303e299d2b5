#include "gateway/demo_cloud.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "bridge/paho_link.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kStartTime = 5s;
constexpr auto kGrace = 500ms;

/// The port in the line with which a gateway says that it listens; 0 when there is none yet.
std::uint16_t port_in(const std::filesystem::path& log) {
  constexpr std::string_view kListening = "listening on 127.0.0.1:";
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    const auto found = line.find(kListening);
    if (found != std::string::npos && !file.eof())
      return static_cast<std::uint16_t>(std::stoi(line.substr(found + kListening.size())));
  }
  return 0;
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

DemoCloudProcess::DemoCloudProcess(const std::filesystem::path& directory) {
  const auto configuration = (directory / "cloud.yaml").string();
  const auto log = (directory / "cloud.log").string();
  // What its clients leave lives as long as the demo: the default state directory is the installed gateway's.
  std::ofstream(configuration)
      << "version: 2\ngateway: {id: cloud}\nbroker: {listen: [{port: 0}], persistence: false}\n";
  std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::array<char*, 4> arguments{program.data(), const_cast<char*>("run"), const_cast<char*>(configuration.c_str()),
                                 nullptr};
  process_ = fork();
  if (process_ == 0) become(program.c_str(), arguments.data(), log.c_str());
  if (process_ < 0) throw std::runtime_error("cannot start the stand-in cloud");
  wait_until_it_listens(log);
}

void DemoCloudProcess::wait_until_it_listens(const std::filesystem::path& log) {
  const auto deadline = std::chrono::steady_clock::now() + kStartTime;
  while ((port_ = port_in(log)) == 0) {
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
  void write(std::vector<InFlight>, Written written) override { written({}); }
  std::vector<InFlight> restore() override { return {}; }
};

DemoObserver::DemoObserver(const std::string& url, std::string filter, Post post, std::function<void()> subscribed,
                           std::function<void(const mqtt::Publication&)> arrived,
                           std::function<void(std::string)> failed)
    : filter_(std::move(filter)),
      post_(std::move(post)),
      subscribed_(std::move(subscribed)),
      arrived_(std::move(arrived)),
      failed_(std::move(failed)),
      state_(std::make_unique<NoState>()) {
  bridge::UplinkSettings settings;
  settings.name = "observer";
  settings.urls = {url};
  settings.client_id = fmt::format("ferrule-demo-observer-{}", getpid());
  link_ = bridge::make_paho_link(settings, *state_, *this);
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

void DemoObserver::on_message(mqtt::Publication publication, bridge::Arrival /*arrival*/) {
  post_([this, publication = std::move(publication)] { arrived_(publication); });
}

}  // namespace ferrule::gateway
