#include "mqtt/password_checks.hpp"

#include <pthread.h>

#include <utility>

namespace ferrule::mqtt {

PasswordChecks::PasswordChecks(std::function<void(std::function<void()>)> post, std::size_t most_threads,
                               std::size_t most_waiting)
    : post_(std::move(post)), most_threads_(most_threads), most_waiting_(most_waiting) {}

PasswordChecks::~PasswordChecks() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool PasswordChecks::submit(Check check, Done done) {
  bool more_hands = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= most_waiting_) return false;
    waiting_.push_back({std::move(check), std::move(done), std::chrono::steady_clock::now()});
    more_hands = waiting_.size() > idle_ && threads_.size() < most_threads_;
  }
  if (more_hands) threads_.emplace_back([this] { work(); });
  wake_.notify_one();
  return true;
}

PasswordChecks::Time PasswordChecks::due() const {
  const std::lock_guard lock(mutex_);
  if (!begun_.empty()) return begun_.front();
  return waiting_.empty() ? Time::max() : waiting_.front().submitted;
}

void PasswordChecks::work() {
  pthread_setname_np(pthread_self(), "passwords");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (stopping_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    const auto mine = begun_.insert(begun_.end(), std::chrono::steady_clock::now());
    lock.unlock();
    const auto right = job.check();
    job.check = {};  // what it knew of the password goes before anybody is told
    post_([done = std::move(job.done), right] { done(right); });
    lock.lock();
    begun_.erase(mine);
  }
}

}  // namespace ferrule::mqtt
