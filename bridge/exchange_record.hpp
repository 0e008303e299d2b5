// The names of the records in LinkState: Paho C's, so that whichever client comes next goes on with what it finds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferrule::bridge {

/// A record's key is its kind, a `5` with MQTT 5, a hyphen and a number:
///
///     s-MID   PUBLISH sent, until PUBACK, PUBCOMP or an error code in PUBACK or PUBREC: the packet as it was sent
///     sc-MID  PUBREL sent, until PUBCOMP: likewise
///     r-MID   PUBLISH received at QoS 2 and passed on, until PUBREL; Paho's, in memory only: received, with q-N
///     bd-N    the bdSeq of our will, as a Sparkplug edge node; not Paho's
///     c-N     a command that waits for Paho's send thread
struct RecordKey {
  std::string_view kind;  ///< without the 5; a view into the key
  int number = 0;         ///< of the packet identifier, or N
  int mqtt_version = 4;   ///< 5 or 4
};

RecordKey parse_record_key(std::string_view key);  ///< kind is empty when it is none
std::string record_key(std::string_view kind, int number, int mqtt_version);

}  // namespace ferrule::bridge
