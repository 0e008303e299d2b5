// The inside of an uplink: uplink.cpp has its connection, uplink_sending.cpp what goes over it, uplink_ending.cpp its
// end.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/back_off.hpp"
#include "bridge/batch.hpp"
#include "bridge/edge_node.hpp"
#include "bridge/inbound.hpp"
#include "bridge/moderation.hpp"
#include "bridge/outbox.hpp"
#include "bridge/outbox_file.hpp"
#include "bridge/patience.hpp"
#include "bridge/rate.hpp"
#include "bridge/row_state.hpp"
#include "bridge/suspicion.hpp"
#include "bridge/uplink.hpp"

namespace ferrule::bridge {

/// Lives as long as something that the link posted may come, hence shared. Thread: the broker's, but for what
/// LinkEvents says.
class Uplink::Impl final : public LinkEvents, public std::enable_shared_from_this<Impl> {
 public:
  Impl(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store, mqtt::Store::Post post,
       mqtt::Clock& clock, Publish publish);
  /// Takes over the queue of one whose link has ended, and goes on counting where it was.
  Impl(UplinkSettings settings, Impl& before);

  void use(std::unique_ptr<Link> link) { link_ = std::move(link); }
  std::chrono::steady_clock::time_point due() const {
    return link_ ? link_->due() : std::chrono::steady_clock::time_point::max();
  }
  LinkState& link_state() { return *state_; }
  const UplinkSettings& settings() const { return settings_; }

  void start();
  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable,
                                                  const mqtt::Receipt* receipt);
  std::uint64_t remember(std::uint64_t receipt) { return outbox_->remember(receipt); }
  void committed(mqtt::Ticket ticket) { outbox_->committed(ticket); }
  void on_disk(mqtt::Ticket ticket);
  void store_failed(const mqtt::StoreFile& file, const std::string& what);
  bool owes_disk() const { return outbox_->owes_disk(); }
  void tick();
  void stop(std::chrono::milliseconds grace);
  void abandon(std::chrono::milliseconds grace = {});
  bool is_over() const { return over_; }
  /// Ends the link, and runs `then` once all that it said is taken; the queue takes what comes until then.
  void give_way(std::chrono::milliseconds grace, std::function<void(Impl&)> then);
  UplinkStatus status() const;
  void look(Looked look, std::function<void()> told);
  void change(Looked change, std::function<void()> told);
  void retry_parked(std::vector<Seq> seqs, std::function<void(std::size_t)> told) {
    outbox_->retry_parked(std::move(seqs), std::move(told));
  }

  // LinkEvents: on the link's threads.
  void on_limits(const LinkLimits& limits) override;
  void on_connected(bool session_present) override;
  void on_disconnected(std::string cause) override;
  void on_too_much(mqtt::Reason reason) override;
  void on_settled(Seq seq, mqtt::Reason reason) override;
  void on_message(mqtt::Publication publication, Arrival arrival) override;
  void on_renewal_due() override;
  void on_first_found() override;

 private:
  using Time = std::chrono::steady_clock::time_point;

  /// Runs `f` on the broker thread, unless nothing of this is left by then.
  template <class F>
  void post(F f) {
    post_([weak = weak_from_this(), f = std::move(f)] {
      if (const auto self = weak.lock()) f(*self);
    });
  }
  void be_edge_node();
  void connect();
  void meet_host();
  void leave_server();
  void host_gone(bool was_born);
  tl::expected<mqtt::Ticket, mqtt::Reason> append_metrics(const mqtt::PublicationPtr& publication, bool durable);
  void send_metrics(Outbox::Entry& entry);
  void send_for_edge(Seq seq, const std::string& topic, std::string payload);
  void take_for_edge(const mqtt::Publication& publication, Arrival arrival);
  void connected(bool session_present, const RowState::UnderWay& goes_on);
  bool forgets_missed();
  void forget_missed();
  void disconnected(const std::string& cause, const RowState::UnderWay& goes_on);
  void settled(Seq seq, mqtt::Reason reason);
  void park(Seq seq, mqtt::Reason reason);
  void pause();
  void slow_down(mqtt::Reason reason);
  std::size_t window() const { return std::min({window_, suspicion_.window(), moderation_.window()}); }
  bool sends_ahead() const;
  void quarantine();
  void pump();
  bool pump_one();
  void gather(Outbox::Entry& entry);
  bool gathers(const Outbox::Entry& entry) const;
  bool send_batch();
  std::vector<Seq> ended(Seq seq);
  void send_singly(const std::vector<Seq>& members);
  RowState::Prepared prepared(const Outbox::Entry& entry) const { return {outbox_->row_of(entry), !entry.unwritten}; }
  void delivered(const std::vector<Seq>& members);
  bool is_told_nothing() const { return settings_.client == Client::Paho; }  // of what becomes of QoS 0
  std::size_t under_way() const { return outbox_->in_flight() - (batch_ ? batch_->members().size() : 0); }
  bool takes_now(const mqtt::Publication& publication, const std::string& topic);
  bool exceeds_limit(const mqtt::Publication& publication, const std::string& topic) const;
  bool is_resuming();
  void send(Outbox::Entry& entry);
  bool is_own_status(const Routed& routed) const;
  void send_unqueued(const mqtt::PublicationPtr& publication, const std::string& topic);
  void log_loss(const std::string& cause);
  void show(UplinkState state);
  void tell_cloud();
  void show_metrics();
  void take_arrived();
  void leave_out(const mqtt::Publication& publication, Arrival arrival);
  std::size_t send_again(const RowState::UnderWay& goes_on);
  void renew_soon(const char* what_for);
  void renew();
  void look_for_first();
  void hold_down();
  void watch();
  void look_whether_over();
  void tick_stopped();

  // Constant after construction
  const UplinkSettings settings_;
  mqtt::Store& store_;
  const mqtt::Store::Post post_;
  mqtt::Clock& clock_;
  // Owned by the broker thread
  std::unique_ptr<OutboxFile> file_;
  std::unique_ptr<RowState> state_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Link> link_;
  const Publish publish_;
  Inbound inbound_;
  UplinkState now_ = UplinkState::Offline;
  LinkLimits limits_;
  std::size_t window_;
  Rate rate_, byte_rate_;
  BackOff back_off_;
  Suspicion suspicion_;
  Patience patience_;
  Moderation moderation_;
  Time next_attempt_{}, online_since_{};
  Time answered_at_{};            // by the cloud, while something is in flight
  std::optional<Time> renew_by_;  // connect anew as soon as nothing is in flight
  const char* renew_for_ = "";
  std::optional<Time> first_at_;  // when to look for the first server, while connected to another
  std::chrono::milliseconds hold_down_;
  bool going_back_ = false;
  std::string last_error_;
  Time metrics_at_{};
  std::string shown_metrics_;
  Time tell_cloud_at_{};
  std::string told_cloud_;  // since we are online
  Repetition logged_causes_, logged_disk_errors_;
  std::optional<Batch> batch_;  // being gathered; its members count as in flight in the outbox
  Time batch_since_{};
  std::vector<RowState::Prepared> batch_rows_;  // of its members, if it goes at QoS 2
  std::map<Seq, std::vector<Seq>> batches_;     // under way at QoS 1: members by the first, whose Seq they go by
  std::size_t followers_ = 0;                   // in them and in those of QoS 2, but the first of each
  Seq single_until_ = 0;                        // members of a batch that was refused go one by one
  AckTimes ack_times_;
  std::optional<EdgeNode> edge_;  // this uplink is its session
  std::optional<Time> walk_at_;   // to the next server, for the edge node's host
  Repetition logged_refusals_;
  std::uint64_t host_messages_ = 0;
  bool resuming_ = false, stopped_ = false;
  bool missed_ = true;                   // the cloud may still have commands from before this start, which are dropped
  int forgotten_ = 0;                    // connections in vain
  std::function<void(Impl&)> next_;      // gives way to another one, which will have the queue
  bool looking_ = false, over_ = false;  // after the stop: whether the store has done all
  std::uint64_t late_ticks_ = 0;         // after the stop: ticks that may have posted jobs to the store
  std::uint64_t acknowledged_ = 0, skipped_ = 0, repeated_ = 0, connections_ = 0;
};

}  // namespace ferrule::bridge
