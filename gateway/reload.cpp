#include "gateway/reload.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "config/error.hpp"

namespace ferrule::gateway {

Reload::Reload(mqtt::Loop& loop, std::filesystem::path file, Apply apply, Done told)
    : loop_(loop), file_(std::move(file)), apply_(std::move(apply)), told_(std::move(told)) {}

Reload::~Reload() {
  if (thread_.joinable()) thread_.join();
}

void Reload::request(Done done) {
  next_.push_back(std::move(done));
  if (!under_way_) begin();
}

bool Reload::hold() { return !std::exchange(under_way_, true); }

void Reload::release() {
  under_way_ = false;
  if (!next_.empty()) begin();
}

void Reload::begin() {
  under_way_ = true;
  waiting_ = std::exchange(next_, {});
  thread_ = std::thread([this] { read(); });
}

void Reload::read() {
  try {
    auto settings = std::make_shared<Settings>(load_settings(file_));
    loop_.post([this, settings = std::move(settings)] {
      thread_.join();
      apply_(std::move(*settings), [this](const ReloadResult& result) { finish(result); });
    });
  } catch (const config::Error& error) {
    loop_.post([this, text = std::string(error.what())] {
      thread_.join();
      finish({false, text, true});
    });
  }
}

void Reload::finish(const ReloadResult& result) {
  malloc_trim(0);  // the configuration's tree is gone
  if (result.ok) {
    spdlog::info("{} was read again: {}", file_.string(), result.text);
  } else {
    spdlog::error("{} was not taken over, all stays as it was:\n{}", file_.string(), result.text);
  }
  under_way_ = false;
  told_(result);
  for (const auto& done : std::exchange(waiting_, {})) done(result);
  if (!next_.empty() && !under_way_) begin();
}

}  // namespace ferrule::gateway
