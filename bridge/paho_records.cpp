#include "bridge/paho_records.hpp"

#include <cstring>
#include <set>
#include <stdexcept>

#include "bridge/exchange_record.hpp"

namespace ferrule::bridge {

namespace {

constexpr std::size_t kTokenAt = 4;  // in a command's record: an int, the type, stands before it

}  // namespace

PahoRecords::PahoRecords(LinkState& state, std::map<std::string, std::string>& inbound, int mqtt_version, Told told)
    : state_(state), inbound_(inbound), told_(std::move(told)) {
  std::set<Seq> given_up;
  for (auto& record : state_.restore()) {
    if (record.seq == LinkState::kNoRow) continue;  // Paho keeps its own, in memory
    const auto [kind, packet_id, version] = parse_record_key(record.key);
    if (version != mqtt_version) {  // the session it belongs to cannot be had with this version
      given_up.insert(record.seq);
      continue;
    }
    auto& exchange = exchanges_[packet_id];
    exchange.seq = record.seq;
    exchange.qos = mqtt::Qos::ExactlyOnce;
    exchange.restored = true;
    exchange.released = exchange.released || kind == "sc";
    restored_[record.key] = std::move(record.packet);
  }
  for (const auto seq : given_up) told_.settled(seq, mqtt::Reason::UnspecifiedError);
}

void PahoRecords::opened() {
  const std::lock_guard lock(mutex_);
  opened_ = true;
}

void PahoRecords::closing() {
  const std::lock_guard lock(mutex_);
  closing_ = true;
}

bool PahoRecords::session_lost() const {
  const std::lock_guard lock(mutex_);
  return session_lost_;
}

void PahoRecords::publishing(Seq seq, mqtt::Qos qos) {
  const std::lock_guard lock(mutex_);
  publishing_ = seq;
  publishing_qos_ = qos;
  if (qos == mqtt::Qos::ExactlyOnce) storing_ = seq;
}

bool PahoRecords::storing() const {
  const std::lock_guard lock(mutex_);
  return storing_ != 0;
}

void PahoRecords::acknowledged(int packet_id, mqtt::Reason reason) { end(packet_id, reason); }

void PahoRecords::put(const std::string& key, std::string record) {
  const auto [kind, number, version] = parse_record_key(key);
  if (kind == "c") return put_command(key, std::move(record));
  if (kind == "s" || kind == "sc") return put_exchange(number, key, record, kind == "sc");
  const std::lock_guard lock(mutex_);
  inbound_[key] = std::move(record);
}

void PahoRecords::put_command(const std::string& key, std::string record) {
  const std::lock_guard lock(mutex_);
  if (publishing_ != 0 && record.size() >= kTokenAt + sizeof(int)) {
    int packet_id = 0;
    std::memcpy(&packet_id, record.data() + kTokenAt, sizeof packet_id);
    if (packet_id != 0) exchanges_[packet_id] = {publishing_, publishing_qos_, false, false};
    publishing_ = 0;
  }
  commands_[key] = std::move(record);
}

void PahoRecords::put_exchange(int packet_id, const std::string& key, const std::string& record, bool release) {
  Seq seq = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto exchange = exchanges_.find(packet_id);
    if (exchange == exchanges_.end() || exchange->second.qos != mqtt::Qos::ExactlyOnce) return;
    exchange->second.released = exchange->second.released || release;
    seq = exchange->second.seq;
  }
  try {
    state_.put({{seq, key, record}});  // on disk before the packet leaves
  } catch (const std::exception& error) {
    told_.failed(error.what());
    throw;
  }
  {
    const std::lock_guard lock(mutex_);
    if (storing_ != seq || release) return;
    storing_ = 0;
  }
  told_.stored();
}

std::string PahoRecords::get(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  if (const auto command = commands_.find(key); command != commands_.end()) return command->second;
  if (const auto restored = restored_.find(key); restored != restored_.end()) return restored->second;
  return inbound_.at(key);
}

void PahoRecords::remove(const std::string& key) {
  const auto [kind, number, version] = parse_record_key(key);
  bool ends_unseen = false;
  auto reason = mqtt::Reason::Success;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    commands_.erase(key);
    inbound_.erase(key);
    restored_.erase(key);
    const auto exchange = kind == "s" ? exchanges_.find(number) : exchanges_.end();
    if (exchange != exchanges_.end() && exchange->second.restored) {
      ends_unseen = true;
      // Without a PUBREL before it, this was a PUBREC with an error code that nobody tells us: sent anew, it will be
      // seen.
      if (!exchange->second.released) reason = mqtt::Reason::UnspecifiedError;
    }
  }
  if (ends_unseen) end(number, reason);
}

void PahoRecords::end(int packet_id, mqtt::Reason reason) {
  Exchange exchange;
  {
    const std::lock_guard lock(mutex_);
    const auto found = exchanges_.find(packet_id);
    if (found == exchanges_.end() || closing_) return;
    exchange = found->second;
    exchanges_.erase(found);
  }
  if (exchange.released) reason = mqtt::Reason::Success;  // 0x92 in PUBCOMP: the cloud has done with it already
  told_.settled(exchange.seq, reason);
}

bool PahoRecords::contains(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return commands_.contains(key) || restored_.contains(key) || inbound_.contains(key);
}

std::vector<std::string> PahoRecords::keys() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  if (opened_) {  // nothing was sent on this connection yet: what there is belongs to the session that was lost
    session_lost_ = session_lost_ || !closing_;
    exchanges_.clear();
    restored_.clear();
    inbound_.clear();
    return keys;
  }
  for (const auto& [key, record] : restored_) keys.push_back(key);
  for (const auto& [key, record] : inbound_) keys.push_back(key);
  return keys;
}

}  // namespace ferrule::bridge
