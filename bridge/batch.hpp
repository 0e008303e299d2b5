// Many publications as one message to the cloud: a JSON array of what each was.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/link.hpp"
#include "mqtt/publication.hpp"

namespace ferrule::bridge {

/// `{"topic":"plant1/meter1/power","payload":...}` with the payload as it is where it is JSON, as a string where it is
/// text, and otherwise as `"base64":"..."` instead.
std::string batch_item(std::string_view topic, std::string_view payload);
/// Whether `payload` is what batch_item made.
bool is_batch_item(std::string_view payload);

/// One that is being gathered: `[item,item]`.
class Batch {
 public:
  /// Of items of one QoS.
  Batch(std::string topic, mqtt::Qos qos) : topic_(std::move(topic)), qos_(qos) {}

  /// Whether `item` goes in and the whole stays within `max_size` bytes; the first always does.
  bool takes(std::string_view topic, std::string_view item, std::size_t max_size, std::size_t max_members) const;
  void add(Seq seq, std::string_view item);
  std::string payload() const { return items_ + "]"; }
  const std::string& topic() const { return topic_; }  ///< at the cloud
  mqtt::Qos qos() const { return qos_; }
  const std::vector<Seq>& members() const { return members_; }  ///< rising

 private:
  const std::string topic_;
  const mqtt::Qos qos_;
  std::string items_ = "[";
  std::vector<Seq> members_;
};

}  // namespace ferrule::bridge
