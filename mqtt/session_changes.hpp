// What changes of the broker's durable state, as values on their way to the store thread, and what comes back at a
// start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "mqtt/identity.hpp"
#include "mqtt/packets.hpp"
#include "mqtt/publication.hpp"
#include "mqtt/store.hpp"

namespace ferrule::mqtt {

/// Changes are numbered in the order they are made; a publication's row has the number of the change that adds it.
using ChangeNo = std::uint64_t;
using SessionRow = std::int64_t;    ///< 0: none
using RetainedRow = std::uint32_t;  ///< 0: none

/// What a publication that waits for a client counts for against the bounds of queues, in bytes.
inline std::size_t queue_cost(const Publication& publication) {
  return sizeof(Publication) + publication.topic.size() + publication.payload.size() + publication.properties.size();
}

/// A will as the session keeps it until it is published or taken back [MQTT-3.1.2-7].
struct StoredWill {
  Publication publication;                     ///< without its times
  std::chrono::seconds delay{0};               ///< Will Delay Interval
  std::optional<std::chrono::seconds> expiry;  ///< Message Expiry Interval, from when it is published
};

struct StoredSubscription {
  std::string filter;  ///< with `$share/group/` if it has one
  SubscriptionOptions options;
  std::uint32_t identifier = 0;
};

/// A session but for what it holds. Times are on the broker's monotonic clock.
struct StoredSession {
  using Time = std::chrono::steady_clock::time_point;

  SessionRow row = 0;
  std::string client_id;
  Identity owner;                  ///< but for its listener
  std::string listener;            ///< where the owner came in: the listener's label
  std::chrono::seconds expiry{0};  ///< 0: ends with its connection; kept for its will
  bool online = false;
  Time expires = Time::max();   ///< while offline
  Time will_due = Time::max();  ///< while offline
  std::uint64_t sent = 0;       ///< while offline: publications below it may have been sent
  std::unique_ptr<StoredWill> will;
};

namespace change {

struct SaveSession {
  std::unique_ptr<StoredSession> session;
};
struct EndSession {  ///< but for its publications, which are given back one by one
  SessionRow session;
};
struct Subscribe {
  SessionRow session;
  std::unique_ptr<StoredSubscription> subscription;
};
struct Unsubscribe {
  SessionRow session;
  std::string filter;
};
/// One publication for all sessions that get it; `receivers` are as encode_receiver makes them.
struct AddPublication {
  PublicationPtr publication;
  std::string receivers;
};
struct AddIncoming {  ///< a QoS 2 publication between PUBLISH and PUBREL
  SessionRow session;
  std::uint16_t packet_id;
};
struct DropIncoming {
  SessionRow session;
  std::uint16_t packet_id;
};
/// PUBREC came for an outgoing QoS 2 publication, and with `complete` PUBCOMP too.
struct SaveExchange {
  SessionRow session;
  std::uint64_t number;
  bool complete;
};
struct SaveRetained {
  RetainedRow row;
  PublicationPtr publication;
};
struct DropRetained {
  RetainedRow row;
};

}  // namespace change

/// The first: a change that was taken back before anybody wrote it.
using Change = std::variant<std::monostate, change::AddPublication, change::SaveExchange, change::AddIncoming,
                            change::DropIncoming, change::SaveRetained, change::DropRetained, change::SaveSession,
                            change::EndSession, change::Subscribe, change::Unsubscribe>;

/// Changes that are committed together. The broker thread fills it until the store thread takes it, which may be any
/// time after it was posted; from then on nobody changes it.
struct Batch {
  std::mutex mutex;  ///< held for each change, or for several that belong together
  bool taken = false;
  ChangeNo first = 1;  ///< the number of changes[0]
  std::vector<Change> changes;
  std::vector<ChangeNo> erased;                        ///< publications that no session needs any more
  std::unordered_map<SessionRow, std::uint64_t> done;  ///< what is below these numbers is settled
  std::uint64_t receipt = 0;                           ///< the highest (Receipt::number) of its AddIncoming
  // Broker thread.
  Ticket ticket = 0;  ///< 0: not posted
  std::chrono::steady_clock::time_point since{};

  ChangeNo end() const { return first + changes.size(); }
};

/// A publication that a session holds, without its contents.
struct StoredDelivery {
  std::uint64_t number = 0;  ///< in the session; its packet identifier follows from it
  ChangeNo publication = 0;
  std::uint32_t cost = 0;  ///< bytes against max_queued_bytes
  Qos qos = Qos::AtLeastOnce;
  bool retain = false;
  bool released = false;  ///< QoS 2: PUBREC came, PUBCOMP did not; `publication` is 0
  std::vector<std::uint32_t> identifiers;
};

/// One session as it was found on disk.
struct RestoredSession {
  StoredSession session;
  std::uint64_t done = 0;
  std::vector<StoredSubscription> subscriptions;
  std::vector<std::uint16_t> incoming;
  std::vector<StoredDelivery> deliveries;  ///< by number
};

/// What a start finds.
struct RestoredState {
  std::vector<RestoredSession> sessions;
  std::unordered_map<ChangeNo, std::uint32_t> shared;  ///< publications that several sessions hold: how many
  std::vector<ChangeNo> orphans;                       ///< publications that none holds
  ChangeNo next_change = 1;                            ///< above every publication's
  std::uint64_t receipt = 0;                           ///< the highest whose packet identifier was written
};

/// Appends one receiver to those of a publication: its session, number, QoS and retain, and subscription identifiers.
void encode_receiver(std::string& to, SessionRow session, const StoredDelivery& delivery);
/// Takes the first receiver off what encode_receiver made; false when there is none, or when the bytes are no such
/// thing.
bool decode_receiver(std::string_view& from, SessionRow& session, StoredDelivery& delivery);

}  // namespace ferrule::mqtt
