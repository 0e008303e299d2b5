#include "bridge/uplink.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sysexits.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "bridge/back_off.hpp"
#include "bridge/ferrule_link.hpp"
#include "bridge/inbound.hpp"
#include "bridge/outbox.hpp"
#include "bridge/outbox_file.hpp"
#include "bridge/paho_link.hpp"
#include "bridge/patience.hpp"
#include "bridge/rate.hpp"
#include "bridge/row_state.hpp"
#include "bridge/suspicion.hpp"
#include "bridge/verdict.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

constexpr auto kHardlyBegun = 5s;             // a connection that ends sooner may end for what was sent
constexpr auto kStable = 10s;                 // after so long online, the back-off begins anew
constexpr auto kResume = 20s;                 // for the exchanges of the last connection
constexpr std::size_t kPacketOverhead = 128;  // bytes: header, lengths, packet id, expiry and our message id
constexpr auto kStalled = 10s;                // without an acknowledgement
constexpr auto kRenew = 5s;                   // for what is under way, before a connection is renewed
constexpr std::size_t kMaxIncoming = 10'000;  // messages from the cloud that wait for the broker thread

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

/// Lives as long as something that the link posted may come, hence shared. Thread: the broker's, but for what
/// LinkEvents says.
class Uplink::Impl final : public LinkEvents, public std::enable_shared_from_this<Impl> {
 public:
  Impl(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store, mqtt::Store::Post post,
       mqtt::Clock& clock, Inbound::Publish publish)
      : settings_(std::move(settings)),
        store_(store),
        post_(std::move(post)),
        clock_(clock),
        file_(open_or_explain(
            settings_,
            [&] { return std::make_unique<OutboxFile>(state_dir / fmt::format("outbox-{}.db", settings_.name)); })),
        state_(open_or_explain(settings_, [&] { return std::make_unique<RowState>(*file_, store_); })),
        outbox_(open_or_explain(settings_,
                                [&] { return std::make_unique<Outbox>(*file_, store_, settings_.queue, clock_); })),
        publish_(std::move(publish)),
        inbound_(settings_, publish_),
        window_(settings_.window),
        rate_(settings_.rate),
        back_off_(settings_.reconnect) {
    for (const auto& record : state_->restore()) outbox_->hold(record.seq);
    outbox_->on_loaded([this] { pump(); });
  }

  void use(std::unique_ptr<Link> link) { link_ = std::move(link); }
  LinkState& link_state() { return *state_; }
  const UplinkSettings& settings() const { return settings_; }

  void start();
  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable);
  void committed(mqtt::Ticket ticket) { outbox_->committed(ticket); }
  void store_failed(const mqtt::StoreFile& file, const std::string& what);
  bool owes_disk() const { return outbox_->owes_disk(); }
  void tick();
  void stop(milliseconds grace);
  void abandon(milliseconds grace = 0ms);
  UplinkStatus status() const;

  // LinkEvents: on the link's threads.
  void on_limits(const LinkLimits& limits) override;
  void on_connected(bool session_present) override;
  void on_disconnected(std::string cause) override;
  void on_settled(Seq seq, mqtt::Reason reason) override;
  void on_message(mqtt::Publication publication) override;
  void on_renewal_due() override;

 private:
  template <class F>
  void post(F f);
  void connect();
  void connected(bool session_present);
  void disconnected(const std::string& cause);
  void settled(Seq seq, mqtt::Reason reason);
  void park(Seq seq, mqtt::Reason reason);
  void pause();
  void quarantine();
  void pump();
  bool exceeds_limit(const mqtt::Publication& publication, const std::string& topic) const;
  bool is_resuming();
  void send(Outbox::Entry& entry);
  void send_unqueued(const mqtt::PublicationPtr& publication, const std::string& topic);
  void log_loss(const std::string& cause);
  void show(UplinkState state);
  void send_again();
  void renew();
  void watch();

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
  const Inbound::Publish publish_;
  Inbound inbound_;
  std::atomic<std::size_t> incoming_ = 0;  // shared with the link's thread, as the next
  std::atomic<std::uint64_t> incoming_dropped_ = 0;
  UplinkState now_ = UplinkState::Offline;
  LinkLimits limits_;
  std::size_t window_;
  Rate rate_;
  BackOff back_off_;
  Suspicion suspicion_;
  Patience patience_;
  Time next_attempt_{}, online_since_{};
  Time answered_at_{};            // by the cloud, while something is in flight
  std::optional<Time> renew_by_;  // connect anew as soon as nothing is in flight
  std::string last_error_;
  Repetition logged_causes_, logged_disk_errors_;
  bool resuming_ = false, stopped_ = false;
  std::uint64_t acknowledged_ = 0, skipped_ = 0, repeated_ = 0, connections_ = 0;
};

// ---- connecting

void Uplink::Impl::start() { connect(); }

/// To local subscribers, as mosquitto does; to those at the cloud, whom the will tells of the end.
void Uplink::Impl::show(UplinkState state) {
  const bool is_news = (state == UplinkState::Online) != (now_ == UplinkState::Online) || connections_ == 0;
  now_ = state;
  const bool online = state == UplinkState::Online;
  if (is_news) publish_(local_status(settings_.name, online));
  if (!online || settings_.status_topic.empty()) return;
  link_->send(0, cloud_status(settings_.status_topic), settings_.status_topic, mqtt::Qos::AtMostOnce);
}

void Uplink::Impl::connect() {
  show(UplinkState::Connecting);
  link_->connect();
}

void Uplink::Impl::connected(bool session_present) {
  if (stopped_) return;
  show(UplinkState::Online);
  inbound_.subscribe(*link_);
  ++connections_;
  online_since_ = clock_.now();
  last_error_.clear();
  logged_causes_.forget();
  window_ = std::min<std::size_t>(settings_.window, limits_.receive_maximum);  // [MQTT-3.3.4-9]
  // With the session, all that is in flight by now goes on by itself (what ended meanwhile is on its way to us).
  const auto lost = session_present ? 0 : outbox_->requeue_all([](Seq) { return false; });
  repeated_ += lost;
  resuming_ = true;
  spdlog::info("uplink {}: online at {} as {} (MQTT {}), {} queued", settings_.name, limits_.server,
               settings_.client_id, limits_.mqtt_version == 5 ? "5" : "3.1.1", outbox_->size());
  if (lost > 0) {
    spdlog::warn("uplink {}: the cloud lost our session; {} messages under way are sent again and may arrive twice",
                 settings_.name, lost);
  }
  pump();
}

void Uplink::Impl::disconnected(const std::string& cause) {
  const bool was_online = now_ == UplinkState::Online;
  if (was_online && clock_.now() - online_since_ >= kStable) back_off_.reset();
  show(stopped_ ? UplinkState::Offline : UplinkState::BackingOff);
  last_error_ = cause;
  if (was_online && !stopped_ && clock_.now() - online_since_ < kHardlyBegun && !owes_disk()) quarantine();
  send_again();
  renew_by_.reset();
  if (stopped_) return;
  next_attempt_ = clock_.now() + back_off_.jittered();
  log_loss(fmt::format("{}{}", was_online ? "connection lost: " : "", cause));
}

/// What the link settled before it ended has been taken off already.
void Uplink::Impl::send_again() {
  state_->unprepare_all();
  repeated_ += outbox_->requeue_all([this](Seq seq) { return state_->holds(seq); });
}

/// Nothing new is sent until nothing is in flight, so that nothing has to be sent twice.
void Uplink::Impl::renew() {
  if (!renew_by_ || (outbox_->in_flight() > 0 && clock_.now() < *renew_by_)) return;
  renew_by_.reset();
  spdlog::info("uplink {}: connecting anew with fresh credentials", settings_.name);
  send_again();
  connect();
}

/// A cloud that answers to PINGREQ but acknowledges nothing is left, and found again.
void Uplink::Impl::watch() {
  if (now_ != UplinkState::Online || outbox_->in_flight() == 0) answered_at_ = clock_.now();
  if (clock_.now() - answered_at_ < settings_.ack_timeout) return;
  answered_at_ = clock_.now();
  spdlog::warn("uplink {}: the cloud has acknowledged none of {} messages for {} s; connecting anew", settings_.name,
               outbox_->in_flight(), settings_.ack_timeout.count());
  send_again();
  connect();
}

/// Parks the message that makes the cloud hang up again and again.
void Uplink::Impl::quarantine() {
  const auto seq = suspicion_.hung_up(outbox_->oldest_in_flight());
  if (!seq) return;
  state_->done(*seq, false);
  outbox_->park(*seq, mqtt::Reason::ImplementationSpecificError);
  spdlog::warn("uplink {}: the cloud hangs up whenever it gets message {}-{}; it is parked in the database",
               settings_.name, settings_.client_id, *seq);
}

void Uplink::Impl::log_loss(const std::string& cause) {
  if (!logged_causes_.is_news(cause, clock_.now())) return;
  spdlog::warn("uplink {}: {}; {} queued, next attempt in {} ms", settings_.name, cause, outbox_->size(),
               std::chrono::duration_cast<milliseconds>(next_attempt_ - clock_.now()).count());
}

void Uplink::Impl::stop(milliseconds grace) {
  if (stopped_) return;
  show(UplinkState::Offline);
  abandon(grace);
  outbox_->flush();
}

/// Ends the link and touches the store no more, which may be gone.
void Uplink::Impl::abandon(milliseconds grace) {
  if (std::exchange(stopped_, true)) return;
  link_->disconnect(grace);
  now_ = UplinkState::Offline;
}

// ---- sending

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::Impl::append(const mqtt::PublicationPtr& publication, bool durable) {
  if (stopped_ || is_from_cloud(*publication)) return 0;
  auto routed = find_route(settings_.out, publication);
  if (!routed) return 0;
  if (!routed->topic.empty() && !mqtt::is_valid_topic_name(routed->topic)) {  // grown too long
    ++skipped_;
    return 0;
  }
  if (routed->qos == mqtt::Qos::AtMostOnce) {
    send_unqueued(routed->publication, routed->topic.empty() ? publication->topic : routed->topic);
    return 0;
  }
  const auto ticket = outbox_->append(routed->publication, std::move(routed->topic), routed->qos, durable);
  pump();
  return ticket;
}

void Uplink::Impl::send_unqueued(const mqtt::PublicationPtr& publication, const std::string& topic) {
  if (now_ != UplinkState::Online || exceeds_limit(*publication, topic) || !rate_.take(clock_.now())) {
    ++skipped_;
  } else {
    link_->send(0, publication, topic, mqtt::Qos::AtMostOnce);
  }
}

/// Of what the cloud takes [MQTT-3.2.2-15].
bool Uplink::Impl::exceeds_limit(const mqtt::Publication& publication, const std::string& topic) const {
  const auto size = topic.size() + publication.payload.size() + publication.properties.size() + kPacketOverhead;
  return limits_.maximum_packet_size != 0 && size > limits_.maximum_packet_size;
}

void Uplink::Impl::pump() {
  if (stopped_ || now_ != UplinkState::Online || renew_by_ || patience_.waits(clock_.now()) || is_resuming()) return;
  while (outbox_->in_flight() < std::min(window_, suspicion_.window())) {
    auto* entry = outbox_->next();
    if (entry == nullptr || !rate_.take(clock_.now())) return;
    send(*entry);
  }
}

/// Exchanges that go on from an earlier connection end before a new one begins: so packet identifiers rise with the
/// Seqs within every window, and what is resumed once more after another loss is resumed in order [MQTT-4.6.0-1].
bool Uplink::Impl::is_resuming() {
  if (resuming_ && outbox_->in_flight() > 0 && clock_.now() - online_since_ >= kResume) {
    spdlog::warn("uplink {}: the cloud does not answer for {} exchanges of the last connection; going on without",
                 settings_.name, outbox_->in_flight());
    resuming_ = false;
  }
  resuming_ = resuming_ && outbox_->in_flight() > 0;
  return resuming_;
}

void Uplink::Impl::send(Outbox::Entry& entry) {
  const auto qos = std::min(entry.qos, limits_.maximum_qos);  // [MQTT-3.2.2-11]
  const auto seq = entry.seq;
  if (exceeds_limit(*entry.publication, entry.cloud_topic())) {
    park(seq, mqtt::Reason::PacketTooLarge);
    return;
  }
  if (qos == mqtt::Qos::ExactlyOnce) state_->prepare(outbox_->row_of(entry));
  outbox_->sent(entry);
  link_->send(seq, entry.publication, entry.cloud_topic(), qos);
  if (qos == mqtt::Qos::AtMostOnce && outbox_->settle(seq)) ++acknowledged_;  // nothing will be heard of it
}

void Uplink::Impl::settled(Seq seq, mqtt::Reason reason) {
  answered_at_ = clock_.now();
  switch (judge(reason)) {
    case Verdict::Delivered:
      if (outbox_->settle(seq)) ++acknowledged_;
      patience_.accepted(seq);
      suspicion_.settled();
      if (now_ == UplinkState::Online) back_off_.reset();
      break;
    case Verdict::Later:
      outbox_->requeue(seq);
      pause();
      break;
    case Verdict::AgainOrPark:
      if (!patience_.try_again(seq)) {
        park(seq, reason);
        break;
      }
      outbox_->requeue(seq);
      pause();
      break;
    case Verdict::Park:
      park(seq, reason);
      break;
  }
  renew();
  pump();
}

void Uplink::Impl::park(Seq seq, mqtt::Reason reason) {
  outbox_->park(seq, reason);
  spdlog::warn("uplink {}: the cloud refused message {}-{} for good: {} (0x{:02X}); it is parked in the database",
               settings_.name, settings_.client_id, seq, mqtt::name(reason), static_cast<unsigned>(reason));
}

void Uplink::Impl::pause() {
  if (const auto time = patience_.pause(clock_.now())) {
    spdlog::warn("uplink {}: the cloud takes no more for now; waiting {} ms", settings_.name, time->count());
  }
}

// ---- time and disk

void Uplink::Impl::tick() {
  if (stopped_) return;
  outbox_->tick();
  if (now_ == UplinkState::BackingOff && clock_.now() >= next_attempt_) connect();
  renew();
  watch();
  pump();
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
  status.queued_bytes = outbox_->bytes();
  status.in_flight = outbox_->in_flight();
  status.stalled = now_ == UplinkState::Online && status.in_flight > 0 && clock_.now() - answered_at_ >= kStalled;
  status.acknowledged = acknowledged_;
  status.dropped = counters.dropped_full;
  status.expired = counters.dropped_expired;
  status.skipped = skipped_ + link_->dropped();
  status.parked = counters.parked;
  status.repeated = repeated_;
  status.never_written = counters.never_written;
  status.connections = connections_;
  status.received = inbound_.received();
  status.received_dropped = inbound_.unroutable() + incoming_dropped_;
  status.set_aside = file_->times_set_aside();
  status.database_bytes = file_->size_on_disk();
  status.last_error = outbox_->disk_error().empty() ? last_error_ : outbox_->disk_error();
  return status;
}

// ---- from the link's threads

template <class F>
void Uplink::Impl::post(F f) {
  post_([weak = weak_from_this(), f = std::move(f)] {
    if (const auto self = weak.lock()) f(*self);
  });
}

void Uplink::Impl::on_limits(const LinkLimits& limits) {
  post([limits](Impl& self) { self.limits_ = limits; });
}

void Uplink::Impl::on_connected(bool session_present) {
  post([session_present](Impl& self) { self.connected(session_present); });
}

void Uplink::Impl::on_disconnected(std::string cause) {
  post([cause = std::move(cause)](Impl& self) { self.disconnected(cause); });
}

void Uplink::Impl::on_settled(Seq seq, mqtt::Reason reason) {
  post([seq, reason](Impl& self) { self.settled(seq, reason); });
}

/// What the broker thread cannot keep up with is dropped: it was acknowledged to the cloud when it came.
void Uplink::Impl::on_message(mqtt::Publication publication) {
  if (incoming_ >= kMaxIncoming) {
    ++incoming_dropped_;
    return;
  }
  ++incoming_;
  post([publication = std::move(publication)](Impl& self) {
    --self.incoming_;
    if (!self.stopped_) self.inbound_.take(publication, self.clock_.now());
  });
}

void Uplink::Impl::on_renewal_due() {
  post([](Impl& self) {
    if (self.now_ == UplinkState::Online && !self.stopped_) self.renew_by_ = self.clock_.now() + kRenew;
    self.renew();
  });
}

// ---- the handle

Uplink::Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store,
               mqtt::Store::Post post, mqtt::Clock& clock, Publish publish)
    : Uplink(std::move(settings), state_dir, store, std::move(post), clock, std::move(publish), make_link) {}

Uplink::Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store,
               mqtt::Store::Post post, mqtt::Clock& clock, Publish publish, const LinkFactory& factory)
    : impl_(std::make_shared<Impl>(std::move(settings), state_dir, store, std::move(post), clock, std::move(publish))) {
  impl_->use(factory(impl_->settings(), impl_->link_state(), *impl_));
}

Uplink::~Uplink() { impl_->abandon(); }

void Uplink::start() { impl_->start(); }

tl::expected<mqtt::Ticket, mqtt::Reason> Uplink::append(const mqtt::PublicationPtr& publication, bool durable) {
  return impl_->append(publication, durable);
}

void Uplink::committed(mqtt::Ticket ticket) { impl_->committed(ticket); }

void Uplink::store_failed(const mqtt::StoreFile& file, const std::string& what) { impl_->store_failed(file, what); }

bool Uplink::owes_disk() const { return impl_->owes_disk(); }

void Uplink::tick() { impl_->tick(); }

void Uplink::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

UplinkStatus Uplink::status() const { return impl_->status(); }

}  // namespace ferrule::bridge
