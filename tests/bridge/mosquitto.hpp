// A cloud for tests: mosquitto on a free port of 127.0.0.1, and a subscriber that notes what arrives there.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ferrule::bridge::testing {

/// Whether mosquitto and mosquitto_sub are installed.
bool have_mosquitto();

class Mosquitto {
 public:
  /// `extra` goes into its configuration file. Throws std::runtime_error when it does not listen within 5 s.
  explicit Mosquitto(std::filesystem::path directory, std::string extra = {});
  ~Mosquitto();
  Mosquitto(const Mosquitto&) = delete;
  Mosquitto& operator=(const Mosquitto&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
  void stop();              ///< with SIGTERM: it saves its state first if it has persistence
  void kill();              ///< with SIGKILL
  void start();             ///< again, on the same port
  void pause(bool paused);  ///< SIGSTOP, SIGCONT: a black hole

 private:
  const std::filesystem::path directory_;
  const std::string extra_;
  std::uint16_t port_ = 0;
  pid_t process_ = -1;
};

/// mosquitto_sub with a session of its own; what it prints goes to a file.
class Subscriber {
 public:
  /// Waits until it is subscribed to `filter` at QoS 2. With MQTT 5 it sees user properties, but it (2.0.11) counts its
  /// own Receive Maximum wrongly: under load it ends sooner or later with a "protocol error" that nobody made.
  Subscriber(const Mosquitto& mosquitto, const std::filesystem::path& directory, const std::string& filter,
             int mqtt_version = 4);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  struct Message {
    std::string topic, payload, user_properties;
    int qos = 0;
    bool retain = false;
  };
  std::vector<Message> messages() const;
  bool runs() const;  ///< otherwise what did not arrive says nothing about its sender
  /// Of the payloads, once `count` messages are there or `time` is over.
  std::vector<std::string> payloads(std::size_t count, std::chrono::milliseconds time = std::chrono::seconds(20)) const;

 private:
  const std::filesystem::path output_;
  pid_t process_ = -1;
};

}  // namespace ferrule::bridge::testing
