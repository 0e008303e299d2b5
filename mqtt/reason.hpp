// MQTT 5 reason codes (section 2.4). The 3.1.1 return codes are derived from them where a 3.1.1 client is answered.
#pragma once

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

namespace ferrule::mqtt {

enum class Reason : std::uint8_t {
  Success = 0x00,  // also Normal disconnection, Granted QoS 0
  GrantedQos1 = 0x01,
  GrantedQos2 = 0x02,
  DisconnectWithWill = 0x04,
  NoMatchingSubscribers = 0x10,
  NoSubscriptionExisted = 0x11,
  ContinueAuthentication = 0x18,
  Reauthenticate = 0x19,
  UnspecifiedError = 0x80,
  MalformedPacket = 0x81,
  ProtocolError = 0x82,
  ImplementationSpecificError = 0x83,
  UnsupportedProtocolVersion = 0x84,
  ClientIdentifierNotValid = 0x85,
  BadUserNameOrPassword = 0x86,
  NotAuthorized = 0x87,
  ServerUnavailable = 0x88,
  ServerBusy = 0x89,
  Banned = 0x8A,
  ServerShuttingDown = 0x8B,
  BadAuthenticationMethod = 0x8C,
  KeepAliveTimeout = 0x8D,
  SessionTakenOver = 0x8E,
  TopicFilterInvalid = 0x8F,
  TopicNameInvalid = 0x90,
  PacketIdentifierInUse = 0x91,
  PacketIdentifierNotFound = 0x92,
  ReceiveMaximumExceeded = 0x93,
  TopicAliasInvalid = 0x94,
  PacketTooLarge = 0x95,
  MessageRateTooHigh = 0x96,
  QuotaExceeded = 0x97,
  AdministrativeAction = 0x98,
  PayloadFormatInvalid = 0x99,
  RetainNotSupported = 0x9A,
  QosNotSupported = 0x9B,
  UseAnotherServer = 0x9C,
  ServerMoved = 0x9D,
  SharedSubscriptionsNotSupported = 0x9E,
  ConnectionRateExceeded = 0x9F,
  MaximumConnectTime = 0xA0,
  SubscriptionIdentifiersNotSupported = 0xA1,
  WildcardSubscriptionsNotSupported = 0xA2,
};

std::string_view name(Reason);  ///< the specification's name, e.g. "Quota exceeded"; "Unknown reason" for other values
/// Bit N: a packet of type N may carry this code (MQTT 5 table 2-6).
std::uint16_t packets_allowing(std::uint8_t code);
constexpr bool is_error(Reason reason) { return static_cast<std::uint8_t>(reason) >= 0x80; }

/// Why a peer's bytes are not accepted: what to tell the peer, and what to write into the log.
struct Refusal {
  Reason code;
  /// The statement that was violated ("MQTT-3.3.1-4"), or the section where the specification numbers none
  /// ("MQTT5 3.3.2.1"). Statements that only version 3.1.1 has carry "(3.1.1)" behind their id, because that version
  /// counts differently.
  const char* statement;
  std::string_view detail;  ///< static text, for a log line or a Reason String
};

template <typename T>
using Decoded = tl::expected<T, Refusal>;

}  // namespace ferrule::mqtt
