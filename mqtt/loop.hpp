// The broker thread's event loop: sockets, timers, signals, and tasks of other threads.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

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
  /// Calls `task` after one of the signals has arrived, once for several of a kind that came together. At most one loop
  /// of a process does this.
  void on_signal(std::initializer_list<int> signals, std::function<void(int)> task);

  /// What every transport of this loop reads into, so that an idle connection holds no buffer. Free between two
  /// handlers; whoever reads has used the bytes up when its handler returns. Broker thread.
  std::span<char> read_buffer();
  Poller& poller();  ///< for sockets

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt
