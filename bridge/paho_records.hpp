// What Paho keeps in its persistence, told apart: which message is which packet, and what may be forgotten when.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "bridge/link.hpp"

namespace ferrule::bridge {

/// exchange_record.hpp draws Paho's keys. In a command (`c-N`) the packet identifier is the int at byte 4.
///
/// Only `s` and `sc` of QoS 2 go to LinkState: a QoS 1 message whose fate is unknown is simply sent again. Paho ignores
/// errors of its persistence: a QoS 2 packet leaves although its record could not be written. Its exchange goes on in
/// memory then, `failed` ends the connection, and as messages of QoS 2 are given to Paho one by one it is never more
/// than one.
///
/// One for each connection. Thread: any; Paho calls from its own threads, some of them at once.
class PahoRecords {
 public:
  struct Told {
    std::function<void(Seq, mqtt::Reason)> settled;
    std::function<void()> stored;                  ///< `storing` ended
    std::function<void(std::string what)> failed;  ///< a record could not be written
  };

  /// `inbound` is what is kept of received messages, beyond this connection. `mqtt_version`: 5 or 4.
  PahoRecords(LinkState& state, std::map<std::string, std::string>& inbound, int mqtt_version, Told told);

  // For the link.
  void opened();   ///< Paho has read what there is; when it asks for the keys again the session is lost
  void closing();  ///< what Paho removes from now on means nothing
  bool session_lost() const;
  /// The next command that Paho stores is this message; not while another QoS 2 message waits to be stored.
  void publishing(Seq seq, mqtt::Qos qos);
  bool storing() const;  ///< a QoS 2 message was given to Paho and its record is not written yet
  void acknowledged(int packet_id, mqtt::Reason reason);

  // For Paho.
  void put(const std::string& key, std::string record);  ///< throws std::runtime_error
  std::string get(const std::string& key) const;         ///< throws std::out_of_range
  void remove(const std::string& key);
  bool contains(const std::string& key) const;
  std::vector<std::string> keys();

 private:
  struct Exchange {
    Seq seq = 0;
    mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
    bool restored = false;  ///< Paho will not tell us how it ends
    bool released = false;  ///< PUBREC came: the cloud has it
  };
  void put_command(const std::string& key, std::string record);
  void put_exchange(int packet_id, const std::string& key, const std::string& record, bool release);
  void end(int packet_id, mqtt::Reason reason);

  LinkState& state_;
  std::map<std::string, std::string>& inbound_;  // guarded by mutex_
  const Told told_;

  mutable std::mutex mutex_;
  // Guarded by mutex_
  std::map<std::string, std::string> commands_;
  std::map<std::string, std::string> restored_;  // records of LinkState, until Paho removes them
  std::map<int, Exchange> exchanges_;            // by packet identifier
  Seq publishing_ = 0;
  mqtt::Qos publishing_qos_ = mqtt::Qos::AtMostOnce;
  Seq storing_ = 0;
  bool opened_ = false, closing_ = false, session_lost_ = false;
};

}  // namespace ferrule::bridge
