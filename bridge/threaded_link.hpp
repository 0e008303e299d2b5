// A link whose work is done on a thread of its own, because a name server or a commit may take its time.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bridge/dialer.hpp"
#include "bridge/link.hpp"
#include "bridge/link_order.hpp"
#include "bridge/link_owner.hpp"
#include "bridge/settings.hpp"

namespace ferrule::bridge {

std::string cannot_write(const std::exception& error);  ///< the cause of a loss

/// What the thread of a link does, whichever client speaks MQTT there: makes the connection, and ends. Outlives its
/// link while a name server does not answer; nothing is heard of it then.
class LinkWorker {
 public:
  LinkWorker(const UplinkSettings& settings, LinkState& state, LinkEvents& events, Dialer::Resolve resolve);
  virtual ~LinkWorker() = default;
  LinkWorker(const LinkWorker&) = delete;
  LinkWorker& operator=(const LinkWorker&) = delete;

  void run();                                                ///< the thread: until `stop`
  virtual void push(LinkOrder order) = 0;                    // Any thread.
  void look_for_first();                                     // Any thread, which it blocks.
  bool begin_looking();                                      // Any thread. False: somebody does already, or it ends.
  void end_looking();                                        // Any thread.
  void stop(std::chrono::milliseconds grace);                // Any thread.
  bool wait_until_finished(std::chrono::milliseconds time);  ///< false at once while a name is looked up
  std::uint64_t dropped() const;                             // Any thread.
  std::chrono::steady_clock::time_point due() const { return due_; }  // Any thread. See Link.

 protected:
  // Called on the link's thread.
  virtual void work() = 0;  ///< until `stopping`
  /// Makes one attempt, as Dialer::Try.
  virtual Attempt attempt(const Endpoint& endpoint, const std::string& address, int mqtt_version) = 0;
  virtual void open(const Attempt& answer) = 0;  ///< the cloud accepted us, and LinkState knows; as CloudSession::open
  virtual bool say_goodbye() = 0;                ///< false: there was no connection
  virtual void close() = 0;                      ///< nothing can leave or be acknowledged any more
  virtual void wake() {}                         ///< called by `stop`, besides the notification of `progress_`

  void connect();
  void connect_anew();
  void connect_elsewhere();
  void lose(std::string cause);
  bool stopping() const;
  /// It goes on, or will by `due`.
  void moves(std::chrono::steady_clock::time_point due = std::chrono::steady_clock::now()) {
    due_.store(due, std::memory_order_relaxed);
  }
  void waits() { moves(std::chrono::steady_clock::time_point::max()); }  ///< for work, or for who has no deadline

  // Constant after construction
  const UplinkSettings settings_;
  LinkOwner owner_;

  // Owned by the link's thread
  Dialer dialer_;
  bool forgets_ = false;  ///< the attempt under way is to end the session that was

  mutable std::mutex mutex_;
  std::condition_variable progress_;
  // Guarded by mutex_
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;

 private:
  std::vector<std::string> look_up(const Endpoint& endpoint, std::string& error);
  bool clear_lost_session();
  bool reaches_first();
  void set_resolving_first(bool resolving);
  LinkLimits restricted(LinkLimits limits) const;

  const Dialer::Resolve resolve_;
  std::atomic<std::chrono::steady_clock::time_point> due_ = std::chrono::steady_clock::time_point::max();
  // Guarded by mutex_
  bool looking_up_ = false, ended_ = false, finished_ = false;
  bool looking_for_first_ = false, resolving_first_ = false, first_found_ = false;

  const Endpoint first_server_;
  bool session_lost_ = false;  // and LinkState not cleared yet; owned by the link's thread
};

/// With MQTT 5 each message carries a user property `ferrule-id` = `<client id>-<seq>`, by which a receiver can tell a
/// repetition. What the worker tells its owner must live until `disconnect` has returned, or until the destruction.
class ThreadedLink final : public Link {
 public:
  explicit ThreadedLink(std::shared_ptr<LinkWorker> worker);
  ~ThreadedLink() override;
  ThreadedLink(const ThreadedLink&) = delete;
  ThreadedLink& operator=(const ThreadedLink&) = delete;

  void connect() override;
  void connect_anew() override;
  void connect_elsewhere() override;
  void send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) override;
  void subscribe(const std::string& filter, mqtt::Qos qos) override;
  void acknowledge(Arrival arrival, mqtt::Reason reason) override;
  void look_for_first() override;
  void disconnect(std::chrono::milliseconds grace) override;
  std::uint64_t dropped() const override;
  std::chrono::steady_clock::time_point due() const override { return worker_->due(); }

 private:
  const std::shared_ptr<LinkWorker> worker_;  // shared with its thread
  std::thread thread_;
};

}  // namespace ferrule::bridge
