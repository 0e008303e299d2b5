#include "mqtt/fan_out.hpp"

#include <algorithm>
#include <cstring>

#include "mqtt/properties.hpp"
#include "mqtt/wire_writer.hpp"

namespace ferrule::mqtt {
namespace {

constexpr std::size_t kExpirySize = 5, kAliasSize = 3;  // identifier and value of these properties

std::uint8_t first_byte(const Delivery& delivery) {
  const bool dup = delivery.dup && delivery.qos != Qos::AtMostOnce;  // [MQTT-3.3.1-2]
  return static_cast<std::uint8_t>(0x30 | dup << 3 | static_cast<unsigned>(delivery.qos) << 1 | delivery.retain);
}

std::size_t packet_size(std::size_t remaining) {
  return 1 + varint_size(static_cast<std::uint32_t>(remaining)) + remaining;
}

std::uint32_t seconds_left(std::chrono::steady_clock::time_point end, std::chrono::steady_clock::time_point now) {
  const auto left = std::chrono::ceil<std::chrono::seconds>(end - now).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, 0xFFFFFFFF));
}

}  // namespace

FanOut::FanOut(const PublicationPtr& publication, std::chrono::steady_clock::time_point now)
    : publication_(publication),
      share_(publication->payload.size() > kShareAbove),
      expires_(publication->expires.has_value()),
      expiry_(expires_ ? seconds_left(*publication->expires, now) : 0) {}

std::size_t FanOut::append(const Delivery& delivery, OutputBuffer& out) {
  const bool v5 = delivery.version == Version::V5;
  if (v5 && (!delivery.subscription_ids.empty() || delivery.topic_alias != 0)) return append_own(delivery, out);
  const bool with_id = delivery.qos != Qos::AtMostOnce;  // [MQTT-2.2.1-2]
  const Image& image = images_[2 * v5 + with_id].size != 0 ? images_[2 * v5 + with_id] : encode(v5, with_id);
  const std::size_t total = image.size + (share_ ? publication_->payload.size() : 0);
  if (image.size == 0 || total > delivery.max_packet_size) return 0;  // [MQTT-3.1.2-27]
  char* at = out.extend(image.size);
  std::memcpy(at, image.bytes, image.size);
  at[0] = static_cast<char>(first_byte(delivery));
  if (with_id) WireWriter(at + image.id_offset).u16(delivery.packet_id);
  if (share_) out.append_shared(publication_, publication_->payload);
  return total;
}

// PUBLISH: first byte | Remaining Length | topic length (2), topic | packet identifier (2), with QoS 1 and 2
//          | MQTT 5: Property Length, properties | payload
const FanOut::Image& FanOut::encode(bool v5, bool with_id) {
  const Publication& publication = *publication_;
  Image& image = images_[2 * v5 + with_id];
  const std::size_t properties = publication.properties.size() + (expires_ ? kExpirySize : 0);
  const std::size_t head = 2 + publication.topic.size() + (with_id ? 2 : 0) +
                           (v5 ? varint_size(static_cast<std::uint32_t>(properties)) + properties : 0);
  const std::size_t remaining = head + publication.payload.size();
  if (remaining > kMaxRemainingLength) return image;
  const std::size_t size = packet_size(remaining) - (share_ ? publication.payload.size() : 0);
  char* begin = allocate(size, static_cast<std::size_t>(2 * v5 + with_id));
  WireWriter pen(begin);
  pen.u8(0);
  pen.varint(remaining);
  pen.u16(publication.topic.size());
  pen.bytes(publication.topic);
  image.id_offset = static_cast<std::uint32_t>(pen.at() - begin);
  if (with_id) pen.u16(0);
  if (v5) {
    pen.varint(properties);  // [MQTT-2.2.2-1]
    if (expires_) {
      pen.u8(static_cast<std::size_t>(PropertyId::MessageExpiryInterval));
      pen.u32(expiry_);  // [MQTT-3.3.2-6]
    }
    // Unaltered and in order [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    // [MQTT-3.3.2-20]
    pen.bytes(publication.properties);
  }
  if (!share_) pen.bytes(publication.payload);
  image.bytes = begin;
  image.size = static_cast<std::uint32_t>(size);
  return image;
}

std::size_t FanOut::append_own(const Delivery& delivery, OutputBuffer& out) {
  const Publication& publication = *publication_;
  const bool with_id = delivery.qos != Qos::AtMostOnce;
  const std::string_view topic =
      delivery.alias_known && delivery.topic_alias != 0 ? std::string_view() : publication.topic;
  std::size_t properties = publication.properties.size() + (expires_ ? kExpirySize : 0);
  if (delivery.topic_alias != 0) properties += kAliasSize;
  for (const std::uint32_t id : delivery.subscription_ids) properties += 1 + varint_size(id);
  const std::size_t remaining = 2 + topic.size() + (with_id ? 2 : 0) +
                                varint_size(static_cast<std::uint32_t>(properties)) + properties +
                                publication.payload.size();
  if (remaining > kMaxRemainingLength) return 0;
  const std::size_t total = packet_size(remaining);
  if (total > delivery.max_packet_size) return 0;  // [MQTT-3.1.2-27]

  WireWriter pen(out.extend(total - (share_ ? publication.payload.size() : 0)));
  pen.u8(first_byte(delivery));
  pen.varint(remaining);
  pen.u16(topic.size());
  pen.bytes(topic);
  if (with_id) pen.u16(delivery.packet_id);
  pen.varint(properties);
  if (expires_) {
    pen.u8(static_cast<std::size_t>(PropertyId::MessageExpiryInterval));
    pen.u32(expiry_);
  }
  if (delivery.topic_alias != 0) {
    pen.u8(static_cast<std::size_t>(PropertyId::TopicAlias));
    pen.u16(delivery.topic_alias);
  }
  for (const std::uint32_t id : delivery.subscription_ids) {  // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
    pen.u8(static_cast<std::size_t>(PropertyId::SubscriptionIdentifier));
    pen.varint(id);
  }
  pen.bytes(publication.properties);
  if (share_) {
    out.append_shared(publication_, publication.payload);
  } else {
    pen.bytes(publication.payload);
  }
  return total;
}

char* FanOut::allocate(std::size_t n, std::size_t index) {
  if (n > kInlineBytes - used_) {
    spilled_[index] = std::make_unique_for_overwrite<char[]>(n);
    return spilled_[index].get();
  }
  used_ += n;
  return inline_.data() + used_ - n;
}

}  // namespace ferrule::mqtt
