#include "mqtt/store.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "mqtt/failpoint.hpp"

namespace ferrule::mqtt {
namespace {

/// Jobs that one commit serves at most: an fsync's share of a job is nothing by then, and the first of them waits no
/// longer.
constexpr std::size_t kMaxGroup = 1000;

using Time = std::chrono::steady_clock::time_point;

struct Job {
  enum class Kind : std::uint8_t { Write, Read, Resume };
  Kind kind = Kind::Write;
  Ticket ticket = 0;           ///< of a Write
  StoreFile* file = nullptr;   ///< not of a Read
  std::function<void()> run;   ///< not of a Resume
  std::function<void()> then;  ///< of a Read
  Written written;             ///< of a Write, if anybody waits for it
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace

class Store::Impl {
 public:
  Impl(Post post, Committed committed, Failed failed)
      : post_(std::move(post)),
        told_(std::make_shared<const Told>(Told{std::move(committed), std::move(failed)})),
        thread_([this] { run(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  Ticket push(Job job) {
    Ticket ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      assert(!stopping_);
      if (job.kind == Job::Kind::Write) ticket = job.ticket = ++last_ticket_;
      if (queue_.empty() && in_group_ == 0) moves();  // the thread that waits is to wake up
      queue_.push_back(std::move(job));
    }
    wake_.notify_one();
    return ticket;
  }

  void write_and_wait(StoreFile& file, std::function<void()> job) {
    assert(std::this_thread::get_id() != thread_.get_id());  // the store thread cannot wait for itself
    wait_until_written([&](Written written) {
      push({Job::Kind::Write, 0, &file, std::move(job), {}, std::move(written)});
    });
  }

  Ticket last_ticket() const {
    const std::lock_guard lock(mutex_);
    return last_ticket_;
  }

  std::size_t backlog() const {
    const std::lock_guard lock(mutex_);
    return queue_.size() + in_group_;
  }

  std::atomic<std::uint64_t> commits{0}, failures{0};
  std::atomic<Time> due = Time::max();

 private:
  /// What became of one file in the group that is being written.
  struct Part {
    StoreFile* file;
    bool open = false;   ///< begun, neither committed nor rolled back
    std::string failed;  ///< why nothing of it counts; empty: all well
  };

  void run();
  bool take_group();
  void moves() { due.store(std::chrono::steady_clock::now(), std::memory_order_relaxed); }
  void write_group();
  void perform(Job& job);
  Part& part_of(StoreFile& file);
  void fail(Part& part, const std::string& what);
  void commit(Part& part);
  void report();
  void tell_who_waits();
  void read(Job& job);
  void resume(StoreFile& file);

  // Constant after construction
  struct Told {
    Committed committed;
    Failed failed;
  };
  const Post post_;
  const std::shared_ptr<const Told> told_;  ///< shared with what was posted: that may run after the store is gone

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_
  std::deque<Job> queue_;
  std::size_t in_group_ = 0;
  Ticket last_ticket_ = 0;
  bool stopping_ = false;

  // Owned by the store thread
  std::vector<Job> group_;                                  ///< writes, or one job of another kind
  std::vector<Part> parts_;                                 ///< the files of group_
  std::vector<std::pair<StoreFile*, std::string>> broken_;  ///< failed, and not resumed since

  std::thread thread_;  ///< last: begins when all the rest is there
};

void Store::Impl::run() {
  pthread_setname_np(pthread_self(), "store");
  while (take_group()) {
    switch (group_.front().kind) {
      case Job::Kind::Write:
        write_group();
        break;
      case Job::Kind::Read:
        read(group_.front());
        break;
      case Job::Kind::Resume:
        resume(*group_.front().file);
        break;
    }
  }
  due = Time::max();
}

/// Waits for work and moves what may be done together into group_; false when there is none and none will come.
bool Store::Impl::take_group() {
  group_.clear();  // destroys the jobs before the lock is held
  std::unique_lock lock(mutex_);
  in_group_ = 0;
  due.store(Time::max(), std::memory_order_relaxed);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  moves();
  while (!queue_.empty() && group_.size() < kMaxGroup) {
    const bool alone = queue_.front().kind != Job::Kind::Write;  // a read sees what was written before it: committed
    if (alone && !group_.empty()) break;
    group_.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (alone) break;
  }
  in_group_ = group_.size();
  return !group_.empty();
}

void Store::Impl::write_group() {
  parts_.clear();
  for (Job& job : group_) perform(job);
  const auto first = [](const Part& part) { return !part.file->commits_last(); };
  std::stable_partition(parts_.begin(), parts_.end(), first);  // clang 14 has no such range algorithm
  failpoint("store.commit");
  for (Part& part : parts_) {
    if (&part != &parts_.front()) failpoint("store.between-files");
    commit(part);
  }
  failpoint("store.committed");
  report();
  tell_who_waits();
}

void Store::Impl::perform(Job& job) {
  moves();
  Part& part = part_of(*job.file);
  if (!part.failed.empty()) return;
  try {
    if (!part.open) {
      job.file->begin();
      part.open = true;
    }
    job.run();
  } catch (...) {
    fail(part, text_of(std::current_exception()));
  }
}

Store::Impl::Part& Store::Impl::part_of(StoreFile& file) {
  const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.file == &file; });
  if (part != parts_.end()) return *part;
  Part& added = parts_.emplace_back(Part{&file, false, {}});
  for (const auto& [broken, what] : broken_) {
    if (broken == &file) added.failed = what;
  }
  return added;
}

void Store::Impl::fail(Part& part, const std::string& what) {
  ++failures;
  part.failed = what.empty() ? "unknown error" : what;
  if (part.open) part.file->rollback();
  part.open = false;
  broken_.emplace_back(part.file, part.failed);
}

void Store::Impl::commit(Part& part) {
  if (!part.open) return;
  moves();
  try {
    part.file->commit();
    ++commits;
    part.open = false;
  } catch (...) {
    fail(part, text_of(std::current_exception()));
  }
}

/// Failures first: whoever hears of a commit has heard before what it does not cover.
void Store::Impl::report() {
  for (const Part& part : parts_) {
    if (part.failed.empty()) continue;
    post_([told = told_, file = part.file, what = part.failed] { told->failed(*file, what); });
  }
  Ticket last = 0;
  for (const Job& job : group_) last = std::max(last, job.ticket);
  if (last != 0) post_([told = told_, last] { told->committed(last); });
}

void Store::Impl::tell_who_waits() {
  for (const Job& job : group_) {
    if (job.written) job.written(part_of(*job.file).failed);
  }
}

void Store::Impl::read(Job& job) {
  try {
    job.run();
  } catch (...) {  // a reader that cares catches what it expects; `then` is owed either way
    spdlog::error("store: a read failed: {}", text_of(std::current_exception()));
  }
  if (job.then) post_(std::move(job.then));
}

void Store::Impl::resume(StoreFile& file) {
  std::erase_if(broken_, [&](const auto& broken) { return broken.first == &file; });
}

Store::Store(Post post, Committed committed, Failed failed)
    : impl_(std::make_unique<Impl>(std::move(post), std::move(committed), std::move(failed))) {}
Store::~Store() = default;

Ticket Store::write(StoreFile& file, std::function<void()> job) {
  return impl_->push({Job::Kind::Write, 0, &file, std::move(job), {}, {}});
}

void Store::write(StoreFile& file, std::function<void()> job, Written written) {
  impl_->push({Job::Kind::Write, 0, &file, std::move(job), {}, std::move(written)});
}

void Store::write_and_wait(StoreFile& file, std::function<void()> job) { impl_->write_and_wait(file, std::move(job)); }

void Store::read(std::function<void()> job, std::function<void()> then) {
  impl_->push({Job::Kind::Read, 0, nullptr, std::move(job), std::move(then), {}});
}

void Store::resume(StoreFile& file) { impl_->push({Job::Kind::Resume, 0, &file, {}, {}, {}}); }

Ticket Store::last_ticket() const { return impl_->last_ticket(); }
std::size_t Store::backlog() const { return impl_->backlog(); }
std::uint64_t Store::commits() const { return impl_->commits; }
std::uint64_t Store::failures() const { return impl_->failures; }
std::chrono::steady_clock::time_point Store::due() const { return impl_->due; }

}  // namespace ferrule::mqtt
