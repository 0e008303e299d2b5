// Reads the configuration again while the gateway runs, beside the broker's loop.
#pragma once

#include <filesystem>
#include <functional>
#include <thread>

#include "gateway/settings.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

/// Members are called on the loop's thread.
class Reload {
 public:
  using Apply = std::function<void(const Settings&)>;

  /// `apply` gets what was read without a mistake; mistakes are logged, `failed` is called, and all stays as it is.
  Reload(mqtt::Loop& loop, std::filesystem::path file, Apply apply, std::function<void()> failed);
  ~Reload();
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  /// While one is under way, one more follows it, however often it is asked for.
  void request();

 private:
  void read();  // on a thread of its own
  void finish(const std::function<void()>& report);

  // Constant after construction.
  mqtt::Loop& loop_;
  const std::filesystem::path file_;
  const Apply apply_;
  const std::function<void()> failed_;
  // Owned by the loop's thread.
  std::thread thread_;
  bool again_ = false;
};

}  // namespace ferrule::gateway
