#include "bridge/paho_link.hpp"

#include <fmt/format.h>
#include <mqtt/async_client.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/address.hpp"
#include "bridge/link_owner.hpp"
#include "bridge/paho_records.hpp"
#include "bridge/paho_version.hpp"
#include "mqtt/properties.hpp"

namespace paho = ::mqtt;

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr auto kConnectTime = 10s;           // for TCP and CONNACK, at each address
constexpr auto kPahoTime = 60s;              // its own limit, which it checks every 3 s only: ours comes first
constexpr auto kFarewell = 200ms;            // for DISCONNECT to be written
constexpr auto kThreadEnd = 3s;              // Paho's threads look up once a second
constexpr int kMaxInflight = 65'535;         // Paho never waits on its own account: the window is the uplink's
constexpr std::size_t kMaxUnqueued = 1'000;  // QoS 0 messages that wait for the socket
constexpr std::size_t kUnqueuedInPaho = 16;  // of them
constexpr auto kIdProperty = "ferrule-id";

/// What MQTT 3.1.1 table 3.1 calls them.
std::string_view return_code_name(int code) {
  constexpr std::string_view kNames[] = {
      "accepted",           "unacceptable protocol version", "client identifier rejected",
      "server unavailable", "bad user name or password",     "not authorized"};
  return code >= 0 && code < 6 ? kNames[code] : "unknown return code";
}

/// Empty where the token carries no reason of the cloud's.
std::optional<mqtt::Reason> reason_of(const paho::token& token) {
  const auto code = static_cast<int>(token.get_reason_code());
  if (code < 0x80 || code == paho::MQTTPP_V3_CODE) return {};
  return static_cast<mqtt::Reason>(code);
}

std::string with_code(mqtt::Reason reason) {
  return fmt::format("{} (0x{:02X})", mqtt::name(reason), static_cast<unsigned>(reason));
}

paho::properties properties_of(const mqtt::Publication& publication, const std::string& id) {
  paho::properties properties;
  const auto parsed = mqtt::Properties::parse(publication.properties, mqtt::PacketType::Publish, mqtt::Sender::Client);
  if (parsed) {
    for (const auto& property : *parsed) {
      const auto code = static_cast<paho::property::code>(property.id);
      if (property.id == mqtt::PropertyId::UserProperty) {
        properties.add({code, std::string(property.text), std::string(property.value)});
      } else if (property.id == mqtt::PropertyId::PayloadFormatIndicator) {
        properties.add({code, static_cast<std::int32_t>(property.number)});
      } else {
        properties.add({code, std::string(property.text)});
      }
    }
  }
  if (publication.expires) {  // what is left of it [MQTT-3.3.2-6]
    const auto left =
        std::chrono::ceil<std::chrono::seconds>(*publication.expires - std::chrono::steady_clock::now()).count();
    properties.add({paho::property::MESSAGE_EXPIRY_INTERVAL,
                    static_cast<std::int32_t>(std::clamp<std::int64_t>(left, 1, INT32_MAX))});
  }
  if (!id.empty()) properties.add({paho::property::USER_PROPERTY, kIdProperty, id});
  return properties;
}

/// Paho's persistence in terms of PahoRecords.
class Persistence final : public paho::iclient_persistence {
 public:
  explicit Persistence(PahoRecords& records) : records_(records) {}
  void open(const std::string&, const std::string&) override {}
  void close() override {}
  void clear() override {}
  bool contains_key(const std::string& key) override { return records_.contains(key); }
  paho::string_collection keys() const override {
    paho::string_collection keys;
    for (auto& key : records_.keys()) keys.push_back(std::move(key));
    return keys;
  }
  void put(const std::string& key, const std::vector<paho::string_view>& parts) override {
    std::string record;
    for (const auto& part : parts) record.append(part.data(), part.size());
    records_.put(key, std::move(record));
  }
  std::string get(const std::string& key) const override { return records_.get(key); }
  void remove(const std::string& key) override { records_.remove(key); }

 private:
  PahoRecords& records_;
};

struct Order {
  enum class Kind : std::uint8_t { Connect, Send, Subscribe };
  Kind kind = Kind::Connect;
  Seq seq = 0;
  mqtt::PublicationPtr publication;
  std::string topic;  // or filter
  mqtt::Qos qos = mqtt::Qos::AtMostOnce;
};

/// How an attempt at one address ended.
struct Outcome {
  bool connected = false;
  bool session_present = false;
  bool answered = false;       // by a CONNACK
  bool wrong_version = false;  // or what may be one: closed without CONNACK
  bool no_tcp = false;
  std::string cause;
  LinkLimits limits;
};

}  // namespace

/// The link's thread and what it shares with Paho's.
class PahoLink::Worker {
 public:
  Worker(const UplinkSettings& settings, LinkState& state, LinkEvents& events)
      : settings_(settings),
        endpoint_(parse_url(settings.url).value_or(Endpoint{})),
        owner_(state, events),
        mqtt_version_(settings.mqtt_version) {
    // Exchanges under way belong to a session of one version: only with that one do they go on, and none comes twice.
    for (const auto& record : state.restore()) {
      if (settings.mqtt_version == 5) mqtt_version_ = PahoRecords::version_of(record.key);
      version_agreed_ = true;
    }
  }

  void run();
  void push(Order order);
  void stop(milliseconds grace);
  bool wait_until_finished(milliseconds time);
  std::uint64_t dropped() const;

 private:
  /// What Paho tells of a connect, a publish, a subscribe.
  class Listener final : public paho::iaction_listener {
   public:
    explicit Listener(Worker& worker) : worker_(worker) {}
    void on_success(const paho::token& token) override { worker_.succeeded(token); }
    void on_failure(const paho::token& token) override { worker_.failed(token); }

   private:
    Worker& worker_;
  };

  // Paho's threads.
  void message_arrived(const paho::const_message_ptr& message);
  void succeeded(const paho::token& token);
  void failed(const paho::token& token);
  void connect_failed(const paho::token& token);
  void sent_unqueued();
  void closed_by_cloud(mqtt::Reason reason);
  void lose(std::string cause);

  // The link's thread.
  void perform(Order order);
  void connect();
  bool is_wrong_version(const Outcome& outcome);
  Outcome attempt(const std::string& address);
  void open_client(const std::string& address);
  paho::connect_options connect_options() const;
  bool welcome(const Outcome& outcome);
  void publish(const Order& order);
  void subscribe(const Order& order);
  paho::const_message_ptr message_of(const Order& order) const;
  bool wait_for_turn(mqtt::Qos qos);
  void after_loss();
  void close_client();
  void say_goodbye();

  // Constant after construction
  const UplinkSettings settings_;
  const Endpoint endpoint_;
  LinkOwner owner_;
  Listener listener_{*this};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_
  std::deque<Order> orders_;
  std::optional<Outcome> outcome_;    // of the attempt under way
  std::optional<std::string> lost_;   // why the connection ended
  std::string goodbye_;               // what the cloud's DISCONNECT said
  std::size_t unqueued_ = 0;          // QoS 0, given to Paho or waiting to be
  std::size_t unqueued_in_paho_ = 0;  // of them
  std::uint64_t dropped_ = 0;
  bool stopping_ = false, said_goodbye_ = false, ended_ = false, finished_ = false;

  // Owned by the link's thread
  std::map<std::string, std::string> inbound_;
  std::unique_ptr<PahoRecords> records_;
  std::unique_ptr<Persistence> persistence_;
  std::unique_ptr<paho::async_client> client_;
  LinkLimits limits_;
  int mqtt_version_;
  bool version_agreed_ = false;
  int unanswered_ = 0;         // attempts whose CONNECT the server answered by closing
  bool session_lost_ = false;  // and LinkState not cleared yet
};

void PahoLink::Worker::run() {
  pthread_setname_np(pthread_self(), "uplink");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || lost_ || !orders_.empty(); });
    if (stopping_) break;
    if (lost_) {
      lock.unlock();
      after_loss();
    } else {
      auto order = std::move(orders_.front());
      orders_.pop_front();
      lock.unlock();
      perform(std::move(order));
    }
    lock.lock();
  }
  lock.unlock();
  say_goodbye();
  close_client();
  lock.lock();
  finished_ = true;
  wake_.notify_all();
}

void PahoLink::Worker::push(Order order) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (order.kind == Order::Kind::Send && order.qos == mqtt::Qos::AtMostOnce) {
    if (unqueued_ >= kMaxUnqueued) {
      ++dropped_;
      return;
    }
    ++unqueued_;
  }
  orders_.push_back(std::move(order));
  wake_.notify_all();
}

std::uint64_t PahoLink::Worker::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void PahoLink::Worker::perform(Order order) {
  switch (order.kind) {
    case Order::Kind::Connect:
      return connect();
    case Order::Kind::Send:
      return publish(order);
    case Order::Kind::Subscribe:
      return subscribe(order);
  }
}

// ---- connect

void PahoLink::Worker::connect() {
  close_client();
  std::string cause;
  if (session_lost_) {
    try {
      owner_.clear();
      session_lost_ = false;
    } catch (const std::exception& error) {
      return owner_.on_disconnected(fmt::format("cannot write the outbox: {}", error.what()));
    }
  }
  const auto addresses = resolve(endpoint_, cause);
  for (const auto& address : addresses) {
    auto outcome = attempt(address);
    if (is_wrong_version(outcome)) {
      mqtt_version_ = mqtt_version_ == 5 ? 4 : 5;
      if (mqtt_version_ == 4) outcome = attempt(address);
    }
    if (outcome.connected && welcome(outcome)) return;
    cause = outcome.cause;
    close_client();
    const std::lock_guard lock(mutex_);
    if (outcome.answered || stopping_) break;
  }
  owner_.on_disconnected(std::move(cause));
}

/// A server that closes without an answer may not know MQTT 5, or be about to stop: it is asked once more.
bool PahoLink::Worker::is_wrong_version(const Outcome& outcome) {
  if (!outcome.wrong_version || settings_.mqtt_version != 5) return false;
  if (outcome.answered) return true;
  return !version_agreed_ && ++unanswered_ % 2 == 0;
}

Outcome PahoLink::Worker::attempt(const std::string& address) {
  close_client();
  Outcome outcome;
  try {
    open_client(address);
    client_->connect(connect_options(), nullptr, listener_);
    std::unique_lock lock(mutex_);
    if (!wake_.wait_for(lock, kConnectTime, [this] { return stopping_ || outcome_; })) {
      outcome.cause = fmt::format("no answer from {} within {} s", address, kConnectTime.count());
    } else if (outcome_) {
      outcome = *std::exchange(outcome_, {});
    } else {
      outcome.cause = "stopped";
    }
  } catch (const std::exception& error) {
    outcome.cause = error.what();
  }
  if (!outcome.connected)
    outcome.cause = fmt::format("{}: {}", address, outcome.no_tcp ? explain_no_connection(address) : outcome.cause);
  return outcome;
}

void PahoLink::Worker::open_client(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    outcome_.reset();
    lost_.reset();
    goodbye_.clear();
  }
  records_ = std::make_unique<PahoRecords>(
      owner_, inbound_, mqtt_version_,
      PahoRecords::Told{[this](Seq seq, mqtt::Reason reason) { owner_.on_settled(seq, reason); },
                        [this] {
                          const std::lock_guard lock(mutex_);
                          wake_.notify_all();
                        },
                        [this](const std::string& what) { lose(fmt::format("cannot write the outbox: {}", what)); }});
  persistence_ = std::make_unique<Persistence>(*records_);
  paho::create_options options(mqtt_version_, kMaxInflight);
  options.set_persist_qos0(true);  // or Paho C 1.3.12 leaks each one that it still has when it is destroyed
  const PahoVersion version(mqtt_version_);
  client_ = std::make_unique<paho::async_client>("tcp://" + address, settings_.client_id, options, persistence_.get());
  records_->opened();
  // Not set_callback, which takes its lock and Paho C's in the order opposite to that of its own callbacks.
  client_->set_connection_lost_handler(
      [this](const std::string& cause) { lose(cause.empty() ? "the connection broke" : cause); });
  client_->set_message_callback([this](const paho::const_message_ptr& message) { message_arrived(message); });
  client_->set_disconnected_handler(
      [this](const paho::properties&, paho::ReasonCode code) { closed_by_cloud(static_cast<mqtt::Reason>(code)); });
}

paho::connect_options PahoLink::Worker::connect_options() const {
  paho::connect_options options;
  options.set_mqtt_version(mqtt_version_);
  options.set_keep_alive_interval(settings_.keep_alive);
  options.set_connect_timeout(kPahoTime);
  options.set_max_inflight(kMaxInflight);
  if (!settings_.username.empty()) options.set_user_name(settings_.username);
  if (!settings_.password.empty()) options.set_password(settings_.password);
  if (mqtt_version_ == 5) {
    options.set_clean_start(false);
    const auto expiry = static_cast<std::int32_t>(settings_.session_expiry.count());
    options.set_properties({{paho::property::SESSION_EXPIRY_INTERVAL, expiry}});
  } else {
    options.set_clean_session(false);
  }
  return options;
}

/// False when what has to be known on disk before the first message leaves could not be written.
bool PahoLink::Worker::welcome(const Outcome& outcome) {
  version_agreed_ = true;
  limits_ = outcome.limits;
  limits_.mqtt_version = mqtt_version_;
  session_lost_ = !outcome.session_present;
  try {
    if (session_lost_) owner_.clear();
    session_lost_ = false;
  } catch (const std::exception& error) {
    close_client();
    owner_.on_disconnected(fmt::format("cannot write the outbox: {}", error.what()));
    return true;
  }
  owner_.on_limits(limits_);
  owner_.on_connected(outcome.session_present);
  return true;
}

void PahoLink::Worker::succeeded(const paho::token& token) {
  if (token.get_type() == paho::token::PUBLISH) {
    if (token.get_message_id() != 0) return records_->acknowledged(token.get_message_id(), mqtt::Reason::Success);
    return sent_unqueued();
  }
  std::optional<Outcome> outcome;
  if (token.get_type() == paho::token::CONNECT) {
    const auto response = token.get_connect_response();
    const auto& properties = response.get_properties();
    const auto has = [&](paho::property::code code) { return properties.contains(code); };
    outcome.emplace();
    outcome->connected = outcome->answered = true;
    outcome->session_present = response.is_session_present();
    auto& limits = outcome->limits;
    if (has(paho::property::RECEIVE_MAXIMUM)) {
      limits.receive_maximum = paho::get<std::uint16_t>(properties, paho::property::RECEIVE_MAXIMUM);
    }
    if (has(paho::property::MAXIMUM_QOS)) {
      limits.maximum_qos = static_cast<mqtt::Qos>(paho::get<std::uint8_t>(properties, paho::property::MAXIMUM_QOS) & 1);
    }
    if (has(paho::property::RETAIN_AVAILABLE)) {
      limits.retain_available = paho::get<std::uint8_t>(properties, paho::property::RETAIN_AVAILABLE) != 0;
    }
    if (has(paho::property::MAXIMUM_PACKET_SIZE)) {
      limits.maximum_packet_size = paho::get<std::uint32_t>(properties, paho::property::MAXIMUM_PACKET_SIZE);
    }
  }
  const std::lock_guard lock(mutex_);
  if (outcome) outcome_ = std::move(outcome);
  if (token.get_type() == paho::token::DISCONNECT) said_goodbye_ = true;
  wake_.notify_all();
}

/// A QoS 0 message is in the socket, or lost.
void PahoLink::Worker::sent_unqueued() {
  const std::lock_guard lock(mutex_);
  if (unqueued_in_paho_ == 0) return;
  --unqueued_in_paho_;
  --unqueued_;
  wake_.notify_all();
}

void PahoLink::Worker::failed(const paho::token& token) {
  const auto reason = reason_of(token);
  switch (token.get_type()) {
    case paho::token::CONNECT:
      return connect_failed(token);
    case paho::token::PUBLISH: {
      if (token.get_message_id() != 0 && reason) return records_->acknowledged(token.get_message_id(), *reason);
      // Otherwise interrupted by the loss of the connection, which we hear of by itself.
      if (token.get_message_id() == 0) sent_unqueued();
      return;
    }
    case paho::token::SUBSCRIBE:
      spdlog::warn("uplink {}: the cloud refused a subscription{}", settings_.name,
                   reason ? ": " + with_code(*reason) : "");
      return;
    default:
      const std::lock_guard lock(mutex_);
      said_goodbye_ = true;
      wake_.notify_all();
  }
}

void PahoLink::Worker::connect_failed(const paho::token& token) {
  Outcome outcome;
  const int code = token.get_return_code();
  if (const auto reason = reason_of(token)) {
    outcome.answered = true;
    outcome.wrong_version = *reason == mqtt::Reason::UnsupportedProtocolVersion;
    outcome.cause = "refused: " + with_code(*reason);
  } else if (code >= 0x80) {
    outcome.answered = true;
    outcome.wrong_version = static_cast<mqtt::Reason>(code) == mqtt::Reason::UnsupportedProtocolVersion;
    outcome.cause = "refused: " + with_code(static_cast<mqtt::Reason>(code));
  } else if (code > 0) {
    outcome.answered = true;
    outcome.wrong_version = code == 1;
    outcome.cause = fmt::format("refused: {} ({})", return_code_name(code), code);
  } else {
    std::string what = "connection failed";
    try {
      const_cast<paho::token&>(token).try_wait();  // the only way to the text: it throws it
    } catch (const std::exception& error) {
      what = error.what();
    }
    // TCP was there and the CONNECT went out, but no CONNACK came: some 3.1.1 servers answer a CONNECT of MQTT 5 so.
    outcome.wrong_version = what.find("TCP connect completion failure") != what.npos;
    outcome.no_tcp = what.find("TCP/TLS connect failure") != what.npos;
    outcome.cause = outcome.wrong_version ? "closed without an answer to CONNECT" : what;
  }
  const std::lock_guard lock(mutex_);
  outcome_ = std::move(outcome);
  wake_.notify_all();
}

// ---- send

void PahoLink::Worker::publish(const Order& order) {
  const bool unqueued = order.qos == mqtt::Qos::AtMostOnce;
  try {
    if (!wait_for_turn(order.qos)) throw paho::exception(MQTTASYNC_DISCONNECTED);
    if (!unqueued) records_->publishing(order.seq, order.qos);
    client_->publish(message_of(order), nullptr, listener_);
  } catch (const paho::exception& error) {
    const int code = error.get_return_code();
    if (unqueued) {
      sent_unqueued();
    } else if (code == MQTTASYNC_BAD_UTF8_STRING) {
      owner_.on_settled(order.seq, mqtt::Reason::TopicNameInvalid);
    } else if (code != MQTTASYNC_DISCONNECTED) {  // then who sent it hears of the loss, and sends it again
      owner_.on_settled(order.seq, mqtt::Reason::ReceiveMaximumExceeded);
    }
  }
}

paho::const_message_ptr PahoLink::Worker::message_of(const Order& order) const {
  const auto& publication = *order.publication;
  paho::properties properties;
  if (mqtt_version_ == 5) {
    const bool numbered = order.qos != mqtt::Qos::AtMostOnce;
    properties = properties_of(publication, numbered ? fmt::format("{}-{}", settings_.client_id, order.seq) : "");
  }
  return paho::message::create(order.topic, publication.payload.data(), publication.payload.size(),
                               static_cast<int>(order.qos), publication.retain && limits_.retain_available, properties);
}

/// At most one QoS 2 message is under way to Paho's send thread, see PahoRecords, and few of QoS 0. False when the
/// connection is gone.
bool PahoLink::Worker::wait_for_turn(mqtt::Qos qos) {
  std::unique_lock lock(mutex_);
  const auto free = [&] {
    if (qos == mqtt::Qos::ExactlyOnce) return !records_->storing();
    return qos == mqtt::Qos::AtLeastOnce || unqueued_in_paho_ < kUnqueuedInPaho;
  };
  if (client_) wake_.wait(lock, [&] { return stopping_ || lost_ || free(); });
  if (qos == mqtt::Qos::AtMostOnce) ++unqueued_in_paho_;
  return client_ && !stopping_ && !lost_;
}

void PahoLink::Worker::subscribe(const Order& order) {
  if (!client_) return;
  try {
    paho::subscribe_options options(mqtt_version_ == 5);  // No Local: what we sent does not come back
    client_->subscribe(order.topic, static_cast<int>(order.qos), nullptr, listener_, options);
  } catch (const std::exception& error) {
    spdlog::warn("uplink {}: cannot subscribe to {}: {}", settings_.name, order.topic, error.what());
  }
}

void PahoLink::Worker::message_arrived(const paho::const_message_ptr& message) {
  if (!message) return;
  auto publication = std::make_shared<mqtt::Publication>();
  publication->topic = message->get_topic();
  publication->payload = message->get_payload_str();
  publication->qos = static_cast<mqtt::Qos>(message->get_qos());
  publication->retain = message->is_retained();
  publication->published = std::chrono::steady_clock::now();
  publication->origin = settings_.client_id;
  owner_.on_message(std::move(publication));
}

// ---- the end of a connection

void PahoLink::Worker::closed_by_cloud(mqtt::Reason reason) {
  const std::lock_guard lock(mutex_);
  goodbye_ = "the cloud ended it: " + with_code(reason);
}

void PahoLink::Worker::lose(std::string cause) {
  const std::lock_guard lock(mutex_);
  if (!lost_) lost_ = goodbye_.empty() ? std::move(cause) : goodbye_;
  wake_.notify_all();
}

void PahoLink::Worker::after_loss() {
  close_client();  // first: nothing can leave or be acknowledged any more
  std::string cause;
  {
    const std::lock_guard lock(mutex_);
    cause = *std::exchange(lost_, {});
  }
  owner_.on_disconnected(std::move(cause));
}

void PahoLink::Worker::close_client() {
  if (!client_) return;
  records_->closing();
  client_.reset();
  persistence_.reset();
  records_.reset();
  const std::lock_guard lock(mutex_);
  unqueued_ -= std::exchange(unqueued_in_paho_, 0);
}

void PahoLink::Worker::stop(milliseconds grace) {
  std::unique_lock lock(mutex_);
  if (!std::exchange(stopping_, true)) wake_.notify_all();
  wake_.wait_for(lock, grace, [this] { return ended_; });
  lock.unlock();
  owner_.leave();
}

/// On the link's thread, when it is to stop.
void PahoLink::Worker::say_goodbye() {
  bool connected = client_ != nullptr;
  if (connected) {
    try {
      client_->disconnect(0, nullptr, listener_);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kFarewell, [this] { return said_goodbye_ || lost_; });
    } catch (const std::exception&) {
      connected = false;  // it was not connected
    }
  }
  if (connected) owner_.on_disconnected("stopped");
  const std::lock_guard lock(mutex_);
  ended_ = true;
  wake_.notify_all();
}

bool PahoLink::Worker::wait_until_finished(milliseconds time) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [this] { return finished_; });
}

// ---- the handle

PahoLink::PahoLink(const UplinkSettings& settings, LinkState& state, LinkEvents& events)
    : worker_(std::make_shared<Worker>(settings, state, events)), thread_([worker = worker_] { worker->run(); }) {}

PahoLink::~PahoLink() {
  worker_->stop(milliseconds{0});
  if (worker_->wait_until_finished(kThreadEnd)) {
    thread_.join();
  } else {  // it waits for a name server; it has nothing left to do with us
    thread_.detach();
  }
}

void PahoLink::connect() { worker_->push({}); }

void PahoLink::send(Seq seq, mqtt::PublicationPtr publication, const std::string& topic, mqtt::Qos qos) {
  worker_->push({Order::Kind::Send, seq, std::move(publication), topic, qos});
}

void PahoLink::subscribe(const std::string& filter, mqtt::Qos qos) {
  worker_->push({Order::Kind::Subscribe, 0, {}, filter, qos});
}

void PahoLink::disconnect(milliseconds grace) { worker_->stop(grace); }

std::uint64_t PahoLink::dropped() const { return worker_->dropped(); }

}  // namespace ferrule::bridge
