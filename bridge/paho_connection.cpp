#include "bridge/paho_connection.hpp"

#include <fmt/format.h>
#include <mqtt/async_client.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bridge/address.hpp"
#include "bridge/paho_records.hpp"
#include "bridge/paho_version.hpp"
#include "bridge/refusal_text.hpp"
#include "mqtt/properties.hpp"

namespace paho = ::mqtt;

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;

constexpr auto kPahoTime = 60s;  // for TCP and CONNACK, which it checks every 3 s only: the link's limit comes first
constexpr int kMaxInflight = 65'535;  // Paho never waits on its own account: the window is the uplink's
constexpr auto kIdProperty = "ferrule-id";

/// Empty where the token carries no reason of the cloud's.
std::optional<mqtt::Reason> reason_of(const paho::token& token) {
  const auto code = static_cast<int>(token.get_reason_code());
  if (code < 0x80 || code == paho::MQTTPP_V3_CODE) return {};
  return static_cast<mqtt::Reason>(code);
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

LinkLimits limits_of(const paho::properties& properties) {
  const auto has = [&](paho::property::code code) { return properties.contains(code); };
  LinkLimits limits;
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
  return limits;
}

Attempt success_of(const paho::token& token) {
  const auto response = token.get_connect_response();
  Attempt attempt;
  attempt.connected = attempt.answered = true;
  attempt.session_present = response.is_session_present();
  attempt.limits = limits_of(response.get_properties());
  return attempt;
}

Attempt failure_of(const paho::token& token, const std::string& address) {
  Attempt attempt;
  const int code = token.get_return_code();
  const auto reason = code >= 0x80 ? static_cast<mqtt::Reason>(code) : reason_of(token);
  if (reason) {
    attempt.answered = true;
    attempt.wrong_version = *reason == mqtt::Reason::UnsupportedProtocolVersion;
    attempt.cause = "refused: " + with_code(*reason);
    return attempt;
  }
  if (code > 0) {
    attempt.answered = true;
    attempt.wrong_version = code == 1;
    attempt.cause = "refused: " + return_code_text(code);
    return attempt;
  }
  attempt.cause = "connection failed";
  try {
    const_cast<paho::token&>(token).try_wait();  // the only way to the text: it throws it
  } catch (const std::exception& error) {
    attempt.cause = error.what();
  }
  // TCP was there and the CONNECT went out, but no CONNACK came: some 3.1.1 servers answer a CONNECT of MQTT 5 so.
  attempt.wrong_version = attempt.cause.find("TCP connect completion failure") != attempt.cause.npos;
  if (attempt.wrong_version) attempt.cause = "closed without an answer to CONNECT";
  if (attempt.cause.find("TCP/TLS connect failure") != attempt.cause.npos)
    attempt.cause = explain_no_connection(address);
  return attempt;
}

}  // namespace

class PahoConnection::Client final : public paho::iaction_listener {
 public:
  Client(const UplinkSettings& settings, const std::string& address, int mqtt_version, bool anew, LinkOwner& owner,
         std::map<std::string, std::string>& inbound, Told told);
  ~Client() override;

  void connect() { client_->connect(connect_options(), nullptr, *this); }
  bool publish(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos,
               bool retain_available);
  bool storing() const { return records_.storing(); }
  void subscribe(const std::string& filter, mqtt::Qos qos);
  bool disconnect();

 private:
  paho::connect_options connect_options() const;

  // Paho's threads.
  void on_success(const paho::token& token) override;
  void on_failure(const paho::token& token) override;
  void message_arrived(const paho::const_message_ptr& message);
  void closed_by_cloud(mqtt::Reason reason);
  void lose(std::string cause);

  // Constant after construction
  const UplinkSettings& settings_;
  const std::string address_;
  const int mqtt_version_;
  const bool anew_;
  LinkOwner& owner_;
  const Told told_;

  std::mutex mutex_;
  std::string goodbye_;  // what the cloud's DISCONNECT said; guarded by mutex_

  // Called by Paho's threads too.
  PahoRecords records_;
  Persistence persistence_;
  std::unique_ptr<paho::async_client> client_;
};

PahoConnection::Client::Client(const UplinkSettings& settings, const std::string& address, int mqtt_version, bool anew,
                               LinkOwner& owner, std::map<std::string, std::string>& inbound, Told told)
    : settings_(settings),
      address_(address),
      mqtt_version_(mqtt_version),
      anew_(anew),
      owner_(owner),
      told_(std::move(told)),
      records_(owner, inbound, mqtt_version,
               PahoRecords::Told{
                   [this](Seq seq, mqtt::Reason reason) { owner_.on_settled(seq, reason); }, told_.stored,
                   [this](const std::string& what) { lose(fmt::format("cannot write the outbox: {}", what)); }}),
      persistence_(records_) {
  paho::create_options options(mqtt_version_, kMaxInflight);
  options.set_persist_qos0(true);  // or Paho C 1.3.12 leaks each one that it still has when it is destroyed
  const PahoVersion version(mqtt_version_);
  client_ = std::make_unique<paho::async_client>("tcp://" + address, settings_.client_id, options, &persistence_);
  records_.opened();
  // Not set_callback, which takes its lock and Paho C's in the order opposite to that of its own callbacks.
  client_->set_connection_lost_handler(
      [this](const std::string& cause) { lose(cause.empty() ? "the connection broke" : cause); });
  client_->set_message_callback([this](const paho::const_message_ptr& message) { message_arrived(message); });
  client_->set_disconnected_handler(
      [this](const paho::properties&, paho::ReasonCode code) { closed_by_cloud(static_cast<mqtt::Reason>(code)); });
}

PahoConnection::Client::~Client() {
  records_.closing();
  client_.reset();
}

// ---- connect

paho::connect_options PahoConnection::Client::connect_options() const {
  paho::connect_options options;
  options.set_mqtt_version(mqtt_version_);
  options.set_keep_alive_interval(settings_.keep_alive);
  options.set_connect_timeout(kPahoTime);
  options.set_max_inflight(kMaxInflight);
  if (!settings_.username.empty()) options.set_user_name(settings_.username);
  if (!settings_.password.empty()) options.set_password(settings_.password);
  if (mqtt_version_ == 5) {
    options.set_clean_start(anew_);
    const auto expiry = static_cast<std::int32_t>(settings_.session_expiry.count());
    options.set_properties({{paho::property::SESSION_EXPIRY_INTERVAL, expiry}});
  } else {
    options.set_clean_session(anew_);
  }
  return options;
}

void PahoConnection::Client::on_success(const paho::token& token) {
  switch (token.get_type()) {
    case paho::token::CONNECT:
      return told_.answered(success_of(token));
    case paho::token::PUBLISH:
      if (token.get_message_id() == 0) return told_.sent_unqueued();
      return records_.acknowledged(token.get_message_id(), mqtt::Reason::Success);
    case paho::token::DISCONNECT:
      return told_.said_goodbye();
    default:
      return;
  }
}

void PahoConnection::Client::on_failure(const paho::token& token) {
  const auto reason = reason_of(token);
  switch (token.get_type()) {
    case paho::token::CONNECT:
      return told_.answered(failure_of(token, address_));
    case paho::token::PUBLISH:
      if (token.get_message_id() == 0) return told_.sent_unqueued();
      // Without a reason it was interrupted by the loss of the connection, which we hear of by itself.
      if (reason) records_.acknowledged(token.get_message_id(), *reason);
      return;
    case paho::token::SUBSCRIBE:
      spdlog::warn("uplink {}: the cloud refused a subscription{}", settings_.name,
                   reason ? ": " + with_code(*reason) : "");
      return;
    default:
      return told_.said_goodbye();
  }
}

// ---- send

bool PahoConnection::Client::publish(Seq seq, const mqtt::Publication& publication, const std::string& topic,
                                     mqtt::Qos qos, bool retain_available) {
  const bool numbered = qos != mqtt::Qos::AtMostOnce;
  try {
    paho::properties properties;
    if (mqtt_version_ == 5) {
      properties = properties_of(publication, numbered ? fmt::format("{}-{}", settings_.client_id, seq) : "");
    }
    const auto made = paho::message::create(topic, publication.payload.data(), publication.payload.size(),
                                            static_cast<int>(qos), publication.retain && retain_available, properties);
    if (numbered) records_.publishing(seq, qos);
    client_->publish(made, nullptr, *this);
    return true;
  } catch (const paho::exception& error) {
    const int code = error.get_return_code();
    if (!numbered) return false;
    if (code == MQTTASYNC_BAD_UTF8_STRING) {
      owner_.on_settled(seq, mqtt::Reason::TopicNameInvalid);
    } else if (code != MQTTASYNC_DISCONNECTED) {  // then who sent it hears of the loss, and sends it again
      owner_.on_settled(seq, mqtt::Reason::ReceiveMaximumExceeded);
    }
    return false;
  }
}

void PahoConnection::Client::subscribe(const std::string& filter, mqtt::Qos qos) {
  try {
    paho::subscribe_options options(mqtt_version_ == 5);  // No Local: what we sent does not come back
    client_->subscribe(filter, static_cast<int>(qos), nullptr, *this, options);
  } catch (const std::exception& error) {
    spdlog::warn("uplink {}: cannot subscribe to {}: {}", settings_.name, filter, error.what());
  }
}

void PahoConnection::Client::message_arrived(const paho::const_message_ptr& message) {
  if (!message) return;
  mqtt::Publication publication;
  publication.topic = message->get_topic();
  publication.payload = message->get_payload_str();
  publication.qos = static_cast<mqtt::Qos>(message->get_qos());
  publication.retain = message->is_retained();
  publication.published = std::chrono::steady_clock::now();
  owner_.on_message(std::move(publication), 0);  // Paho answers by itself
}

// ---- the end

void PahoConnection::Client::closed_by_cloud(mqtt::Reason reason) {
  const std::lock_guard lock(mutex_);
  goodbye_ = "the cloud ended it: " + with_code(reason);
}

void PahoConnection::Client::lose(std::string cause) {
  {
    const std::lock_guard lock(mutex_);
    if (!goodbye_.empty()) cause = goodbye_;
  }
  told_.lost(std::move(cause));
}

bool PahoConnection::Client::disconnect() {
  try {
    client_->disconnect(0, nullptr, *this);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// ---- the handle

PahoConnection::PahoConnection(const UplinkSettings& settings, const std::string& address, int mqtt_version, bool anew,
                               LinkOwner& owner, std::map<std::string, std::string>& inbound, Told told)
    : client_(std::make_unique<Client>(settings, address, mqtt_version, anew, owner, inbound, std::move(told))) {}

PahoConnection::~PahoConnection() = default;

void PahoConnection::connect() { client_->connect(); }

bool PahoConnection::publish(Seq seq, const mqtt::Publication& publication, const std::string& topic, mqtt::Qos qos,
                             bool retain_available) {
  return client_->publish(seq, publication, topic, qos, retain_available);
}

bool PahoConnection::storing() const { return client_->storing(); }

void PahoConnection::subscribe(const std::string& filter, mqtt::Qos qos) { client_->subscribe(filter, qos); }

bool PahoConnection::disconnect() { return client_->disconnect(); }

}  // namespace ferrule::bridge
