#include "mqtt/session.hpp"

#include <algorithm>

#include "mqtt/codec.hpp"
#include "mqtt/session_journal.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kInMemory = 1024;  // publications of a queue; the contents of the others stay on disk

}  // namespace

Session::~Session() {
  counters_.queued -= queue_.size();
  counters_.queued_bytes -= queued_bytes_;
}

void Session::attach(const Outlet& outlet, Time now) {
  outlet_ = outlet;
  online_ = true;
  window_ = std::min<std::size_t>(outlet.receive_maximum, limits_.max_inflight);  // [MQTT-4.9.0-1]
  outstanding_ = 0;
  resend_ = 0;
  while (!releases_.empty() && journal_->on_disk(releases_.front().first)) releases_.pop_front();  // repeated below
  for (std::size_t i = 0; i < in_flight_.size(); ++i) {
    in_flight_[i].counted = false;
    // Only PUBLISH packets may wait for the window [MQTT-3.3.4-10].
    const bool released = in_flight_[i].state == State::AwaitsPubcomp;
    if (released && !held_back(in_flight_[i])) write_pubrel(id_at(i), Reason::Success);
  }
  resume(now);
}

void Session::detach() {
  outlet_ = {};
  online_ = ready_ = false;  // what share groups gave it waits for its client [MQTT-4.8.2-4]
}

bool Session::deliver(const PublicationPtr& publication, FanOut& fan_out, const Grant& grant) {
  if (grant.qos == Qos::AtMostOnce) {
    if (!online_) return false;
    if (outlet_.output->size() >= limits_.max_output_bytes) {
      ready_ = false;
      ++counters_.dropped_slow;
      return false;
    }
    Delivery delivery{.retain = grant.retain};  // [MQTT-4.3.1-1]
    delivery.subscription_ids = grant.identifiers;
    return append(delivery, fan_out) > 0;
  }
  Outgoing outgoing;
  outgoing.publication = publication;
  outgoing.qos = grant.qos;
  outgoing.retain = grant.retain;
  outgoing.group = grant.group & 0x3FFFFFFF;
  if (grant.identifiers.size() == 1) outgoing.identifier = grant.identifiers.front() & 0x0FFFFFFF;
  if (grant.identifiers.size() > 1) {
    outgoing.identifiers =
        std::make_unique<std::vector<std::uint32_t>>(grant.identifiers.begin(), grant.identifiers.end());
  }
  const bool after_commit = journal_ != nullptr && grant.qos == Qos::ExactlyOnce;
  if (after_commit || !send_at_once()) {
    enqueue(std::move(outgoing));
    return false;
  }
  number_and_store(outgoing);
  return send_new(std::move(outgoing), fan_out);
}

void Session::number_and_store(Outgoing& outgoing) {
  outgoing.number = next_number_++;
  if (journal_ != nullptr && !journal_->full()) outgoing.change = journal_->add_receiver(row_, delivery_of(outgoing));
}

void Session::resume(Time now) {
  if (!online_) return;
  repeat_publishes(now);
  send_queued(now);
  update_ready();
}

void Session::repeat_publishes(Time now) {
  for (; resend_ < in_flight_.size(); ++resend_) {  // in their order [MQTT-4.6.0-1], expired or not [MQTT-4.3.3-7]
    Outgoing& outgoing = in_flight_[resend_];
    if (outgoing.state == State::Settled || outgoing.state == State::AwaitsPubcomp) continue;  // [MQTT-4.3.3-6]
    if (!window_open()) return;
    if (outgoing.publication == nullptr && outgoing.change != 0) return load();
    if (!repeat(outgoing, id_at(resend_), now)) {
      drop(outgoing);
      outgoing = Outgoing();
      continue;
    }
    outgoing.counted = true;
    ++outstanding_;
  }
}

/// False when it is lost, not allowed any more, or larger than what this client accepts: it may accept less than the
/// last.
bool Session::repeat(const Outgoing& outgoing, std::uint16_t id, Time now) {
  if (outgoing.publication == nullptr) return false;
  if (denied(*outgoing.publication)) {
    ++counters_.denied;
    return false;
  }
  FanOut fan_out(outgoing.publication, now);
  return write(outgoing, id, true, fan_out) > 0;  // [MQTT-3.3.1-1]
}

void Session::send_queued(Time now) {
  while (!queue_.empty() && resend_ == in_flight_.size() && window_open() && number_free()) {
    if (held_back(queue_.front())) return;
    if (queue_.front().publication == nullptr && queue_.front().change != 0) return load();
    Outgoing outgoing = dequeue();
    const PublicationPtr publication = outgoing.publication;
    if (publication == nullptr) {  // lost
      drop(outgoing);
      continue;
    }
    if (publication->expires && *publication->expires <= now) {  // [MQTT-3.3.2-5]
      ++counters_.expired;
      drop(outgoing);
      continue;
    }
    if (denied(*publication)) {
      ++counters_.denied;
      drop(outgoing);
      continue;
    }
    FanOut fan_out(publication, now);
    send_new(std::move(outgoing), fan_out);
  }
}

bool Session::denied(const Publication& publication) const {
  return may_receive_ != nullptr && !may_receive_->allow(publication.topic);
}

/// Room for one more PUBLISH; other packets never wait [MQTT-4.9.0-3]; in the client's window [MQTT-3.3.4-9] as well as
/// in the output.
bool Session::window_open() const {
  return outstanding_ < window_ && outlet_.output->size() < limits_.max_output_bytes;
}

/// The next number's packet identifier is not in use [MQTT-2.2.1-4].
bool Session::number_free() const { return in_flight_.empty() || next_number() - first_number_ < kMaxInFlight; }

/// It must be on disk before it is sent, and is not.
bool Session::held_back(const Outgoing& outgoing) const {
  return journal_ != nullptr && outgoing.qos == Qos::ExactlyOnce && !journal_->on_disk(outgoing.change);
}

bool Session::send_new(Outgoing&& outgoing, FanOut& fan_out) {
  // [MQTT-4.3.2-1] [MQTT-4.3.3-1]; DUP says nothing of how it came to us [MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
  if (write(outgoing, id_of(outgoing.number), false, fan_out) == 0) {
    drop(outgoing);
    return false;
  }
  outgoing.state = outgoing.qos == Qos::AtLeastOnce ? State::AwaitsPuback : State::AwaitsPubrec;
  outgoing.counted = true;
  ++outstanding_;
  add_in_flight(std::move(outgoing));  // until PUBACK, or PUBREC and PUBCOMP [MQTT-4.3.2-3] [MQTT-4.3.3-3]
  resend_ = in_flight_.size();
  update_ready();
  return true;
}

void Session::add_in_flight(Outgoing&& outgoing) {
  if (in_flight_.empty()) first_number_ = outgoing.number;
  while (first_number_ + in_flight_.size() < outgoing.number) in_flight_.push_back(Outgoing());  // of what was dropped
  in_flight_.push_back(std::move(outgoing));
}

std::size_t Session::write(const Outgoing& outgoing, std::uint16_t id, bool dup, FanOut& fan_out) {
  Delivery delivery{.qos = outgoing.qos, .retain = outgoing.retain, .dup = dup, .packet_id = id};
  const std::uint32_t identifier = outgoing.identifier;
  if (outgoing.identifiers != nullptr) {
    delivery.subscription_ids = *outgoing.identifiers;
  } else if (identifier != 0) {
    delivery.subscription_ids = {&identifier, 1};
  }
  return append(delivery, fan_out);
}

/// Bytes that were appended to the output; 0 when the client accepts no packet as large.
std::size_t Session::append(Delivery& delivery, FanOut& fan_out) {
  delivery.version = outlet_.version;
  delivery.max_packet_size = outlet_.max_packet_size;
  const Publication& publication = fan_out.publication();
  std::size_t bytes = 0;
  if (outlet_.aliases != nullptr) {
    const auto choice = outlet_.aliases->choose(publication.topic);
    if (choice.alias != 0) {
      delivery.topic_alias = choice.alias;
      delivery.alias_known = choice.known;
      bytes = fan_out.append(delivery, *outlet_.output);
      if (bytes > 0) outlet_.aliases->sent(choice, publication.topic);
      delivery.topic_alias = 0;
    }
  }
  if (bytes == 0) bytes = fan_out.append(delivery, *outlet_.output);
  ++(bytes > 0 ? counters_.sent : counters_.dropped_large);  // [MQTT-3.1.2-28]
  if (bytes > 0) counters_.payload_bytes += publication.payload.size();
  if (outlet_.output->size() >= limits_.max_output_bytes) ready_ = false;  // others of its share groups may do better
  return bytes;
}

void Session::enqueue(Outgoing outgoing) {
  ready_ = false;
  if (journal_ != nullptr && journal_->full()) {  // somebody who waits for it was refused before
    ++counters_.dropped_full;
    return;
  }
  const std::size_t size = queue_cost(*outgoing.publication);
  // What only waits for the disk would be in flight by now.
  const std::size_t spare = journal_ != nullptr && online_ ? window_ - std::min(window_, outstanding_) : 0;
  const auto full = [&] {
    return counters_.queues_closed || queue_.size() >= limits_.max_queued + spare ||
           queued_bytes_ + size > limits_.max_queued_bytes;
  };
  if (limits_.when_full == WhenFull::DropOldest) {
    while (full() && !queue_.empty()) {
      drop(dequeue());
      ++counters_.dropped_full;
    }
  }
  if (full()) {
    ++counters_.dropped_full;
    overflowed_ = online_ && limits_.when_full == WhenFull::Disconnect;
    return;
  }
  outgoing.cost = static_cast<std::uint32_t>(size);
  number_and_store(outgoing);
  queued_bytes_ += size;
  counters_.queued_bytes += size;
  ++counters_.queued;
  // A share group's is needed when the session ends.
  if (journal_ != nullptr && queue_.size() >= kInMemory && outgoing.group == 0) outgoing.publication.reset();
  queue_.push_back(std::move(outgoing));
}

/// It is neither in flight nor in the queue any more, and will not be sent.
void Session::drop(const Outgoing& outgoing) {
  if (journal_ == nullptr) return;
  if (outgoing.change != 0) journal_->give_back(outgoing.change);
  journal_->done(row_, done());
}

Session::Outgoing Session::dequeue() {
  Outgoing outgoing = queue_.pop_front();
  queued_bytes_ -= outgoing.cost;
  counters_.queued_bytes -= outgoing.cost;
  --counters_.queued;
  return outgoing;
}

std::vector<Orphan> Session::take_orphans() {
  std::vector<Orphan> orphans;
  for (std::size_t i = 0; i < in_flight_.size(); ++i) {
    const Outgoing& outgoing = in_flight_[i];
    // Sent or not yet repeated, it may have arrived: with QoS 2 it must not arrive twice.
    if (outgoing.group != 0 && outgoing.state == State::AwaitsPuback) {
      orphans.push_back({outgoing.publication, outgoing.group});
    }
  }
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].group != 0) orphans.push_back({queue_[i].publication, queue_[i].group});
  }
  return orphans;
}

void Session::take_denied_orphans(std::vector<Orphan>& orphans) {
  const auto orphaned = [this](const Outgoing& outgoing) {
    return outgoing.group != 0 && outgoing.publication != nullptr && denied(*outgoing.publication);
  };
  const SessionJournal::Whole whole(journal_);
  for (std::size_t i = 0; i < in_flight_.size() && !online_; ++i) {
    Outgoing& outgoing = in_flight_[i];
    if (outgoing.state != State::AwaitsPuback || !orphaned(outgoing)) continue;
    orphans.push_back({outgoing.publication, outgoing.group});
    drop(outgoing);
    outgoing = Outgoing();
  }
  for (std::size_t left = queue_.size(); left > 0; --left) {
    Outgoing outgoing = queue_.pop_front();
    if (!orphaned(outgoing)) {
      queue_.push_back(std::move(outgoing));
      continue;
    }
    queued_bytes_ -= outgoing.cost;
    counters_.queued_bytes -= outgoing.cost;
    --counters_.queued;
    if (journal_ != nullptr && outgoing.change != 0) journal_->give_back(outgoing.change);
    orphans.push_back({outgoing.publication, outgoing.group});
  }
  pop_settled();
  if (journal_ != nullptr) journal_->done(row_, done());
}

bool Session::on_puback(std::uint16_t id, Time now) {
  Outgoing* outgoing = find(id, State::AwaitsPuback);
  if (outgoing == nullptr) return false;
  settle(*outgoing);
  resume(now);
  return true;
}

bool Session::on_pubrec(std::uint16_t id, Reason reason, Time now) {
  if (Outgoing* outgoing = find(id, State::AwaitsPubrec)) {
    if (is_error(reason)) {  // over, for other members of a share group too [MQTT-4.4.0-2] [MQTT-4.8.2-6]
      settle(*outgoing);
      resume(now);
      return true;
    }
    outgoing->state = State::AwaitsPubcomp;  // [MQTT-4.3.3-5]
    outgoing->publication.reset();
    outgoing->identifiers.reset();
    if (journal_ == nullptr) {
      write_pubrel(id, Reason::Success);  // [MQTT-4.3.3-4], in the order of the PUBRECs [MQTT-4.6.0-4]
      return true;
    }
    const SessionJournal::Whole whole(journal_);
    journal_->give_back(outgoing->change);
    outgoing->change = journal_->save_exchange(row_, outgoing->number, false);
    releases_.push_back({outgoing->change, id});
    return true;
  }
  const Outgoing* repeated = find(id, State::AwaitsPubcomp);
  if (repeated != nullptr && held_back(*repeated)) return true;  // PUBREL is on its way
  if (!is_error(reason)) write_pubrel(id, repeated != nullptr ? Reason::Success : Reason::PacketIdentifierNotFound);
  return repeated != nullptr;
}

bool Session::on_pubcomp(std::uint16_t id, Time now) {
  Outgoing* outgoing = find(id, State::AwaitsPubcomp);
  if (outgoing == nullptr) return false;
  settle(*outgoing);
  resume(now);
  return true;
}

void Session::write_pubrel(std::uint16_t id, Reason reason) {
  ++counters_.pubrels;
  encode(Ack{.type = PacketType::Pubrel, .packet_id = id, .reason = reason, .properties = {}}, outlet_.version,
         *outlet_.output);
}

Session::Outgoing* Session::find(std::uint16_t id, State state) {
  const std::size_t index = (std::size_t{id} + kMaxInFlight - id_of(first_number_)) % kMaxInFlight;
  if (index >= in_flight_.size() || in_flight_[index].state != state) return nullptr;
  return &in_flight_[index];
}

/// Leaves a gap, so that the numbers behind it stay where they are, and removes the gaps that are in front.
void Session::settle(Outgoing& outgoing) {
  if (outgoing.counted) --outstanding_;
  if (journal_ == nullptr) {
    outgoing = Outgoing();
    return pop_settled();
  }
  const SessionJournal::Whole whole(journal_);
  if (outgoing.state == State::AwaitsPubcomp) {
    journal_->save_exchange(row_, outgoing.number, true);
  } else {
    journal_->give_back(outgoing.change);
  }
  outgoing = Outgoing();
  pop_settled();
  journal_->done(row_, done());
}

void Session::pop_settled() {
  while (!in_flight_.empty() && in_flight_.front().state == State::Settled) {
    in_flight_.pop_front();
    ++first_number_;
    if (resend_ > 0) --resend_;
  }
}

std::uint16_t Session::id_of(std::uint64_t number) { return static_cast<std::uint16_t>(number % kMaxInFlight + 1); }

void Session::update_ready() {
  ready_ = online_ && queue_.empty() && outstanding_ < window_ && outlet_.output->size() < limits_.max_output_bytes;
}

}  // namespace ferrule::mqtt
