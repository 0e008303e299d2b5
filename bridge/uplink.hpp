// An uplink: routes between the broker and one cloud broker, an outbox of its own on disk, and the link that carries
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bridge/ack_times.hpp"
#include "bridge/link.hpp"
#include "bridge/outbox_file.hpp"
#include "bridge/settings.hpp"
#include "bridge/uplink_state.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/store.hpp"

namespace ferrule::bridge {

struct UplinkStatus {
  std::string name;
  UplinkState state = UplinkState::Offline;
  std::uint64_t queued = 0;                         ///< messages not yet acknowledged by the cloud, in flight included
  std::optional<std::chrono::milliseconds> oldest;  ///< age of the oldest of these
  AckTimes ack_times;                               ///< since the start
  std::uint64_t queued_bytes = 0;                   ///< what they count for in `queue.max_size`
  std::uint64_t in_flight = 0;                      ///< handed to the link
  bool stalled = false;                             ///< online, but the cloud acknowledges nothing
  std::uint64_t acknowledged = 0;                   ///< since the start
  std::uint64_t dropped = 0;                        ///< since the start, by the policy for a full queue
  std::uint64_t dropped_disk = 0;                   ///< of those: because the disk was full
  std::uint64_t expired = 0;                        ///< since the start, because their Message Expiry Interval ran out
  std::uint64_t aged = 0;                           ///< since the start, because they were older than `queue.max_age`
  std::uint64_t thinned = 0;                        ///< since the start, by `queue.keep`
  std::uint64_t unreadable = 0;                     ///< since the start: left on a disk that cannot read them
  std::uint64_t skipped = 0;           ///< since the start: QoS 0 while not online, or a topic that `to` made too long
  std::uint64_t parked = 0;            ///< since the start: refused by the cloud for good
  std::uint64_t parked_dropped = 0;    ///< since the start: of what is parked, the oldest, for newer ones
  std::uint64_t repeated = 0;          ///< since the start: sent again, so that the cloud may have got them twice
  std::uint64_t never_written = 0;     ///< since the start: acknowledged before they had to be on disk
  std::uint64_t connections = 0;       ///< since the start
  std::uint64_t received = 0;          ///< since the start: messages from the cloud
  std::uint64_t received_dropped = 0;  ///< since the start: that no route wanted, or that came too fast
  std::uint64_t set_aside = 0;         ///< since the start: damaged files
  std::uint64_t database_bytes = 0;
  std::string last_error;  ///< why it is not online, or that the disk fails; empty when all is well
};

/// Every member on the broker thread. Opens (or creates) `<state_dir>/outbox-<name>.db`; throws config::Error when that
/// cannot be written or when another process holds it.
class Uplink final : public mqtt::Consumer {
 public:
  /// Makes the link; `state` and `events` outlive it.
  using LinkFactory = std::function<std::unique_ptr<Link>(const UplinkSettings&, LinkState& state, LinkEvents& events)>;

  /// Publishes locally what came from the cloud, and the uplink's state; called on the broker thread. `durable`: the
  /// cloud is told that it is here; the result is the ticket to wait for before that, or why it is not.
  using Publish = std::function<tl::expected<mqtt::Ticket, mqtt::Reason>(mqtt::PublicationPtr, bool durable)>;

  /// `post` runs a function on the broker thread, from any thread.
  Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store, mqtt::Store::Post post,
         mqtt::Clock& clock, Publish publish);
  /// The same with another link than the one that `settings.client` names.
  Uplink(UplinkSettings settings, const std::filesystem::path& state_dir, mqtt::Store& store, mqtt::Store::Post post,
         mqtt::Clock& clock, Publish publish, const LinkFactory& make_link);
  ~Uplink() override;

  void start();  ///< connects, and reconnects by itself from now on
  /// Appends to the outbox what a route of this uplink selects. QoS 0 is sent at once or not at all.
  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;
  tl::expected<mqtt::Ticket, mqtt::Reason> append_once(const mqtt::PublicationPtr& publication,
                                                       const mqtt::Receipt& receipt) override;
  std::uint64_t remember(std::uint64_t receipt) override;
  void committed(mqtt::Ticket ticket);  ///< from the store
  /// Everything up to `ticket` is on disk, whatever the file: what came from the cloud is acknowledged.
  void on_disk(mqtt::Ticket ticket);
  /// From the store: a group of jobs on `file` was rolled back. Nothing to do with it when the file is another's.
  void store_failed(const mqtt::StoreFile& file, const std::string& what);
  /// Whether acknowledgements have to wait, whatever the store committed meanwhile: a write failed and was not made
  /// good yet.
  bool owes_disk() const;
  void tick();  ///< call every 100 ms: commit interval, back-off
  /// Ends the link within `grace` and hands everything unwritten to the store. After this the store must be destroyed,
  /// or `tick` be called until `is_over`.
  void stop(std::chrono::milliseconds grace);
  /// Whether the store has no more to do for it since `stop`, so that it may be destroyed while the store lives.
  bool is_over() const;
  /// Goes over to other settings of the same name: ends the link within `grace` and begins another. What waits stays,
  /// what comes meanwhile joins it, and exchanges under way go on where the cloud and the client id are the same.
  void change(UplinkSettings settings, std::chrono::milliseconds grace);
  UplinkStatus status() const;
  std::chrono::steady_clock::time_point due() const;  ///< see Link

  // For people who look after what the cloud refused. `told` is called on the broker thread; nothing is when the file
  // cannot be read (which is logged).
  using Looked = std::function<void(OutboxFile& file)>;
  /// Runs `look` on the store's thread, then `told`.
  void look(Looked look, std::function<void()> told);
  /// Runs `change` in a transaction, then `told`.
  void change(Looked change, std::function<void()> told);
  void retry_parked(std::vector<Seq> seqs, std::function<void(std::size_t)> told);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
  const LinkFactory make_link_;
};

}  // namespace ferrule::bridge
