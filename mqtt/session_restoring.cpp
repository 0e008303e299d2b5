// A session's part in what is on disk: taken over at a start, paged in, written again, and given back.
#include <algorithm>

#include "mqtt/session.hpp"
#include "mqtt/session_journal.hpp"

namespace ferrule::mqtt {

namespace {

// A page that is read back.
constexpr std::size_t kPageRows = 512;
constexpr std::size_t kPageBytes = 1 << 20;

}  // namespace

void Session::persist(SessionJournal& journal, SessionRow row) {
  journal_ = &journal;
  row_ = row;
}

StoredDelivery Session::delivery_of(const Outgoing& outgoing) const {
  StoredDelivery delivery;
  delivery.number = outgoing.number;
  delivery.qos = outgoing.qos;
  delivery.retain = outgoing.retain;
  if (outgoing.identifier != 0) delivery.identifiers.push_back(outgoing.identifier);
  if (outgoing.identifiers != nullptr) delivery.identifiers = *outgoing.identifiers;
  return delivery;
}

void Session::restore(std::uint64_t done, std::uint64_t sent, std::vector<StoredDelivery> deliveries) {
  next_number_ = done;
  for (const auto& delivery : deliveries) {
    if (delivery.released) sent = std::max(sent, delivery.number + 1);
  }
  for (auto& delivery : deliveries) {
    Outgoing outgoing;
    outgoing.number = delivery.number;
    outgoing.change = delivery.publication;
    outgoing.cost = delivery.cost;
    outgoing.qos = delivery.qos;
    outgoing.retain = delivery.retain;
    if (delivery.identifiers.size() == 1) outgoing.identifier = delivery.identifiers.front() & 0x0FFFFFFF;
    if (delivery.identifiers.size() > 1) {
      outgoing.identifiers = std::make_unique<std::vector<std::uint32_t>>(std::move(delivery.identifiers));
    }
    next_number_ = std::max(next_number_, delivery.number + 1);
    if (delivery.number >= sent || (!in_flight_.empty() && delivery.number - first_number_ >= kMaxInFlight)) {
      queued_bytes_ += outgoing.cost;
      counters_.queued_bytes += outgoing.cost;
      ++counters_.queued;
      queue_.push_back(std::move(outgoing));
      continue;
    }
    outgoing.state = delivery.released                  ? State::AwaitsPubcomp
                     : delivery.qos == Qos::AtLeastOnce ? State::AwaitsPuback
                                                        : State::AwaitsPubrec;
    add_in_flight(std::move(outgoing));
  }
}

std::uint64_t Session::sent() const { return in_flight_.empty() ? next_number() : first_number_ + in_flight_.size(); }

bool Session::awaits_disk() const {
  if (journal_ == nullptr || !online_) return false;
  return !releases_.empty() || (!queue_.empty() && held_back(queue_[0]));
}

void Session::on_disk(Time now) {
  while (!releases_.empty() && journal_->on_disk(releases_.front().first)) {
    const std::uint16_t id = releases_.pop_front().second;
    if (online_) write_pubrel(id, Reason::Success);  // [MQTT-4.3.3-4]; offline: when the client comes back
  }
  resume(now);
}

// Paging in

template <class F>
void Session::each(F f) {
  for (std::size_t i = 0; i < in_flight_.size(); ++i) f(in_flight_[i]);
  for (std::size_t i = 0; i < queue_.size(); ++i) f(queue_[i]);
}

void Session::load() {
  if (loading_) return;
  std::vector<ChangeNo> wanted;
  std::size_t bytes = 0;
  const auto want = [&](const Outgoing& outgoing) {
    if (outgoing.publication != nullptr || outgoing.state == State::AwaitsPubcomp || outgoing.change == 0) return;
    wanted.push_back(outgoing.change);
    bytes += outgoing.cost;
  };
  const auto room = [&] { return wanted.size() < kPageRows && bytes < kPageBytes; };
  for (std::size_t i = resend_; i < in_flight_.size() && room(); ++i) want(in_flight_[i]);
  for (std::size_t i = 0; i < queue_.size() && room(); ++i) want(queue_[i]);
  loading_ = true;
  journal_->load(client_id_, row_, std::move(wanted));
}

void Session::loaded(const std::vector<std::pair<ChangeNo, PublicationPtr>>& publications, Time now) {
  loading_ = false;
  auto next = publications.begin();
  each([&](Outgoing& outgoing) {
    if (outgoing.publication != nullptr || outgoing.state == State::AwaitsPubcomp) return;
    while (next != publications.end() && next->first < outgoing.change) ++next;  // dropped meanwhile
    if (next == publications.end() || next->first != outgoing.change) return;
    outgoing.publication = next->second;
    if (outgoing.publication == nullptr) lose(outgoing);
  });
  resume(now);
}

/// It goes when its turn comes.
void Session::lose(Outgoing& outgoing) {
  ++counters_.lost;
  journal_->give_back(outgoing.change);
  outgoing.change = 0;
}

// The end, and a new beginning

void Session::give_back_all() {
  each([this](const Outgoing& outgoing) {
    if (outgoing.change != 0 && outgoing.state != State::AwaitsPubcomp) journal_->give_back(outgoing.change);
  });
}

void Session::write_all() {
  journal_->done(row_, done());
  each([this](Outgoing& outgoing) {
    if (outgoing.change != 0 && journal_->on_disk(outgoing.change)) write_again(outgoing);
  });
}

void Session::write_again(Outgoing& outgoing) {
  if (outgoing.state == State::AwaitsPubcomp) {
    outgoing.change = journal_->save_exchange(row_, outgoing.number, false);
  } else if (outgoing.publication == nullptr) {
    lose(outgoing);
  } else {
    journal_->begin(outgoing.publication);
    outgoing.change = journal_->add_receiver(row_, delivery_of(outgoing));
  }
}

}  // namespace ferrule::mqtt
