// A configuration that comes over MQTT: tried out, proven by the uplinks, kept or taken back.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bridge/uplink.hpp"
#include "bridge/uplink_state.hpp"
#include "gateway/reload.hpp"
#include "gateway/settings.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

class Gateway;

/// Takes what is published to `TOPIC/set`, the whole text of a configuration file, and answers
/// `{"ts":..,"result":"ok|rejected|rolled-back","why":".."}` at `TOPIC/result` with the Correlation Data of the
/// request. What has mistakes, or needs a restart, is rejected, and so is what nobody could take back: no uplink is
/// online that could prove it, the one it came by would not bring another, or the file as it is needs a restart. What
/// can be taken over is, and is written to the file once every uplink that was online before is online again; when that
/// takes longer than `within`, or leaves none of them, the gateway goes back to the file as it is, however many tries
/// that takes. A gateway that is killed meanwhile starts with the file as it was.
///
/// Who may publish there is a matter of the broker's rules; without rules nobody is asked, so the settings refuse that.
/// Members are called on the loop's thread.
class RemoteConfiguration final : public mqtt::Consumer {
 public:
  /// All must outlive it; `file` is that of the configuration.
  RemoteConfiguration(const RemoteSettings& settings, std::filesystem::path file, mqtt::Loop& loop, Gateway& gateway,
                      Reload& reload);
  ~RemoteConfiguration() override;
  RemoteConfiguration(const RemoteConfiguration&) = delete;
  RemoteConfiguration& operator=(const RemoteConfiguration&) = delete;

  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;
  bool subscribes(std::string_view topic) const override { return topic == request_topic_; }

 private:
  enum class Result : std::uint8_t { Ok, Rejected, RolledBack };
  /// One that is being tried out.
  struct Trial {
    mqtt::PublicationPtr request;
    std::vector<std::string> were_online;  // uplinks
    std::chrono::steady_clock::time_point until;
    Settings before, fresh;
    bridge::Repetition trouble;  // on the way back
  };

  void begin(const mqtt::PublicationPtr& request);
  void read();  // on a thread of its own
  void apply();
  void prove();
  std::optional<std::string> objection() const;
  bool is_proven() const;
  void keep();
  void go_back(Result result, const std::string& why);
  void end(Result result, const std::string& why);
  void answer(const mqtt::Publication& request, Result result, const std::string& why);
  std::vector<std::string> online() const;

  // Constant after construction.
  const RemoteSettings settings_;
  const std::string request_topic_;  // each publication is compared with it
  const std::filesystem::path file_;
  const std::filesystem::path candidate_;  // beside it, so that its relative paths mean the same
  mqtt::Loop& loop_;
  Gateway& gateway_;
  Reload& reload_;
  // Owned by the loop's thread.
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // for what was posted
  std::optional<Trial> trial_;
  std::thread thread_;
};

}  // namespace ferrule::gateway
