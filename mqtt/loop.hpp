// The broker thread's event loop: Asio's io_context{1}, kept out of everybody's headers.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace ferrule::mqtt {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();                             ///< the calling thread becomes the broker thread until `stop`
  void stop();                            ///< Any thread.
  void post(std::function<void()> task);  ///< Any thread. Runs in order.
  void every(std::chrono::milliseconds period, std::function<void()> task);  ///< for the life of the loop
  void once(std::chrono::milliseconds delay, std::function<void()> task);
  void on_signal(std::initializer_list<int> signals, std::function<void(int)> task);  ///< each time one arrives
  boost::asio::io_context& native();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt
