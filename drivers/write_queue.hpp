// The writes that wait for a bus, and those that wait to be read back.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/driver.hpp"
#include "drivers/write.hpp"

namespace ferrule::drivers {

/// Filled by any thread, served by the bus's. Bounded (policy: a new write is turned away when it is full).
class WriteQueue {
 public:
  static constexpr std::size_t kMost = 256;

  WriteQueue(Driver& driver, const Clock& clock);  ///< throws std::system_error when out of descriptors
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// Any thread. False when it is full or closed: `done` is not called then.
  bool push(WriteRequest&& request);
  int doorbell() const { return doorbell_; }  ///< readable when somebody rang since the last `serve`; a push does
  void ring() const;                          ///< Any thread.

  /// Answers what is too late, or stands before a later write to the same point. With an open port also sends all that
  /// wait, in order, each once, and reads back what is due; appends the points that were written to `written`. Returns
  /// the fault that closed the port, if one did.
  std::optional<Fault> serve(std::vector<PointIndex>& written);
  bool waiting() const { return !waiting_.empty(); }  ///< after `serve`: what could not be sent
  /// When something has to be done though nobody rings.
  TimePoint next() const;
  void close();  ///< answers all that wait; none is taken from now on

 private:
  struct Readback {
    WriteRequest request;
    TimePoint next;
    TimePoint until;
  };

  void take_in();
  void drop_superseded();
  void send(WriteRequest&& request, std::vector<PointIndex>& written);
  bool read_back(Readback& readback);

  Driver& driver_;
  const Clock& clock_;
  int doorbell_ = -1;
  std::mutex mutex_;
  std::list<WriteRequest> pushed_;  // guarded by mutex_; an empty deque takes 600 bytes of every bus
  bool closed_ = false;              // guarded by mutex_
  // Owned by the bus thread.
  std::list<WriteRequest> waiting_;
  std::vector<Readback> readbacks_;
  std::optional<Fault> lost_;
};

/// What a failed write comes to.
WriteResult result_of(const Fault& fault);

}  // namespace ferrule::drivers
