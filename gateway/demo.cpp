#include "gateway/demo.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "bridge/settings.hpp"
#include "gateway/demo_cloud.hpp"
#include "gateway/demo_ledger.hpp"
#include "gateway/demo_link.hpp"
#include "gateway/demo_plant.hpp"
#include "gateway/demo_screen.hpp"
#include "gateway/gateway.hpp"
#include "gateway/log.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kCut = 20s;
constexpr auto kRestore = 35s;
constexpr auto kLastPoll = 45s;  // of `--once`
constexpr auto kJudge = 56s;     // of `--once`, at the latest
constexpr std::uint16_t kBrokerPort = 1883;

/// A directory of the demo's own, gone with it.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-demo-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw config::Error({}, {}, fmt::format("cannot make a directory like {}", name), EX_CANTCREAT);
    }
    path = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

bridge::Endpoint parse_cloud(const std::string& url) {
  const auto endpoint = bridge::parse_url(url);
  if (!endpoint || endpoint->tls) {
    throw config::Error({}, "--cloud", "must look like mqtt://host:port, is '" + url + "'", EX_USAGE);
  }
  return *endpoint;
}

/// One run. Everything on the broker thread.
class Demo {
 public:
  explicit Demo(const DemoOptions& options);
  int run();

 private:
  void open_gateway(std::uint16_t port);
  void introduce();
  void every_second();
  void cut_or_restore(std::chrono::steady_clock::duration elapsed);
  void finish_once(std::chrono::steady_clock::duration elapsed);
  void end(int exit_code);

  const DemoOptions options_;
  Scratch scratch_;
  std::optional<DemoCloudProcess> cloud_process_;
  const bridge::Endpoint cloud_;
  DemoLink cable_;
  DemoPlant plant_;
  mqtt::Loop loop_;
  DemoLedger ledger_;
  std::unique_ptr<Gateway> gateway_;
  std::optional<DemoObserver> observer_;
  DemoScreen screen_;
  std::chrono::steady_clock::time_point start_{};
  bool cut_ = false;
  bool restored_ = false;
  bool polling_ = true;
  bool ending_ = false;
  int exit_code_ = 0;
};

std::optional<DemoCloudProcess> start_cloud(const std::string& url, const std::filesystem::path& directory) {
  if (!url.empty()) return std::nullopt;
  return std::optional<DemoCloudProcess>(std::in_place, directory);
}

std::string prefix_in_cloud() { return fmt::format("ferrule-demo-{}/", getpid()); }

std::string demo_configuration(const DemoPlant& plant, std::uint16_t broker_port, std::uint16_t cable_port,
                               const std::filesystem::path& state_dir, bool own_cloud) {
  return fmt::format(R"(version: 2
gateway: {{id: demo, state_dir: {}}}
{}
publish: {{qos: 2, retain: {}}}
broker: {{listen: [{{port: {}}}]}}
uplinks:
  cloud:
    url: mqtt://127.0.0.1:{}
    client_id: ferrule-demo-{}
    reconnect: 500ms..2s
    out: [{{from: "demo/#", to: "{}{{topic}}"}}]
)",
                     state_dir.string(), plant.configuration(), own_cloud, broker_port, cable_port, getpid(),
                     prefix_in_cloud());
}

Demo::Demo(const DemoOptions& options)
    : options_(options),
      cloud_process_(start_cloud(options.cloud, scratch_.path)),
      cloud_(cloud_process_ ? bridge::Endpoint{"127.0.0.1", cloud_process_->port()} : parse_cloud(options.cloud)),
      cable_(cloud_.host, cloud_.port),
      plant_(options.seed),
      ledger_("demo/", prefix_in_cloud()) {
  try {
    open_gateway(kBrokerPort);
  } catch (const config::Error& error) {
    if (error.exit_code() != EX_UNAVAILABLE) throw;
    open_gateway(0);
  }
  gateway_->broker().attach(ledger_);
}

void Demo::open_gateway(std::uint16_t port) {
  const auto text = demo_configuration(plant_, port, cable_.port(), scratch_.path, options_.cloud.empty());
  gateway_ = std::make_unique<Gateway>(parse_settings(text, "demo.yaml"), loop_);
  std::ofstream(scratch_.path / "demo.yaml") << text;
}

void Demo::introduce() {
  screen_.say(fmt::format("Ferrule {}: a simulated plant, from the field bus to the cloud", FERRULE_VERSION));
  screen_.say(plant_.description());
  const auto listening = gateway_->listening().front();  // 127.0.0.1:PORT
  const auto port = listening.substr(listening.rfind(':') + 1);
  screen_.say(
      fmt::format("  local broker   {}{}", listening, port == std::to_string(kBrokerPort) ? "" : "  (1883 is taken)"));
  screen_.say(fmt::format("  cloud broker   {}:{}, reached through a cable that is cut from t={} s to t={} s",
                          cloud_.host, cloud_.port, kCut.count(), kRestore.count()));
  screen_.say(fmt::format("  configuration  {}", (scratch_.path / "demo.yaml").string()));
  screen_.say(fmt::format("\nNext, in another terminal:  mosquitto_sub -h 127.0.0.1 -p {} -t 'demo/#' -v", port));
  if (!options_.once) screen_.say("End with Ctrl-C.");
}

int Demo::run() {
  // On a terminal the lines would stand inside the table, which is drawn over them.
  if (terminal_window().rows > 0) {
    log_lines_to([this](std::string line) { loop_.post([this, line = std::move(line)] { screen_.say(line); }); });
  }
  introduce();
  const auto url = fmt::format("mqtt://{}:{}", cloud_.host, cloud_.port);
  observer_.emplace(
      url, prefix_in_cloud() + "#", [this](std::function<void()> task) { loop_.post(std::move(task)); },
      [this] {
        if (start_ != std::chrono::steady_clock::time_point{}) return;
        start_ = std::chrono::steady_clock::now();
        gateway_->start();
        loop_.every(1s, [this] { every_second(); });
      },
      [this](const mqtt::Publication& publication) { ledger_.arrived(publication); },
      [this](const std::string& cause) {
        if (ending_) return;
        screen_.say("The cloud cannot be observed: " + cause);
        end(EX_UNAVAILABLE);
      });
  loop_.on_signal({SIGINT, SIGTERM}, [this](int) { end(options_.once ? 1 : 0); });
  loop_.run();
  observer_.reset();
  set_up_log();
  quiet_log();
  return exit_code_;
}

void Demo::every_second() {
  if (ending_) return;
  if (std::ferror(stdout) != 0) return end(EX_IOERR);  // whoever read it has gone, e.g. `ferrule demo | head`
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  cut_or_restore(elapsed);
  screen_.show(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed), gateway_->field().points(),
               gateway_->uplinks().front(), ledger_);
  if (options_.once) finish_once(elapsed);
}

void Demo::cut_or_restore(std::chrono::steady_clock::duration elapsed) {
  if (!cut_ && elapsed >= kCut) {
    cut_ = true;
    cable_.cut(true);
    screen_.say(fmt::format("\n>>> t={} s: the uplink is cut; what is published from now on waits in the queue on disk",
                            kCut.count()));
  }
  if (!restored_ && elapsed >= kRestore) {
    restored_ = true;
    cable_.cut(false);
    screen_.say(fmt::format("\n>>> t={} s: the uplink is back; the queue drains", kRestore.count()));
  }
}

void Demo::finish_once(std::chrono::steady_clock::duration elapsed) {
  if (polling_ && elapsed >= kLastPoll) {
    polling_ = false;
    screen_.say("\nPolling has ended; waiting for the last messages to arrive");
    gateway_->field().stop_polling();
    return;  // what the buses read last is still on its way to the broker
  }
  if (polling_) return;
  const bool arrived = gateway_->uplinks().front().queued == 0 && ledger_.arrived_count() >= ledger_.published_count();
  if (!arrived && elapsed < kJudge) return;
  const auto verdict = ledger_.judge();
  screen_.show_verdict(verdict);
  end(verdict.good() && verdict.published > 0 ? 0 : 1);
}

void Demo::end(int exit_code) {
  if (std::exchange(ending_, true)) return;
  exit_code_ = exit_code;
  gateway_->stop();
}

}  // namespace

int demo(const DemoOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  quiet_log();
  return Demo(options).run();
}

}  // namespace ferrule::gateway
