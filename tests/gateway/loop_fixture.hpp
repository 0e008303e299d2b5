// A loop that runs on a thread of its own, as the broker's does.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

#include "mqtt/loop.hpp"

namespace ferrule::gateway {

class LoopFixture : public testing::Test {
 protected:
  void run_loop() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  void end_loop() {
    loop_.stop();
    thread_.join();
  }
  /// Returns when the loop has done it.
  void on_loop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }

  mqtt::Loop loop_;

 private:
  std::thread thread_;
};

}  // namespace ferrule::gateway
