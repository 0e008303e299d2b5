// The demo's cloud: a second Ferrule as a plain broker in a process of its own, and someone who watches what arrives in
// it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "bridge/link.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::gateway {

/// `ferrule run` with a broker and nothing else, until destroyed.
class DemoCloudProcess {
 public:
  /// Writes its configuration and log into `directory`. Throws std::runtime_error when the process cannot be started or
  /// does not listen within 5 s.
  explicit DemoCloudProcess(const std::filesystem::path& directory);
  ~DemoCloudProcess();
  DemoCloudProcess(const DemoCloudProcess&) = delete;
  DemoCloudProcess& operator=(const DemoCloudProcess&) = delete;

  std::uint16_t port() const { return port_; }  ///< of 127.0.0.1; one that was free

 private:
  void wait_until_it_listens(const std::filesystem::path& log);
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

/// A client of the cloud's own, beside the uplink, that takes all of `filter`.
class DemoObserver final : public bridge::LinkEvents {
 public:
  using Post = std::function<void(std::function<void()>)>;

  /// `arrived` and `subscribed` are called through `post`.
  DemoObserver(const std::string& url, std::string filter, Post post, std::function<void()> subscribed,
               std::function<void(const mqtt::Publication&)> arrived, std::function<void(std::string)> failed);
  ~DemoObserver() override;

 private:
  void on_connected(bool session_present) override;
  void on_disconnected(std::string cause) override;
  void on_settled(bridge::Seq, mqtt::Reason) override {}
  void on_message(mqtt::Publication publication, bridge::Arrival arrival) override;

  const std::string filter_;
  const Post post_;
  const std::function<void()> subscribed_;
  const std::function<void(const mqtt::Publication&)> arrived_;
  const std::function<void(std::string)> failed_;
  class NoState;
  std::unique_ptr<NoState> state_;
  std::unique_ptr<bridge::Link> link_;
};

}  // namespace ferrule::gateway
