// Random packets of every type and version survive encoding, framing in pieces, and decoding.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "mqtt/codec.hpp"
#include "mqtt/framer.hpp"
#include "wire_text.hpp"

namespace ferrule::mqtt {
namespace {

using testing::describe;

/// Makes random packets and owns what they view.
class Maker {
 public:
  explicit Maker(Version version) : version_(version) {}

  std::string_view text(int longest = 20) {
    static const std::vector<std::string> kCharacters = {
        "a", "Z", "0", " ", "$", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\xA1"};
    std::string made;
    for (int n = number(0, longest); n > 0; --n) made += kCharacters[static_cast<std::size_t>(number(0, 7))];
    return keep(std::move(made));
  }
  std::string_view bytes() { return keep(*rc::gen::arbitrary<std::string>()); }
  std::string_view topic() {
    std::string made = "t" + std::string(text());
    for (int n = number(0, 3); n > 0; --n) made += "/" + std::string(text());
    return keep(std::move(made));
  }
  std::string_view filter() {
    static const std::vector<std::string> kEnds = {"", "/#", "/+", "/+/#", "//"};
    const std::string share = number(0, 3) == 0 ? "$share/g/" : "";
    return keep(share + std::string(topic()) + kEnds[static_cast<std::size_t>(number(0, 4))]);
  }
  int number(int low, int high) { return *rc::gen::inRange(low, high + 1); }
  bool coin() { return number(0, 1) == 1; }
  std::uint16_t packet_id() { return static_cast<std::uint16_t>(number(1, 65535)); }
  Qos qos() { return static_cast<Qos>(number(0, 2)); }

  /// Any properties that the packet may carry, in any order.
  Properties properties(PacketType place, Sender sender) {
    if (version_ != Version::V5) return {};
    PropertyBuilder builder;
    std::uint64_t used = 0;
    for (int n = number(0, 6); n > 0; --n) {
      const auto& rule =
          property_rules()[static_cast<std::size_t>(number(0, static_cast<int>(property_rules().size()) - 1))];
      const bool again = (used >> static_cast<unsigned>(rule.id) & 1) != 0;
      if (((again ? rule.repeated : rule.allowed) & packet_bit(place)) == 0) continue;
      if (rule.id == PropertyId::SubscriptionIdentifier && place == PacketType::Publish && sender == Sender::Client)
        continue;
      if (rule.id == PropertyId::SessionExpiryInterval && place == PacketType::Disconnect && sender == Sender::Server)
        continue;
      if (rule.id == PropertyId::AuthenticationData) continue;  // needs a method beside it
      used |= std::uint64_t{1} << static_cast<unsigned>(rule.id);
      add(builder, rule);
    }
    return Properties::trusted(keep(builder.encoded()));
  }

  Reason reason(PacketType type) {
    if (version_ != Version::V5) return Reason::Success;
    for (;;) {
      const auto code = static_cast<std::uint8_t>(number(0, 255));
      if ((packets_allowing(code) & packet_bit(type)) != 0) return static_cast<Reason>(code);
    }
  }
  std::string_view reasons(PacketType type) {
    std::string made;
    for (int n = number(1, 4); n > 0; --n) made.push_back(static_cast<char>(reason(type)));
    return keep(std::move(made));
  }
  std::string_view keep(std::string made) { return kept_.emplace_back(std::move(made)); }

 private:
  void add(PropertyBuilder& builder, const PropertyRule& rule) {
    switch (rule.type) {
      case PropertyType::Text:
        builder.add(rule.id, rule.id == PropertyId::ResponseTopic ? topic() : text());
        break;
      case PropertyType::Binary:
        builder.add(rule.id, bytes());
        break;
      case PropertyType::TextPair:
        builder.add_user(text(), text());
        break;
      case PropertyType::VarInt:
        builder.add(rule.id, *rc::gen::inRange(1u, kMaxRemainingLength + 1));
        break;
      case PropertyType::Byte:
        builder.add(rule.id, static_cast<std::uint32_t>(number(0, 1)));
        break;
      case PropertyType::TwoBytes:
        builder.add(rule.id, static_cast<std::uint32_t>(number(1, 65535)));
        break;
      case PropertyType::FourBytes:
        builder.add(rule.id, *rc::gen::inRange(1u, 0xFFFFFFFFu));
        break;
    }
  }

  Version version_;
  std::deque<std::string> kept_;
};

Connect make_connect(Maker& make, Version version) {
  Connect packet;
  packet.version = version;
  packet.clean_start = version == Version::V311 || make.coin();
  packet.keep_alive = std::chrono::seconds(make.number(0, 65535));
  packet.client_id = make.keep("c" + std::string(make.text()));
  packet.properties = make.properties(PacketType::Connect, Sender::Client);
  if (make.coin()) {
    packet.will = Will{make.topic(), make.bytes(), make.qos(), make.coin(), make.properties(kWill, Sender::Client)};
  }
  if (make.coin()) packet.user_name = make.text();
  if (make.coin() && (packet.user_name || version == Version::V5)) packet.password = make.bytes();
  return packet;
}

Publish make_publish(Maker& make, Sender sender) {
  Publish packet;
  packet.topic = make.topic();
  packet.payload = make.bytes();
  packet.qos = make.qos();
  packet.retain = make.coin();
  if (packet.qos != Qos::AtMostOnce) {
    packet.dup = make.coin();
    packet.packet_id = make.packet_id();
  }
  packet.properties = make.properties(PacketType::Publish, sender);
  return packet;
}

Subscribe make_subscribe(Maker& make, Version version) {
  std::string payload;
  for (int n = make.number(1, 4); n > 0; --n) {
    const std::string_view filter = make.filter();
    SubscriptionOptions options{make.qos()};
    if (version == Version::V5) {
      options.no_local = filter.front() != '$' && make.coin();
      options.retain_as_published = make.coin();
      options.retain_handling = static_cast<std::uint8_t>(make.number(0, 2));
    }
    append_subscription(payload, filter, options);
  }
  return {make.packet_id(), make.properties(PacketType::Subscribe, Sender::Client),
          SubscribeEntries(make.keep(std::move(payload)))};
}

Unsubscribe make_unsubscribe(Maker& make) {
  std::string payload;
  for (int n = make.number(1, 4); n > 0; --n) append_unsubscription(payload, make.filter());
  return {make.packet_id(), make.properties(PacketType::Unsubscribe, Sender::Client),
          UnsubscribeFilters(make.keep(std::move(payload)))};
}

Connack make_connack(Maker& make, Version version) {
  constexpr Reason kOld[] = {
      Reason::Success,           Reason::UnsupportedProtocolVersion, Reason::ClientIdentifierNotValid,
      Reason::ServerUnavailable, Reason::BadUserNameOrPassword,      Reason::NotAuthorized};
  Connack packet;
  packet.reason = version == Version::V5 ? make.reason(PacketType::Connack) : kOld[make.number(0, 5)];
  packet.session_present = packet.reason == Reason::Success && make.coin();
  packet.properties = make.properties(PacketType::Connack, Sender::Server);
  return packet;
}

Packet make_packet(Maker& make, Version version, PacketType type, Sender sender) {
  switch (type) {
    case PacketType::Connect:
      return make_connect(make, version);
    case PacketType::Connack:
      return make_connack(make, version);
    case PacketType::Publish:
      return make_publish(make, sender);
    case PacketType::Puback:
    case PacketType::Pubrec:
    case PacketType::Pubrel:
    case PacketType::Pubcomp:
      return Ack{type, make.packet_id(), make.reason(type), make.properties(type, sender)};
    case PacketType::Subscribe:
      return make_subscribe(make, version);
    case PacketType::Suback:
      return Suback{make.packet_id(), make.properties(type, sender),
                    version == Version::V5 ? make.reasons(type) : make.keep(std::string("\0\1\2\x80", 4))};
    case PacketType::Unsubscribe:
      return make_unsubscribe(make);
    case PacketType::Unsuback:
      return Unsuback{make.packet_id(), make.properties(type, sender),
                      version == Version::V5 ? make.reasons(type) : std::string_view()};
    case PacketType::Pingreq:
      return Pingreq{};
    case PacketType::Pingresp:
      return Pingresp{};
    case PacketType::Disconnect:
      return Disconnect{make.reason(type), make.properties(type, sender)};
    default:
      return Auth{make.reason(PacketType::Auth), make.properties(PacketType::Auth, sender)};
  }
}

/// Who may send it; both may send most.
Sender sender_of(PacketType type, Maker& make) {
  switch (type) {
    case PacketType::Connect:
    case PacketType::Subscribe:
    case PacketType::Unsubscribe:
    case PacketType::Pingreq:
    case PacketType::Disconnect:
      return Sender::Client;
    case PacketType::Connack:
    case PacketType::Suback:
    case PacketType::Unsuback:
    case PacketType::Pingresp:
      return Sender::Server;
    default:
      return make.coin() ? Sender::Client : Sender::Server;
  }
}

void check_one_packet() {
  const auto version = static_cast<Version>(*rc::gen::inRange(3, 6));
  const auto type = static_cast<PacketType>(*rc::gen::inRange(1, version == Version::V5 ? 16 : 15));
  Maker make(version);
  const Sender sender = sender_of(type, make);
  const Packet packet = make_packet(make, version, type, sender);

  BlockPool pool;
  OutputBuffer out(pool);
  encode(packet, version, out);
  RC_ASSERT(out.size() == encoded_size(packet, version));
  const std::string bytes = out.text();

  Framer framer(bytes.size());
  const auto split = static_cast<std::size_t>(make.number(0, static_cast<int>(bytes.size()) - 1));
  framer.feed(std::string_view(bytes).substr(0, split));
  RC_ASSERT(!*framer.next());
  framer.feed(std::string_view(bytes).substr(split));
  const auto frame = framer.next();
  RC_ASSERT(frame && *frame);
  RC_ASSERT((*frame)->type() == type);
  const auto decoded = decode(**frame, version, sender);
  if (!decoded) RC_LOG() << decoded.error().statement << " " << testing::hex(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(describe(*decoded) == describe(packet));
}

RC_GTEST_PROP(RoundTrip, GivesThePacketBack, ()) {
  for (int i = 0; i < 30; ++i) check_one_packet();
}

}  // namespace
}  // namespace ferrule::mqtt
