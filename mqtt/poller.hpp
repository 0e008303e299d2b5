// Tells sockets when they can be read and written, and when their time is up: one epoll. A socket in it costs nothing
// beside its own object, and a turn of the loop serves all that are ready with one call.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

namespace ferrule::mqtt {

/// Broker thread. Outlives what it watches.
class Poller {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// A descriptor's owner. It may remove itself, or any other, inside the calls.
  class Watched {
   public:
    virtual void on_ready(std::uint32_t events) = 0;  ///< EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
    virtual void on_deadline() = 0;

   protected:
    ~Watched() = default;
  };

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Reports `events` as long as they hold (level-triggered), errors and hang-ups always. False, with errno: the
  /// kernel's limits forbid it.
  bool add(int descriptor, std::uint32_t events, Watched& watched);
  void change(int descriptor, std::uint32_t events, Watched& watched);
  void remove(int descriptor, const Watched& watched);

  /// Calls `on_ready(events)` in the next turn, whatever the descriptor says.
  void call_soon(Watched& watched, std::uint32_t events);
  void call_at(Time deadline, Watched& watched);
  /// Takes back what call_soon and call_at promised; nothing when it promised nothing.
  void forget(const Watched& watched);
  void forget(Time deadline, Watched& watched);

  // For the loop, once each per turn.
  /// Waits until something is ready, or until `latest` (max(): for ever; min(): not at all).
  void wait(Time latest);
  /// Serves what was ready then. Some sockets may be left for the next turn, so that others than sockets have theirs.
  void serve();
  /// When it has something to do though no descriptor is ready; max(): never.
  Time next_deadline() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ferrule::mqtt
