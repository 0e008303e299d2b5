// The broker core's durable state: what is written when something changes, and what a start takes over.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mqtt/broker_core.hpp"

namespace ferrule::mqtt {

namespace {

using std::chrono::seconds;

/// A session whose time ran out while the gateway was off is kept this long, for the clock may have been set wrong.
constexpr seconds kGrace{300};

}  // namespace

// Changes

/// A session, when it begins, comes and goes. One that ends with its connection is on disk for its will only.
void BrokerCore::save(Client& client) {
  if (journal_ == nullptr) return;
  const bool lasts = client.expiry.count() > 0;
  if (client.row == 0 && !lasts && client.will == nullptr) return;
  const SessionJournal::Whole whole(journal_.get());
  if (client.row == 0) client.row = journal_->new_session();
  if (lasts && !client.persistent()) client.persist(*journal_, client.row);
  StoredSession session;
  session.row = client.row;
  session.client_id = client.client_id();
  session.owner = client.identity;
  if (client.identity.listener < settings.listen.size()) {
    session.listener = label(settings.listen[client.identity.listener]);
  }
  session.expiry = client.expiry;
  session.online = client.connection != nullptr;
  session.expires = client.expires;
  session.will_due = client.will_due;
  session.sent = client.sent();
  if (client.will != nullptr) session.will = std::make_unique<StoredWill>(*client.will);
  journal_->save(std::move(session));
  journal_->post();
}

/// Its session ends.
void BrokerCore::forget(Client& client) {
  if (client.awaits_commit) std::erase(awaiting_disk_, &client);
  if (client.row == 0) return;
  client.give_back_all();
  journal_->end(client.row);
  journal_->post();
}

void BrokerCore::save_subscription(Client& client, const SubscribeEntry& entry, std::uint32_t identifier) {
  if (client.persistent()) journal_->subscribe(client.row, {std::string(entry.text), entry.options, identifier});
}

/// True when this changes what is on disk. What the gateway itself publishes is not written: its readings come anew
/// after a start, and would wear out an SD card.
bool BrokerCore::keep_retained(const PublicationPtr& publication) {
  const bool from_client = journal_ != nullptr && !publication->origin.empty();
  RetainedRow row = from_client || retained_.rows() > 0 ? retained_.row_of(publication->topic) : 0;
  switch (retained_.keep(*publication)) {
    case Retained::Kept::Full:
      ++totals.retained_dropped;
      if (may_log()) {
        spdlog::warn("broker: {} is not retained: there are {} topics of {} bytes already", for_log(publication->topic),
                     retained_.size(), retained_.bytes());
      }
      return false;
    case Retained::Kept::Stored:
      if (!from_client) {
        if (row != 0) retained_.set_row(publication->topic, 0);
        break;
      }
      if (row == 0) {
        row = journal_->new_retained();
        retained_.set_row(publication->topic, row);
      }
      journal_->retain(row, publication);
      return true;
    case Retained::Kept::Removed:
    case Retained::Kept::NothingToRemove:
      break;
  }
  if (row != 0) journal_->drop_retained(row);
  return row != 0;
}

/// Whether a publication that a client waits for would have to be written.
bool BrokerCore::needs_disk(const PublicationPtr& publication, const Subscriber* publisher) {
  if (publication->retain) return true;
  subscriptions_.match(publication->topic, publisher, matches_);
  return std::ranges::any_of(matches_.all(), [](const Match& match) {
    return match.qos != Qos::AtMostOnce && static_cast<const Client*>(match.subscriber)->persistent();
  });
}

// The disk

void BrokerCore::await_disk(Client& client) {
  if (client.awaits_commit || !client.awaits_disk()) return;
  client.awaits_commit = true;
  awaiting_disk_.push_back(&client);
  journal_->post();
}

void BrokerCore::store_committed(Ticket ticket) {
  if (journal_ == nullptr) return;
  start_turn();
  const auto known = journal_->receipts_on_disk();
  journal_->committed(ticket);
  if (journal_->receipts_on_disk() != known) {
    for (Consumer* consumer : consumers) tell_receipts(*consumer);
  }
  disk_reached_.swap(awaiting_disk_);
  for (Client* client : disk_reached_) client->awaits_commit = false;
  for (Client* client : disk_reached_) {
    client->on_disk(now_);
    refill(*client);
  }
  disk_reached_.clear();
}

void BrokerCore::tell_receipts(Consumer& consumer) {
  if (journal_ == nullptr) return;
  journal_->begin_receipts_behind(consumer.remember(journal_->receipts_on_disk()));
}

void BrokerCore::store_failed(const StoreFile& file, const std::string& what) {
  if (journal_ != nullptr) journal_->failed(file, what);
}

void BrokerCore::tick_disk() {
  if (journal_ != nullptr) journal_->tick();
}

void BrokerCore::page_loaded(const std::string& client_id, SessionRow row, const SessionJournal::Loaded& found) {
  start_turn();
  const auto client = clients_.find(client_id);
  if (client == clients_.end() || client->second->row != row) return;  // ended meanwhile
  client->second->loaded(found, now_);
  refill(*client->second);
}

// A start

void BrokerCore::persist(std::unique_ptr<SessionJournal> journal) {
  start_turn();
  journal_ = std::move(journal);
  journal_->on_loaded([this](const auto&... page) { page_loaded(page...); });
  journal_->on_lost([this] { write_all(); });
  // All is read before anything is written: from the first write on the file belongs to the store's thread.
  RestoredState state = journal_->restore();
  std::vector<RetainedRow> too_many;  // the configuration allows fewer than it did
  journal_->restore_retained([&](RetainedRow row, const PublicationPtr& publication) {
    if (retained_.keep(*publication) == Retained::Kept::Stored) {
      retained_.set_row(publication->topic, row);
    } else {
      too_many.push_back(row);
    }
  });
  for (Consumer* consumer : consumers) tell_receipts(*consumer);
  for (auto& restored : state.sessions) restore(std::move(restored));
  for (const RetainedRow row : too_many) journal_->drop_retained(row);
}

std::size_t BrokerCore::listener_of(std::string_view name) const {
  const auto& listeners = settings.listen;
  const auto found = std::ranges::find(listeners, name, [](const ListenSettings& each) { return label(each); });
  return found == listeners.end() ? Identity::kNoListener : static_cast<std::size_t>(found - listeners.begin());
}

/// A session that was online when the gateway ended goes on as if its connection had failed just now.
void BrokerCore::restore(RestoredSession restored) {
  StoredSession& session = restored.session;
  auto made = std::make_unique<Client>(session.client_id, settings, deliveries);
  Client& client = *made;
  if (!clients_.emplace(client.client_id(), std::move(made)).second) return;
  client.row = session.row;
  session.owner.listener = listener_of(session.listener);
  client.expiry = session.expiry;
  client.will = std::move(session.will);
  client.persist(*journal_, client.row);
  for (const auto& subscription : restored.subscriptions) {
    const auto parts = split_share(subscription.filter);
    if (parts) {
      subscriptions_.add(client, parts->group, parts->filter, subscription.options, subscription.identifier);
    }
  }
  for (const std::uint16_t id : restored.incoming) {
    client.incoming().insert(id);
    client.incoming_on_disk.insert(id);
  }
  grant(client, std::move(session.owner));
  const std::uint64_t sent = session.online ? restored.done + settings.max_inflight : session.sent;
  client.restore(restored.done, sent, std::move(restored.deliveries));
  if (session.online) {
    client.expires = now_ + client.expiry;
    if (client.will != nullptr) client.will_due = now_ + client.will->delay;
  } else {
    client.expires = std::max(session.expires, now_ + std::min(client.expiry, kGrace));
    client.will_due = session.will_due;
  }
  offline_.emplace(std::min(client.will_due, client.expires), &client);
  if (session.online) save(client);
}

// The file was lost while in use

void BrokerCore::write_all() {
  const SessionJournal::Whole whole(journal_.get());
  journal_->forget_shared();
  for (const auto& [id, client] : clients_) {
    if (client->row != 0) write_all(*client);
  }
  std::vector<Retained::Id> ids;
  retained_.all(ids);
  for (const auto id : ids) {
    const auto publication = retained_.get(id, now_);
    const RetainedRow row = publication != nullptr ? retained_.row_of(publication->topic) : 0;
    if (row != 0) journal_->retain(row, publication);
  }
  journal_->post();
}

void BrokerCore::write_all(Client& client) {
  save(client);
  for (const auto& listed : subscriptions_.subscriptions_of(client)) {
    const std::string filter = listed.group.empty() ? listed.filter : "$share/" + listed.group + "/" + listed.filter;
    journal_->subscribe(client.row, {filter, listed.options, listed.identifier});
  }
  client.incoming_on_disk.for_each(
      [&](std::uint16_t id) { journal_->add_incoming(client.row, id, journal_->new_receipt()); });
  if (client.persistent()) client.write_all();
}

}  // namespace ferrule::mqtt
