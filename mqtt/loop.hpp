// The broker thread's event loop: Asio's io_context{1}, kept out of everybody's headers.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

namespace boost::asio {
class io_context;
}

namespace ferrule::mqtt {

class Poller;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();                             ///< the calling thread becomes the broker thread until `stop`
  void stop();                            ///< Any thread. Makes `run` return, at once when it is called later.
  void post(std::function<void()> task);  ///< Any thread. Runs in order, behind what is ready in this turn.
  void every(std::chrono::milliseconds period, std::function<void()> task);  ///< for the life of the loop
  void once(std::chrono::milliseconds delay, std::function<void()> task);
  void on_signal(std::initializer_list<int> signals, std::function<void(int)> task);  ///< each time one arrives

  /// What every transport of this loop reads into, so that an idle connection holds no buffer. Free between two
  /// handlers; whoever reads has used the bytes up when its handler returns. Broker thread.
  std::span<char> read_buffer();
  Poller& poller();  ///< for sockets
  boost::asio::io_context& native();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt
