#include "tests/bridge/mosquitto.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace ferrule::bridge::testing {

namespace {

using namespace std::chrono_literals;

std::string find_program(const std::string& name) {
  for (const auto* directory : {"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"}) {
    const auto path = std::string(directory) + "/" + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

bool listens(std::uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(port);
  const bool connected = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return connected;
}

pid_t spawn(const std::vector<std::string>& command, const std::filesystem::path& output) {
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const auto file = output.string();
  const pid_t process = fork();
  if (process != 0) return process;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execv(arguments.front(), arguments.data());
  _exit(127);
}

void end(pid_t& process, int signal) {
  if (process <= 0) return;
  ::kill(process, signal);
  waitpid(process, nullptr, 0);
  process = -1;
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

}  // namespace

bool have_mosquitto() { return !find_program("mosquitto").empty() && !find_program("mosquitto_sub").empty(); }

Mosquitto::Mosquitto(std::filesystem::path directory, std::string extra)
    : directory_(std::move(directory)), extra_(std::move(extra)), port_(free_port()) {
  start();
}

Mosquitto::~Mosquitto() { kill(); }

void Mosquitto::start() {
  const auto configuration = directory_ / "mosquitto.conf";
  std::ofstream(configuration) << "listener " << port_ << " 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                               << "max_inflight_messages 0\nuser root\n"
                               << extra_ << "\n";
  process_ = spawn({find_program("mosquitto"), "-c", configuration.string()}, directory_ / "mosquitto.log");
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  while (!listens(port_)) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("mosquitto does not start");
    std::this_thread::sleep_for(10ms);
  }
}

void Mosquitto::stop() { end(process_, SIGTERM); }
void Mosquitto::kill() { end(process_, SIGKILL); }
void Mosquitto::pause(bool paused) { ::kill(process_, paused ? SIGSTOP : SIGCONT); }

Subscriber::Subscriber(const Mosquitto& mosquitto, const std::filesystem::path& directory, const std::string& filter,
                       int mqtt_version)
    : output_(directory / fmt::format("subscriber-{}.txt", mosquitto.port())) {
  // One line each: QoS, retain, topic, payload in hex behind an x, user properties. `-d` tells of the subscription.
  std::vector<std::string> command{find_program("stdbuf"),
                                   "-oL",
                                   find_program("mosquitto_sub"),
                                   "-p",
                                   std::to_string(mosquitto.port()),
                                   "-t",
                                   filter,
                                   "-q",
                                   "2",
                                   "-c",
                                   "-i",
                                   "observer",
                                   "-d",
                                   "-F",
                                   "message %q %r %t x%x %P"};
  if (mqtt_version == 5) command.insert(command.end(), {"-V", "5", "-x", "3600"});
  process_ = spawn(command, output_);
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  for (;;) {
    std::stringstream text;
    text << std::ifstream(output_).rdbuf();
    if (text.str().find("Subscribed") != std::string::npos) return;
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("mosquitto_sub does not subscribe: " + text.str());
    std::this_thread::sleep_for(10ms);
  }
}

Subscriber::~Subscriber() { end(process_, SIGKILL); }

bool Subscriber::runs() const {
  siginfo_t ended{};
  return waitid(P_PID, static_cast<id_t>(process_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

std::vector<Subscriber::Message> Subscriber::messages() const {
  std::vector<Message> messages;
  std::ifstream file(output_);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("message ") || file.eof()) continue;  // eof: the line is not whole yet
    std::istringstream words(line.substr(8));
    Message message;
    std::string hex;
    words >> message.qos >> message.retain >> message.topic >> hex;
    std::getline(words >> std::ws, message.user_properties);
    message.payload = unhex(hex.substr(1));
    messages.push_back(std::move(message));
  }
  return messages;
}

std::vector<std::string> Subscriber::payloads(std::size_t count, std::chrono::milliseconds time) const {
  const auto end = std::chrono::steady_clock::now() + time;
  while (messages().size() < count && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(20ms);
  std::vector<std::string> payloads;
  for (auto& message : messages()) payloads.push_back(std::move(message.payload));
  return payloads;
}

}  // namespace ferrule::bridge::testing
