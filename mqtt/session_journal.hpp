// The broker's durable state on its way to the disk: gathers what changes, and knows what is there.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mqtt/clock.hpp"
#include "mqtt/session_changes.hpp"
#include "mqtt/session_file.hpp"
#include "mqtt/store.hpp"

namespace ferrule::mqtt {

/// Changes gather in a batch. It is handed to the store when somebody has to wait for one of them, else when the oldest
/// is `commit_interval` old; what is taken back meanwhile is never written. Thread: the broker's.
class SessionJournal {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Opens or creates `path` (see DatabaseFile, and what it throws). `store` and `clock` must outlive it, and the store
  /// be destroyed before it. `post` runs a function on the broker thread.
  SessionJournal(std::filesystem::path path, Store& store, Clock& clock, std::chrono::milliseconds commit_interval);
  SessionJournal(const SessionJournal&) = delete;
  SessionJournal& operator=(const SessionJournal&) = delete;

  // Before the first change.
  RestoredState restore();
  void restore_retained(const SessionFile::TakeRetained& take);

  /// While it lives, what changes is one transaction. Journal may be null. They nest, and cost next to nothing while
  /// nothing changes.
  class Whole {
   public:
    explicit Whole(SessionJournal* journal) : journal_(journal) {
      if (journal_ != nullptr) journal_->enter();
    }
    ~Whole() {
      if (journal_ != nullptr) journal_->leave();
    }
    Whole(const Whole&) = delete;
    Whole& operator=(const Whole&) = delete;

   private:
    SessionJournal* const journal_;
  };

  /// Within the outermost Whole, before its first change: what follows is not committed before `ticket`.
  void follow(Ticket ticket);

  // Sessions.
  SessionRow new_session() { return ++last_session_; }
  void save(StoredSession session);
  void end(SessionRow session);  ///< give its publications back beforehand
  void subscribe(SessionRow session, StoredSubscription subscription);
  void unsubscribe(SessionRow session, std::string filter);

  // Publications to sessions, within one Whole.
  void begin(const PublicationPtr& publication) { publication_ = &publication, current_ = 0; }
  /// Returns the row of the publication that began. `delivery.publication` is not looked at.
  ChangeNo add_receiver(SessionRow session, const StoredDelivery& delivery);
  bool added() const { return current_ != 0; }          ///< since `begin`
  void give_back(ChangeNo publication);                 ///< one of its receivers has settled it
  void done(SessionRow session, std::uint64_t number);  ///< all below `number` is settled
  ChangeNo save_exchange(SessionRow session, std::uint64_t number, bool complete);

  // QoS 2 publications from clients.
  std::uint64_t new_receipt() { return ++last_receipt_; }
  void begin_receipts_behind(std::uint64_t receipt) { last_receipt_ = std::max(last_receipt_, receipt); }
  std::uint64_t receipts_on_disk() const { return receipts_on_disk_; }  ///< up to this one
  void add_incoming(SessionRow session, std::uint16_t packet_id, std::uint64_t receipt);
  void drop_incoming(SessionRow session, std::uint16_t packet_id);

  // Retained publications.
  RetainedRow new_retained() { return ++last_retained_; }
  void retain(RetainedRow row, PublicationPtr publication);
  void drop_retained(RetainedRow row);

  /// Hands what gathered to the store: the ticket to wait for. 0: there is nothing that is not on disk.
  Ticket post();
  bool on_disk(ChangeNo change) const { return change < committed_; }

  /// Reads publications back: `on_loaded` is told for which session (client id and row) and what was found. Null: lost.
  using Loaded = std::vector<std::pair<ChangeNo, PublicationPtr>>;
  using OnLoaded = std::function<void(const std::string& client_id, SessionRow session, const Loaded&)>;
  void on_loaded(OnLoaded told) { on_loaded_ = std::move(told); }
  void load(std::string client_id, SessionRow session, std::vector<ChangeNo> publications);

  // From the store and the clock.
  void tick();  ///< every 100 ms
  void committed(Ticket ticket);
  void failed(const StoreFile& file, const std::string& what);  ///< nothing to do with it when the file is another's
  bool failing() const { return !disk_error_.empty(); }
  /// The disk is full: no publication is to be added, so that there is room for what frees some.
  bool full() const { return full_; }
  /// Whether acknowledgements have to wait, whatever the store committed meanwhile.
  bool owes_disk() const { return failing() || told_ < owed_until_; }
  /// Told when the file was found damaged and set aside: whoever has the state writes it again.
  void on_lost(std::function<void()> told) { on_lost_ = std::move(told); }
  void forget_shared() { shared_.clear(); }  ///< they are written one by one from now on

  const std::string& disk_error() const { return disk_error_; }  ///< empty: none
  std::uint64_t size_on_disk() const { return file_.size_on_disk(); }
  std::uint64_t times_set_aside() const { return file_.times_set_aside(); }

 private:
  struct Load {
    std::string client_id;
    SessionRow session;
    std::vector<ChangeNo> publications;
    Loaded found;
    bool complete = false;
  };

  void enter() { ++depth_; }
  void leave() {
    if (--depth_ == 0 && std::exchange(held_, false)) open_->mutex.unlock();
  }
  void hold();
  void replace_open();
  ChangeNo push(Change change);
  void note_age();
  bool take_back(ChangeNo change);
  void write(Batch& batch);
  void watch_room();
  void retry();
  void read(const std::shared_ptr<Load>& load);
  void loaded(Load& load);
  PublicationPtr in_memory(ChangeNo publication) const;

  // Constant after construction
  Store& store_;
  Clock& clock_;
  const std::chrono::milliseconds commit_interval_;
  SessionFile file_;
  OnLoaded on_loaded_;
  std::function<void()> on_lost_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // what is posted back asks whether we are

  // Owned by the broker thread
  std::shared_ptr<Batch> open_ = std::make_shared<Batch>();
  int depth_ = 0;                                       // of Whole
  bool held_ = false;                                   // open_->mutex, from the first change on
  std::deque<std::shared_ptr<Batch>> posted_;           // not committed
  std::unordered_map<ChangeNo, std::uint32_t> shared_;  // publications that several sessions hold
  std::unordered_map<RetainedRow, ChangeNo> retained_;  // saved by open_
  const PublicationPtr* publication_ = nullptr;
  ChangeNo current_ = 0;
  ChangeNo committed_ = 1;  // the first change that is not on disk
  SessionRow last_session_ = 0;
  RetainedRow last_retained_ = 0;
  std::uint64_t last_receipt_ = 0, receipts_on_disk_ = 0;
  Ticket told_ = 0, owed_until_ = 0;
  std::string disk_error_;
  bool full_ = false;
  Time retry_at_{};
  std::uint64_t times_lost_ = 0;
  std::vector<std::shared_ptr<Load>> failed_loads_;
};

}  // namespace ferrule::mqtt
