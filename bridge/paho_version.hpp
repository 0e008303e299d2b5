// Makes Paho C clients of the MQTT version that they will speak, whatever Paho C++ makes them of.
#pragma once

namespace ferrule::bridge {

/// While it lives, a Paho client that this thread creates is one of `mqtt_version` (5 or 4).
///
/// Paho C++ 1.5 (Debian 13) writes a 5 over the version in `create_options` when it calls Paho C, which takes the
/// records that it restores for records of that version: a PUBLISH of 3.1.1 is then sent again with a property length
/// of 0 in front of its payload, and a PUBREL that was sent is not found, so that the PUBLISH is sent once more
/// instead. No call of Paho C++ leads past that, hence this one, which does. (Paho C++ 1.2 of Debian 12 passes the
/// version on.)
class PahoVersion {
 public:
  explicit PahoVersion(int mqtt_version);
  ~PahoVersion();
  PahoVersion(const PahoVersion&) = delete;
  PahoVersion& operator=(const PahoVersion&) = delete;
};

}  // namespace ferrule::bridge
