#include "gateway/reload.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "config/error.hpp"

namespace ferrule::gateway {

Reload::Reload(mqtt::Loop& loop, std::filesystem::path file, Apply apply, std::function<void()> failed)
    : loop_(loop), file_(std::move(file)), apply_(std::move(apply)), failed_(std::move(failed)) {}

Reload::~Reload() {
  if (thread_.joinable()) thread_.join();
}

void Reload::request() {
  if (thread_.joinable()) {
    again_ = true;
    return;
  }
  thread_ = std::thread([this] { read(); });
}

void Reload::read() {
  try {
    auto settings = std::make_shared<const Settings>(load_settings(file_));
    loop_.post([this, settings = std::move(settings)]() mutable {
      finish([&] { apply_(*settings); });
      settings.reset();
      malloc_trim(0);
    });
  } catch (const config::Error& error) {
    loop_.post([this, text = std::string(error.what())] {
      finish([&] {
        spdlog::error("{} was not taken over, all stays as it was:\n{}", file_.string(), text);
        failed_();
      });
    });
  }
}

void Reload::finish(const std::function<void()>& report) {
  thread_.join();
  report();
  if (std::exchange(again_, false)) request();
}

}  // namespace ferrule::gateway
