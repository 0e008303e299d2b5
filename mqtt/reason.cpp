#include "mqtt/reason.hpp"

#include <array>

#include "mqtt/properties.hpp"

namespace ferrule::mqtt {
namespace {

/// MQTT 5 table 2-6.
struct ReasonRule {
  Reason reason;
  std::uint16_t allowed;
};

constexpr std::uint16_t kConnack = packet_bit(PacketType::Connack), kPuback = packet_bit(PacketType::Puback),
                        kPubrec = packet_bit(PacketType::Pubrec), kPubrel = packet_bit(PacketType::Pubrel),
                        kPubcomp = packet_bit(PacketType::Pubcomp), kSuback = packet_bit(PacketType::Suback),
                        kUnsuback = packet_bit(PacketType::Unsuback), kDisconnect = packet_bit(PacketType::Disconnect),
                        kAuth = packet_bit(PacketType::Auth);

constexpr ReasonRule kReasonRules[] = {
    {Reason::Success, kConnack | kPuback | kPubrec | kPubrel | kPubcomp | kSuback | kUnsuback | kDisconnect | kAuth},
    {Reason::GrantedQos1, kSuback},
    {Reason::GrantedQos2, kSuback},
    {Reason::DisconnectWithWill, kDisconnect},
    {Reason::NoMatchingSubscribers, kPuback | kPubrec},
    {Reason::NoSubscriptionExisted, kUnsuback},
    {Reason::ContinueAuthentication, kAuth},
    {Reason::Reauthenticate, kAuth},
    {Reason::UnspecifiedError, kConnack | kPuback | kPubrec | kSuback | kUnsuback | kDisconnect},
    {Reason::MalformedPacket, kConnack | kDisconnect},
    {Reason::ProtocolError, kConnack | kDisconnect},
    {Reason::ImplementationSpecificError, kConnack | kPuback | kPubrec | kSuback | kUnsuback | kDisconnect},
    {Reason::UnsupportedProtocolVersion, kConnack},
    {Reason::ClientIdentifierNotValid, kConnack},
    {Reason::BadUserNameOrPassword, kConnack},
    {Reason::NotAuthorized, kConnack | kPuback | kPubrec | kSuback | kUnsuback | kDisconnect},
    {Reason::ServerUnavailable, kConnack},
    {Reason::ServerBusy, kConnack | kDisconnect},
    {Reason::Banned, kConnack},
    {Reason::ServerShuttingDown, kDisconnect},
    {Reason::BadAuthenticationMethod, kConnack | kDisconnect},
    {Reason::KeepAliveTimeout, kDisconnect},
    {Reason::SessionTakenOver, kDisconnect},
    {Reason::TopicFilterInvalid, kSuback | kUnsuback | kDisconnect},
    {Reason::TopicNameInvalid, kConnack | kPuback | kPubrec | kDisconnect},
    {Reason::PacketIdentifierInUse, kPuback | kPubrec | kSuback | kUnsuback},
    {Reason::PacketIdentifierNotFound, kPubrel | kPubcomp},
    {Reason::ReceiveMaximumExceeded, kDisconnect},
    {Reason::TopicAliasInvalid, kDisconnect},
    {Reason::PacketTooLarge, kConnack | kDisconnect},
    {Reason::MessageRateTooHigh, kDisconnect},
    {Reason::QuotaExceeded, kConnack | kPuback | kPubrec | kSuback | kDisconnect},
    {Reason::AdministrativeAction, kDisconnect},
    {Reason::PayloadFormatInvalid, kConnack | kPuback | kPubrec | kDisconnect},
    {Reason::RetainNotSupported, kConnack | kDisconnect},
    {Reason::QosNotSupported, kConnack | kDisconnect},
    {Reason::UseAnotherServer, kConnack | kDisconnect},
    {Reason::ServerMoved, kConnack | kDisconnect},
    {Reason::SharedSubscriptionsNotSupported, kSuback | kDisconnect},
    {Reason::ConnectionRateExceeded, kConnack | kDisconnect},
    {Reason::MaximumConnectTime, kDisconnect},
    {Reason::SubscriptionIdentifiersNotSupported, kSuback | kDisconnect},
    {Reason::WildcardSubscriptionsNotSupported, kSuback | kDisconnect},
};

constexpr std::array<std::uint16_t, 256> index_reasons() {
  std::array<std::uint16_t, 256> index{};
  for (const ReasonRule& rule : kReasonRules) index[static_cast<std::size_t>(rule.reason)] = rule.allowed;
  return index;
}
constexpr std::array<std::uint16_t, 256> kReasonAllowed = index_reasons();

}  // namespace

std::uint16_t packets_allowing(std::uint8_t code) { return kReasonAllowed[code]; }

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::Success:
      return "Success";
    case Reason::GrantedQos1:
      return "Granted QoS 1";
    case Reason::GrantedQos2:
      return "Granted QoS 2";
    case Reason::DisconnectWithWill:
      return "Disconnect with Will Message";
    case Reason::NoMatchingSubscribers:
      return "No matching subscribers";
    case Reason::NoSubscriptionExisted:
      return "No subscription existed";
    case Reason::ContinueAuthentication:
      return "Continue authentication";
    case Reason::Reauthenticate:
      return "Re-authenticate";
    case Reason::UnspecifiedError:
      return "Unspecified error";
    case Reason::MalformedPacket:
      return "Malformed Packet";
    case Reason::ProtocolError:
      return "Protocol Error";
    case Reason::ImplementationSpecificError:
      return "Implementation specific error";
    case Reason::UnsupportedProtocolVersion:
      return "Unsupported Protocol Version";
    case Reason::ClientIdentifierNotValid:
      return "Client Identifier not valid";
    case Reason::BadUserNameOrPassword:
      return "Bad User Name or Password";
    case Reason::NotAuthorized:
      return "Not authorized";
    case Reason::ServerUnavailable:
      return "Server unavailable";
    case Reason::ServerBusy:
      return "Server busy";
    case Reason::Banned:
      return "Banned";
    case Reason::ServerShuttingDown:
      return "Server shutting down";
    case Reason::BadAuthenticationMethod:
      return "Bad authentication method";
    case Reason::KeepAliveTimeout:
      return "Keep Alive timeout";
    case Reason::SessionTakenOver:
      return "Session taken over";
    case Reason::TopicFilterInvalid:
      return "Topic Filter invalid";
    case Reason::TopicNameInvalid:
      return "Topic Name invalid";
    case Reason::PacketIdentifierInUse:
      return "Packet Identifier in use";
    case Reason::PacketIdentifierNotFound:
      return "Packet Identifier not found";
    case Reason::ReceiveMaximumExceeded:
      return "Receive Maximum exceeded";
    case Reason::TopicAliasInvalid:
      return "Topic Alias invalid";
    case Reason::PacketTooLarge:
      return "Packet too large";
    case Reason::MessageRateTooHigh:
      return "Message rate too high";
    case Reason::QuotaExceeded:
      return "Quota exceeded";
    case Reason::AdministrativeAction:
      return "Administrative action";
    case Reason::PayloadFormatInvalid:
      return "Payload format invalid";
    case Reason::RetainNotSupported:
      return "Retain not supported";
    case Reason::QosNotSupported:
      return "QoS not supported";
    case Reason::UseAnotherServer:
      return "Use another server";
    case Reason::ServerMoved:
      return "Server moved";
    case Reason::SharedSubscriptionsNotSupported:
      return "Shared Subscriptions not supported";
    case Reason::ConnectionRateExceeded:
      return "Connection rate exceeded";
    case Reason::MaximumConnectTime:
      return "Maximum connect time";
    case Reason::SubscriptionIdentifiersNotSupported:
      return "Subscription Identifiers not supported";
    case Reason::WildcardSubscriptionsNotSupported:
      return "Wildcard Subscriptions not supported";
  }
  return "Unknown reason";
}

}  // namespace ferrule::mqtt
