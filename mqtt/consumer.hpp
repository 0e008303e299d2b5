// Whoever besides the sessions takes publications from the broker: an outbox, a test, the demo's ledger.
#pragma once

#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/store.hpp"

namespace ferrule::mqtt {

/// Of a client's QoS 2 PUBLISH that its session has to know on disk: by this a consumer knows the publication should
/// the client repeat it because a kill came when the consumer had committed it and the broker its packet identifier
/// not.
struct Receipt {
  std::uint64_t number = 0;  ///< rising, also across restarts; at least 1
  std::uint64_t digest = 0;  ///< of topic and payload: packet identifiers are used again
  std::uint16_t packet_id = 0;
  bool repeated = false;  ///< its DUP flag, without which it is another publication [MQTT-3.3.1-1]
};

class Consumer {
 public:
  virtual ~Consumer() = default;
  /// Broker thread; called for every publication, in order; the consumer decides by topic whether it wants it.
  /// Returns the ticket whose commit makes it durable, 0 when nobody need wait, or the reason why it was refused
  /// (QuotaExceeded ...), which the publisher is told. `durable` says that a client waits for the acknowledgement.
  virtual tl::expected<Ticket, Reason> append(const PublicationPtr& publication, bool durable) = 0;
  /// The same for a publication with a receipt, which is durable. One that it has committed is not taken again, but its
  /// receipt is.
  virtual tl::expected<Ticket, Reason> append_once(const PublicationPtr& publication, const Receipt& /*receipt*/) {
    return append(publication, true);
  }
  /// The broker has packet identifiers on disk up to this receipt: those publications do not come again. Called before
  /// the first publication and whenever the number rose. Returns the highest receipt that the consumer has.
  virtual std::uint64_t remember(std::uint64_t /*receipt*/) { return 0; }
  /// Whether it does something with publications to this topic, so that their publisher is not told that there is no
  /// matching subscriber. What a ticket is returned for needs no second word.
  virtual bool subscribes(std::string_view /*topic*/) const { return false; }
};

}  // namespace ferrule::mqtt
