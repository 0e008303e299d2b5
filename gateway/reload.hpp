// Reads the configuration again while the gateway runs, beside the broker's loop.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gateway/settings.hpp"
#include "mqtt/loop.hpp"

namespace ferrule::gateway {

/// What became of a reload.
struct ReloadResult {
  bool ok = false;
  std::string text;        ///< for people: what has changed, or why nothing has
  bool untouched = false;  ///< not ok, and nothing at all was changed
};

/// Members are called on the loop's thread.
class Reload {
 public:
  using Done = std::function<void(const ReloadResult&)>;
  /// Gets what was read without a mistake, and tells on the loop's thread, now or later, what became of it.
  using Apply = std::function<void(Settings, Done)>;

  /// `told` hears of every result, mistakes in the file among them, which change nothing.
  Reload(mqtt::Loop& loop, std::filesystem::path file, Apply apply, Done told);
  ~Reload();
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  /// While one is under way, one more follows it, however often it is asked for. `done` hears of the one that begins
  /// after this call.
  void request(Done done = [](const ReloadResult&) {});
  /// Keeps what is asked for from beginning until `release`. False while one is under way, or held already.
  bool hold();
  void release();

 private:
  void begin();
  void read();  // on a thread of its own
  void finish(const ReloadResult& result);

  // Constant after construction.
  mqtt::Loop& loop_;
  const std::filesystem::path file_;
  const Apply apply_;
  const Done told_;
  // Owned by the loop's thread.
  std::thread thread_;
  bool under_way_ = false;
  std::vector<Done> waiting_;  // for the one under way
  std::vector<Done> next_;     // for the one after it
};

}  // namespace ferrule::gateway
