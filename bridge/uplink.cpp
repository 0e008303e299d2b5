#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sysexits.h>

#include <algorithm>
#include <utility>

#include "bridge/ferrule_link.hpp"
#include "bridge/paho_link.hpp"
#include "bridge/uplink_impl.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto kHardlyBegun = 5s;     // a connection that ends sooner may end for what was sent
constexpr auto kStable = 10s;         // after so long online, the back-off begins anew
constexpr auto kStalled = 10s;        // without an acknowledgement
constexpr int kLongestHoldDown = 12;  // times the one that is set
constexpr auto kRenew = 5s;           // for what is under way, before a connection is renewed
constexpr auto kForget = 20s;         // for the exchanges of the last run
constexpr int kMostForgets = 3;       // of a cloud that ends none of them

/// Any error of the file at the start is the machine's, not the configuration's.
template <class F>
auto open_or_explain(const UplinkSettings& settings, F open) {
  try {
    return open();
  } catch (const std::runtime_error& error) {
    throw config::Error(settings.where, "uplinks." + settings.name, error.what(), EX_CANTCREAT);
  }
}

}  // namespace

std::unique_ptr<Link> make_link(const UplinkSettings& settings, LinkState& state, LinkEvents& events) {
  if (settings.client == Client::Paho) return make_paho_link(settings, state, events);
  return make_ferrule_link(settings, state, events);
}

Uplink::Impl::Impl(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store,
                   mqtt::Store::Post post, mqtt::Clock& clock, Inbound::Publish publish)
    : settings_(std::move(settings)),
      store_(store),
      post_(std::move(post)),
      clock_(clock),
      file_(open_or_explain(settings_,
                            [&] {
                              return std::make_unique<OutboxFile>(
                                  state_dir / fmt::format("outbox-{}.db", settings_.name), settings_.queue.durability);
                            })),
      state_(open_or_explain(settings_, [&] { return std::make_unique<RowState>(*file_, store_); })),
      outbox_(open_or_explain(settings_,
                              [&] { return std::make_unique<Outbox>(*file_, store_, settings_.queue, clock_); })),
      publish_(std::move(publish)),
      inbound_(settings_, publish_),
      window_(settings_.window),
      rate_(settings_.rate),
      byte_rate_(settings_.byte_rate),
      back_off_(settings_.reconnect),
      hold_down_(settings_.failback) {
  const auto goes_on = state_->under_way();
  std::ranges::for_each(goes_on.seqs, [this](Seq seq) { outbox_->hold(seq); });
  followers_ = goes_on.followers;
  outbox_->on_loaded([this] { pump(); });
  be_edge_node();
}

Uplink::Impl::Impl(UplinkSettings settings, Impl& before)
    : settings_(std::move(settings)),
      store_(before.store_),
      post_(before.post_),
      clock_(before.clock_),
      file_(std::move(before.file_)),
      state_(std::move(before.state_)),
      outbox_(std::move(before.outbox_)),
      publish_(before.publish_),
      inbound_(settings_, publish_),
      window_(settings_.window),
      rate_(settings_.rate),
      byte_rate_(settings_.byte_rate),
      back_off_(settings_.reconnect),
      hold_down_(settings_.failback),
      followers_(before.followers_),
      ack_times_(before.ack_times_),
      missed_(before.missed_),
      acknowledged_(before.acknowledged_),
      skipped_(before.skipped_ + before.link_->dropped()),
      repeated_(before.repeated_),
      connections_(before.connections_) {
  inbound_.take_over(before.inbound_);
  outbox_->use(settings_.queue);
  outbox_->on_loaded([this] { pump(); });
  be_edge_node();
  if (edge_ && before.edge_) edge_->take_over(*before.edge_);
}

void Uplink::Impl::be_edge_node() {
  if (!settings_.sparkplug) return;
  edge_.emplace(*settings_.sparkplug, clock_,
                [this](Seq seq, const auto& topic, auto payload) { send_for_edge(seq, topic, std::move(payload)); });
}

// ---- connecting

void Uplink::Impl::start() { connect(); }

void Uplink::Impl::connect() {
  if (edge_) edge_->disconnected();
  show(UplinkState::Connecting);
  if (missed_ && !settings_.keeps_missed && !settings_.in.empty()) return link_->connect_anew();
  link_->connect();
}

void Uplink::Impl::connected(bool session_present, const RowState::UnderWay& goes_on) {
  if (stopped_) return;
  const auto again = send_again(goes_on);
  show(UplinkState::Online);
  missed_ = session_present && forgets_missed();
  if (!missed_) inbound_.subscribe(*link_);
  ++connections_;
  online_since_ = answered_at_ = clock_.now();
  hold_down();
  moderation_.connected(online_since_);
  last_error_.clear();
  logged_causes_.forget();
  window_ = std::min<std::size_t>(settings_.window, limits_.receive_maximum);  // [MQTT-3.3.4-9]
  resuming_ = true;
  spdlog::info("uplink {}: online at {} as {} (MQTT {}), {} queued", settings_.name, limits_.server,
               settings_.client_id, limits_.mqtt_version == 5 ? "5" : "3.1.1", outbox_->size());
  if (again > 0 && !session_present) {
    spdlog::warn("uplink {}: the cloud lost our session; {} messages under way are sent again and may arrive twice",
                 settings_.name, again);
  }
  told_cloud_.clear();
  tell_cloud();
  if (edge_) meet_host();
  pump();
}

/// The session is one of before this start, in which exchanges of ours are under way. What comes meanwhile, the cloud
/// had kept.
bool Uplink::Impl::forgets_missed() {
  return missed_ && !settings_.keeps_missed && !settings_.in.empty() && ++forgotten_ <= kMostForgets;
}

/// Begins another session when these have ended.
void Uplink::Impl::forget_missed() {
  if (!missed_ || now_ != UplinkState::Online) return;
  if (!state_->is_idle() && clock_.now() - online_since_ < kForget) return;
  spdlog::info("uplink {}: connecting anew, so that the cloud forgets what it kept for us", settings_.name);
  connect();
}

void Uplink::Impl::disconnected(const std::string& cause, const RowState::UnderWay& goes_on) {
  const bool was_online = now_ == UplinkState::Online;
  if (was_online && clock_.now() - online_since_ >= kStable) back_off_.reset();
  show(stopped_ ? UplinkState::Offline : UplinkState::BackingOff);
  last_error_ = cause;
  inbound_.disconnected();
  if (edge_) edge_->disconnected();
  walk_at_.reset();
  const bool for_what_was_sent = clock_.now() - online_since_ < kHardlyBegun && !moderation_.too_much();
  if (was_online && !stopped_ && for_what_was_sent && !owes_disk()) quarantine();
  send_again(goes_on);
  renew_by_.reset();
  if (stopped_) return;
  next_attempt_ = clock_.now() + back_off_.jittered();
  if (was_online && moderation_.too_much()) {
    next_attempt_ = std::max(next_attempt_, clock_.now() + Moderation::kPause);
  }
  log_loss(fmt::format("{}{}", was_online ? "connection lost: " : "", cause));
}

/// Of what is in flight all but what goes on by itself; returns how many. Whatever the link wrote or settled before it
/// told what goes on, we have heard of.
std::size_t Uplink::Impl::send_again(const RowState::UnderWay& goes_on) {
  state_->unprepare_all();
  if (batch_) std::ranges::for_each(batch_->members(), [this](Seq seq) { outbox_->requeue(seq); });
  batch_.reset();
  batch_rows_.clear();
  batches_.clear();
  followers_ = goes_on.followers;
  const auto again = outbox_->requeue_all([&](Seq seq) { return goes_on.seqs.contains(seq); });
  repeated_ += again;
  return again;
}

/// Nothing new is sent until nothing is in flight, so that nothing has to be sent twice.
void Uplink::Impl::renew() {
  if (!renew_by_ || (under_way() > 0 && clock_.now() < *renew_by_)) return;
  renew_by_.reset();
  spdlog::info("uplink {}: connecting anew {}", settings_.name, renew_for_);
  connect();
}

/// Another one has been good enough for so long; one that comes and goes does not take us to and fro.
void Uplink::Impl::look_for_first() {
  if (now_ != UplinkState::Online || !first_at_ || clock_.now() < *first_at_) return;
  first_at_ = clock_.now() + hold_down_;
  link_->look_for_first();
}

/// Longer and longer, as long as the first server can be reached and does not take us.
void Uplink::Impl::hold_down() {
  const bool in_vain = std::exchange(going_back_, false) && !limits_.is_first;
  hold_down_ = in_vain ? std::min(2 * hold_down_, kLongestHoldDown * settings_.failback) : settings_.failback;
  first_at_.reset();
  if (!limits_.is_first && settings_.failback > 0ms) first_at_ = online_since_ + hold_down_;
}

/// A cloud that answers to PINGREQ but acknowledges nothing is left, and found again.
void Uplink::Impl::watch() {
  if (now_ != UplinkState::Online || under_way() == 0) return;
  if (clock_.now() - answered_at_ < settings_.ack_timeout) return;
  spdlog::warn("uplink {}: the cloud has acknowledged none of {} messages for {} s; connecting anew", settings_.name,
               outbox_->in_flight(), settings_.ack_timeout.count());
  connect();
}

/// Parks the message that makes the cloud hang up again and again.
void Uplink::Impl::quarantine() {
  const auto seq = suspicion_.hung_up(outbox_->oldest_in_flight());
  if (!seq) return;
  state_->done(*seq, false);
  const auto members = ended(*seq);
  if (members.size() > 1) return send_singly(members);
  outbox_->park(*seq, mqtt::Reason::ImplementationSpecificError);
  spdlog::warn("uplink {}: the cloud hangs up whenever it gets message {}-{}; it is parked in the database",
               settings_.name, settings_.client_id, *seq);
}

void Uplink::Impl::log_loss(const std::string& cause) {
  if (!logged_causes_.is_news(cause, clock_.now())) return;
  spdlog::warn("uplink {}: {}; {} queued, next attempt in {} ms", settings_.name, cause, outbox_->size(),
               std::chrono::duration_cast<milliseconds>(next_attempt_ - clock_.now()).count());
}

// ---- time and disk

void Uplink::Impl::tick() {
  if (stopped_ && !next_) return tick_stopped();
  outbox_->tick();
  if (stopped_) return;
  if (now_ == UplinkState::BackingOff && clock_.now() >= next_attempt_) connect();
  forget_missed();
  renew();
  look_for_first();
  watch();
  if (walk_at_ && clock_.now() >= *walk_at_) leave_server();
  pump();
  show_metrics();
}

void Uplink::Impl::store_failed(const mqtt::StoreFile& file, const std::string& what) {
  if (&file != file_.get()) return;
  outbox_->failed(what);
  if (!logged_disk_errors_.is_news(what, clock_.now())) return;
  spdlog::error("uplink {}: cannot write the outbox: {}", settings_.name, what);
}

UplinkStatus Uplink::Impl::status() const {
  const auto& counters = outbox_->counters();
  UplinkStatus status;
  status.name = settings_.name;
  status.state = now_;
  status.queued = outbox_->size();
  status.oldest = outbox_->age();
  status.ack_times = ack_times_;
  status.queued_bytes = outbox_->bytes();
  status.in_flight = outbox_->in_flight();
  status.stalled = now_ == UplinkState::Online && under_way() > 0 && clock_.now() - answered_at_ >= kStalled;
  status.acknowledged = acknowledged_;
  status.dropped = counters.dropped_full + counters.dropped_disk;
  status.dropped_disk = counters.dropped_disk;
  status.expired = counters.dropped_expired;
  status.aged = counters.dropped_aged;
  status.thinned = counters.dropped_thinned;
  status.unreadable = counters.unreadable;
  status.skipped = skipped_ + link_->dropped();
  status.parked = counters.parked;
  status.repeated = repeated_;
  status.never_written = counters.never_written;
  status.connections = connections_;
  status.received = inbound_.received() + host_messages_;
  status.received_dropped = inbound_.dropped();
  status.parked_dropped = file_->parked_dropped();
  status.set_aside = file_->times_set_aside();
  status.database_bytes = file_->size_on_disk();
  status.last_error = outbox_->disk_error().empty() ? last_error_ : outbox_->disk_error();
  return status;
}

void Uplink::Impl::look(Looked look, std::function<void()> told) {
  store_.read([file = file_.get(), look = std::move(look)] { look(*file); }, std::move(told));
}

void Uplink::Impl::change(Looked change, std::function<void()> told) {
  store_.write(*file_, [file = file_.get(), change = std::move(change)] { change(*file); });
  store_.read([] {}, std::move(told));
}

// ---- from the link's threads

void Uplink::Impl::on_limits(const LinkLimits& limits) {
  post([limits](Impl& self) { self.limits_ = limits; });
}

void Uplink::Impl::on_connected(bool session_present) {
  post([session_present, goes_on = state_->under_way()](Impl& self) { self.connected(session_present, goes_on); });
}

void Uplink::Impl::on_disconnected(std::string cause) {
  post([cause = std::move(cause), goes_on = state_->under_way()](Impl& self) { self.disconnected(cause, goes_on); });
}

void Uplink::Impl::on_too_much(mqtt::Reason reason) {
  post([reason](Impl& self) { self.slow_down(reason); });
}

void Uplink::Impl::on_settled(Seq seq, mqtt::Reason reason) {
  state_->done(seq, !is_error(reason));
  post([seq, reason](Impl& self) { self.settled(seq, reason); });
}

void Uplink::Impl::on_message(mqtt::Publication publication, Arrival arrival) {
  if (!inbound_.arrived(std::move(publication), arrival)) return;
  post([](Impl& self) { self.take_arrived(); });
}

/// A command that the cloud has kept while the gateway was off. The cloud is told that it is here, so that it does not
/// come again.
void Uplink::Impl::leave_out(const mqtt::Publication& publication, Arrival arrival) {
  if (logged_refusals_.is_news("missed", clock_.now())) {
    spdlog::warn("uplink {}: {} is dropped: the cloud has kept it while the gateway was off (see missed_commands)",
                 settings_.name, mqtt::for_log(publication.topic));
  }
  inbound_.refused();
  inbound_.owe(arrival, 0, mqtt::Reason::Success);
}

void Uplink::Impl::take_arrived() {
  for (auto& [publication, arrival] : inbound_.take_arrived()) {
    if (edge_) {
      take_for_edge(publication, arrival);
    } else if (missed_) {
      leave_out(publication, arrival);
    } else {
      inbound_.pass_on(std::move(publication), arrival, clock_.now());
    }
  }
  if (!stopped_) inbound_.answer(*link_);
}

void Uplink::Impl::on_disk(mqtt::Ticket ticket) {
  inbound_.on_disk(ticket);
  if (!stopped_) inbound_.answer(*link_);
}

void Uplink::Impl::on_renewal_due() {
  post([](Impl& self) { self.renew_soon("with fresh credentials"); });
}

void Uplink::Impl::on_first_found() {
  post([](Impl& self) {
    self.going_back_ = true;
    self.renew_soon("to its first server, which is there again");
  });
}

void Uplink::Impl::renew_soon(const char* what_for) {
  renew_for_ = what_for;
  if (now_ == UplinkState::Online && !stopped_) renew_by_ = clock_.now() + kRenew;
  renew();
}

// ---- the handle

Uplink::Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store,
               mqtt::Store::Post post, mqtt::Clock& clock, Publish publish)
    : Uplink(std::move(settings), state_dir, store, std::move(post), clock, std::move(publish), make_link) {}

Uplink::Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store,
               mqtt::Store::Post post, mqtt::Clock& clock, Publish publish, const LinkFactory& factory)
    : impl_(std::make_shared<Impl>(std::move(settings), state_dir, store, std::move(post), clock, std::move(publish))),
      make_link_(factory) {
  impl_->use(make_link_(impl_->settings(), impl_->link_state(), *impl_));
}

Uplink::~Uplink() { impl_->abandon(); }

void Uplink::start() { impl_->start(); }

bool Uplink::is_over() const { return impl_->is_over(); }

void Uplink::change(UplinkSettings settings, std::chrono::milliseconds grace) {
  impl_->give_way(grace, [this, settings = std::move(settings)](Impl& before) {
    impl_ = std::make_shared<Impl>(settings, before);
    impl_->use(make_link_(impl_->settings(), impl_->link_state(), *impl_));
    impl_->start();
  });
}

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::append(const mqtt::PublicationPtr& publication, bool durable) {
  return impl_->append(publication, durable, nullptr);
}

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::append_once(const mqtt::PublicationPtr& publication,
                                                             const mqtt::Receipt& receipt) {
  return impl_->append(publication, true, &receipt);
}

std::uint64_t Uplink::remember(std::uint64_t receipt) { return impl_->remember(receipt); }

void Uplink::committed(mqtt::Ticket ticket) { impl_->committed(ticket); }

void Uplink::on_disk(mqtt::Ticket ticket) { impl_->on_disk(ticket); }

void Uplink::store_failed(const mqtt::StoreFile& file, const std::string& what) { impl_->store_failed(file, what); }

bool Uplink::owes_disk() const { return impl_->owes_disk(); }

void Uplink::tick() { impl_->tick(); }

void Uplink::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

void Uplink::look(Looked look, std::function<void()> told) { impl_->look(std::move(look), std::move(told)); }

void Uplink::change(Looked change, std::function<void()> told) { impl_->change(std::move(change), std::move(told)); }

void Uplink::retry_parked(std::vector<Seq> seqs, std::function<void(std::size_t)> told) {
  impl_->retry_parked(std::move(seqs), std::move(told));
}

UplinkStatus Uplink::status() const { return impl_->status(); }
std::chrono::steady_clock::time_point Uplink::due() const { return impl_->due(); }

}  // namespace ferrule::bridge
