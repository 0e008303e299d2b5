// Whoever besides the sessions takes publications from the broker: an outbox, a test, the demo's ledger.
#pragma once

#include <string_view>
#include <tl/expected.hpp>

#include "mqtt/publication.hpp"
#include "mqtt/reason.hpp"
#include "mqtt/store.hpp"

namespace ferrule::mqtt {

class Consumer {
 public:
  virtual ~Consumer() = default;
  /// Broker thread; called for every publication, in order; the consumer decides by topic whether it wants it.
  /// Returns the ticket whose commit makes it durable, 0 when nobody need wait, or the reason why it was refused
  /// (QuotaExceeded ...), which the publisher is told. `durable` says that a client waits for the acknowledgement.
  virtual tl::expected<Ticket, Reason> append(const PublicationPtr& publication, bool durable) = 0;
  /// Whether it does something with publications to this topic, so that their publisher is not told that there is no
  /// matching subscriber. What a ticket is returned for needs no second word.
  virtual bool subscribes(std::string_view /*topic*/) const { return false; }
};

}  // namespace ferrule::mqtt
