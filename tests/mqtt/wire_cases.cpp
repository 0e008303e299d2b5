#include "wire_cases.hpp"

#include <deque>

#include "wire_text.hpp"

namespace ferrule::mqtt::testing {
namespace {

constexpr Version k31 = Version::V31, k311 = Version::V311, k5 = Version::V5;
constexpr Sender kC = Sender::Client, kS = Sender::Server;
using Id = PropertyId;

/// Keeps what the packets of the table view.
std::string_view keep(std::string bytes) {
  static std::deque<std::string> kept;
  return kept.emplace_back(std::move(bytes));
}

Properties props(const PropertyBuilder& builder) { return Properties::trusted(keep(builder.encoded())); }

Connect connect(Version version, std::string_view id) {
  Connect packet;
  packet.version = version;
  packet.client_id = id;
  packet.keep_alive = std::chrono::seconds(60);
  return packet;
}

void add_connects(std::vector<WireCase>& cases) {
  cases.push_back({"Connect31", k31, kC, "10 [ ('MQIsdp') 03 02 003c ('id') ]", connect(k31, "id")});
  cases.push_back({"Connect311", k311, kC, "10 [ ('MQTT') 04 02 003c ('id') ]", connect(k311, "id")});
  cases.push_back({"Connect5", k5, kC, "10 [ ('MQTT') 05 02 003c [] ('id') ]", connect(k5, "id")});
  cases.push_back({"ConnectWithoutClientId", k311, kC, "10 [ ('MQTT') 04 02 003c () ]", connect(k311, "")});

  Connect resumed = connect(k311, "id");
  resumed.clean_start = false;
  resumed.user_name = "joe";
  cases.push_back({"ConnectUserOnly", k311, kC, "10 [ ('MQTT') 04 80 003c ('id') ('joe') ]", resumed});

  Connect full = connect(k5, "id");
  full.properties = props(PropertyBuilder()
                              .add(Id::SessionExpiryInterval, 3600)
                              .add(Id::ReceiveMaximum, 10)
                              .add(Id::MaximumPacketSize, 65536)
                              .add(Id::TopicAliasMaximum, 7)
                              .add(Id::RequestResponseInformation, 1)
                              .add(Id::RequestProblemInformation, 0)
                              .add_user("a", "1")
                              .add_user("a", "2")
                              .add(Id::AuthenticationMethod, "SCRAM-SHA-256")
                              .add(Id::AuthenticationData, std::string_view("\0\1", 2)));
  full.will = Will{"w/t", "bye", Qos::ExactlyOnce, true,
                   props(PropertyBuilder().add(Id::WillDelayInterval, 5).add(Id::ContentType, "text/plain"))};
  full.user_name = "joe";
  full.password = keep(wire("00ff"));
  cases.push_back({"Connect5Full", k5, kC,
                   "10 [ ('MQTT') 05 f6 003c"
                   " [ 11 00000e10  21 000a  27 00010000  22 0007  19 01  17 00  26 ('a') ('1')  26 ('a') ('2')"
                   "   15 ('SCRAM-SHA-256')  16 (0001) ]"
                   " ('id') [ 18 00000005  03 ('text/plain') ] ('w/t') ('bye') ('joe') (00ff) ]",
                   full});

  Connect password_only = connect(k5, "id");
  password_only.password = "token";
  cases.push_back({"Connect5PasswordOnly", k5, kC, "10 [ ('MQTT') 05 42 003c [] ('id') ('token') ]", password_only});

  Connect empty_will = connect(k311, "id");
  empty_will.will = Will{"w", "", Qos::AtLeastOnce, false, {}};
  cases.push_back({"ConnectEmptyWill", k311, kC, "10 [ ('MQTT') 04 0e 003c ('id') ('w') () ]", empty_will});
}

void add_connacks(std::vector<WireCase>& cases) {
  cases.push_back({"Connack311", k311, kS, "20 02 00 00", Connack{}});
  cases.push_back({"Connack311Present", k311, kS, "20 02 01 00", Connack{true, Reason::Success, {}}});
  cases.push_back({"Connack311BadUser", k311, kS, "20 02 00 04", Connack{false, Reason::BadUserNameOrPassword, {}}});
  cases.push_back({"Connack31NotAuthorized", k31, kS, "20 02 00 05", Connack{false, Reason::NotAuthorized, {}}});
  cases.push_back({"Connack5", k5, kS, "20 03 01 00 00", Connack{true, Reason::Success, {}}});
  cases.push_back({"Connack5Full", k5, kS,
                   "20 [ 00 00 [ 11 00000001  21 0064  24 01  25 01  27 00001000  12 ('auto')  22 000a  1f ('hi')"
                   "  28 01  29 01  2a 01  13 001e  1a ('r/')  1c ('other:1883') ] ]",
                   Connack{false, Reason::Success,
                           props(PropertyBuilder()
                                     .add(Id::SessionExpiryInterval, 1)
                                     .add(Id::ReceiveMaximum, 100)
                                     .add(Id::MaximumQos, 1)
                                     .add(Id::RetainAvailable, 1)
                                     .add(Id::MaximumPacketSize, 4096)
                                     .add(Id::AssignedClientIdentifier, "auto")
                                     .add(Id::TopicAliasMaximum, 10)
                                     .add(Id::ReasonString, "hi")
                                     .add(Id::WildcardSubscriptionAvailable, 1)
                                     .add(Id::SubscriptionIdentifierAvailable, 1)
                                     .add(Id::SharedSubscriptionAvailable, 1)
                                     .add(Id::ServerKeepAlive, 30)
                                     .add(Id::ResponseInformation, "r/")
                                     .add(Id::ServerReference, "other:1883"))}});
  cases.push_back({"Connack5Refused", k5, kS, "20 03 00 87 00", Connack{false, Reason::NotAuthorized, {}}});
}

void add_publishes(std::vector<WireCase>& cases) {
  cases.push_back(
      {"Publish311", k311, kC, "30 [ ('a/b') 'hi' ]", Publish{"a/b", "hi", Qos::AtMostOnce, false, false, 0, {}}});
  cases.push_back(
      {"PublishEmptyPayload", k311, kC, "31 [ ('a/b') ]", Publish{"a/b", "", Qos::AtMostOnce, true, false, 0, {}}});
  cases.push_back({"PublishQos1", k311, kS, "32 [ ('a') 0102 'x' ]",
                   Publish{"a", "x", Qos::AtLeastOnce, false, false, 0x0102, {}}});
  cases.push_back({"PublishQos2DupRetain", k31, kC, "3d [ ('a') ffff 'x' ]",
                   Publish{"a", "x", Qos::ExactlyOnce, true, true, 0xFFFF, {}}});
  cases.push_back({"PublishUtf8Topic", k311, kC, "30 [ ('\xC3\xA9/\xF0\x9F\x8C\xA1') 'x' ]",
                   Publish{"\xC3\xA9/\xF0\x9F\x8C\xA1", "x", Qos::AtMostOnce, false, false, 0, {}}});
  cases.push_back({"PublishByteOrderMark", k5, kC, "30 [ (efbbbf 'a') [] ]",
                   Publish{"\xEF\xBB\xBF"
                           "a",
                           "",
                           Qos::AtMostOnce,
                           false,
                           false,
                           0,
                           {}}});
  cases.push_back({"Publish5", k5, kC, "30 [ ('a') [] 'x' ]", Publish{"a", "x", Qos::AtMostOnce, false, false, 0, {}}});
  cases.push_back(
      {"Publish5Full", k5, kC,
       "34 [ ('a') 0007 [ 01 01  02 0000001e  23 0003  08 ('re/ply')  09 (00ff)  26 ('k') ('v')  26 ('k') ('w')"
       "  03 ('json') ] 'x' ]",
       Publish{"a", "x", Qos::ExactlyOnce, false, false, 7,
               props(PropertyBuilder()
                         .add(Id::PayloadFormatIndicator, 1)
                         .add(Id::MessageExpiryInterval, 30)
                         .add(Id::TopicAlias, 3)
                         .add(Id::ResponseTopic, "re/ply")
                         .add(Id::CorrelationData, std::string_view("\0\xFF", 2))
                         .add_user("k", "v")
                         .add_user("k", "w")
                         .add(Id::ContentType, "json"))}});
  cases.push_back(
      {"Publish5AliasOnly", k5, kC, "30 [ () [ 23 0001 ] 'x' ]",
       Publish{"", "x", Qos::AtMostOnce, false, false, 0, props(PropertyBuilder().add(Id::TopicAlias, 1))}});
  cases.push_back(
      {"Publish5Identifiers", k5, kS, "30 [ ('a') [ 0b 01  0b ffffff7f ] 'x' ]",
       Publish{
           "a", "x", Qos::AtMostOnce, false, false, 0,
           props(PropertyBuilder().add(Id::SubscriptionIdentifier, 1).add(Id::SubscriptionIdentifier, 268'435'455))}});
  cases.push_back(
      {"Publish31DupQos0", k31, kC, "38 [ ('a') 'x' ]", Publish{"a", "x", Qos::AtMostOnce, false, true, 0, {}}, false});
}

void add_acks(std::vector<WireCase>& cases) {
  cases.push_back({"Puback", k311, kC, "40 02 0001", Ack{PacketType::Puback, 1, Reason::Success, {}}});
  cases.push_back({"Pubrec", k5, kS, "50 02 0001", Ack{PacketType::Pubrec, 1, Reason::Success, {}}});
  cases.push_back({"Pubrel", k311, kC, "62 02 fffe", Ack{PacketType::Pubrel, 0xFFFE, Reason::Success, {}}});
  cases.push_back({"Pubrel31Dup", k31, kC, "6a 02 0001", Ack{PacketType::Pubrel, 1, Reason::Success, {}}, false});
  cases.push_back({"Pubcomp", k31, kS, "70 02 0001", Ack{PacketType::Pubcomp, 1, Reason::Success, {}}});
  cases.push_back(
      {"Puback5Reason", k5, kC, "40 03 0001 10", Ack{PacketType::Puback, 1, Reason::NoMatchingSubscribers, {}}});
  cases.push_back(
      {"Puback5ReasonOfServer", k5, kS, "40 03 0001 95", Ack{PacketType::Puback, 1, Reason::PacketTooLarge, {}}});
  cases.push_back({"Pubrec5ReasonOfServer", k5, kS, "50 03 0001 93",
                   Ack{PacketType::Pubrec, 1, Reason::ReceiveMaximumExceeded, {}}});
  cases.push_back({"Pubrec5Quota", k5, kC, "50 03 0001 97", Ack{PacketType::Pubrec, 1, Reason::QuotaExceeded, {}}});
  cases.push_back(
      {"Pubrel5NotFound", k5, kC, "62 03 0001 92", Ack{PacketType::Pubrel, 1, Reason::PacketIdentifierNotFound, {}}});
  cases.push_back(
      {"Puback5LongSuccess", k5, kC, "40 04 0001 00 00", Ack{PacketType::Puback, 1, Reason::Success, {}}, false});
  cases.push_back({"Pubcomp5Full", k5, kC, "70 [ 0001 92 [ 1f ('no') 26 ('k') ('v') ] ]",
                   Ack{PacketType::Pubcomp, 1, Reason::PacketIdentifierNotFound,
                       props(PropertyBuilder().add(Id::ReasonString, "no").add_user("k", "v"))}});
}

void add_subscriptions(std::vector<WireCase>& cases) {
  std::string two, all, unsubscribe;
  append_subscription(two, "a/+", {Qos::AtLeastOnce, false, false, 0});
  append_subscription(two, "#", {Qos::ExactlyOnce, false, false, 0});
  cases.push_back(
      {"Subscribe311", k311, kC, "82 [ 000a ('a/+') 01 ('#') 02 ]", Subscribe{10, {}, SubscribeEntries(keep(two))}});
  cases.push_back({"Subscribe31Dup", k31, kC, "8a [ 000a ('a/+') 01 ('#') 02 ]",
                   Subscribe{10, {}, SubscribeEntries(keep(two))}, false});
  append_subscription(all, "$share/g/a/#", {Qos::AtMostOnce, false, true, 2});
  append_subscription(all, "+", {Qos::ExactlyOnce, true, false, 1});
  cases.push_back({"Subscribe5", k5, kC, "82 [ 000a [ 0b 8001 26 ('k') ('v') ] ('$share/g/a/#') 28 ('+') 16 ]",
                   Subscribe{10, props(PropertyBuilder().add(Id::SubscriptionIdentifier, 128).add_user("k", "v")),
                             SubscribeEntries(keep(all))}});
  cases.push_back({"Suback311", k311, kS, "90 [ 000a 00 01 02 80 ]", Suback{10, {}, keep(wire("00 01 02 80"))}});
  cases.push_back({"Suback5", k5, kS, "90 [ 000a [ 1f ('x') ] 00 01 02 8f a2 ]",
                   Suback{10, props(PropertyBuilder().add(Id::ReasonString, "x")), keep(wire("00 01 02 8f a2"))}});
  append_unsubscription(unsubscribe, "a/b");
  append_unsubscription(unsubscribe, "$share/g/#");
  cases.push_back({"Unsubscribe311", k311, kC, "a2 [ 000b ('a/b') ('$share/g/#') ]",
                   Unsubscribe{11, {}, UnsubscribeFilters(keep(unsubscribe))}});
  cases.push_back(
      {"Unsubscribe5", k5, kC, "a2 [ 000b [ 26 ('k') ('v') ] ('a/b') ('$share/g/#') ]",
       Unsubscribe{11, props(PropertyBuilder().add_user("k", "v")), UnsubscribeFilters(keep(unsubscribe))}});
  cases.push_back({"Unsuback311", k311, kS, "b0 02 000b", Unsuback{11, {}, {}}});
  cases.push_back({"Unsuback5", k5, kS, "b0 [ 000b [] 00 11 87 ]", Unsuback{11, {}, keep(wire("00 11 87"))}});
}

void add_the_rest(std::vector<WireCase>& cases) {
  cases.push_back({"Pingreq", k311, kC, "c0 00", Pingreq{}});
  cases.push_back({"Pingresp", k5, kS, "d0 00", Pingresp{}});
  cases.push_back({"Disconnect311", k311, kC, "e0 00", Disconnect{}});
  cases.push_back({"Disconnect5", k5, kC, "e0 00", Disconnect{}});
  cases.push_back({"Disconnect5WithWill", k5, kC, "e0 01 04", Disconnect{Reason::DisconnectWithWill, {}}});
  cases.push_back({"Disconnect5LongNormal", k5, kC, "e0 02 00 00", Disconnect{}, false});
  cases.push_back({"Disconnect5Expiry", k5, kC, "e0 [ 00 [ 11 00000000 ] ]",
                   Disconnect{Reason::Success, props(PropertyBuilder().add(Id::SessionExpiryInterval, 0))}});
  cases.push_back({"Disconnect5Moved", k5, kS, "e0 [ 9d [ 1f ('go') 1c ('there') ] ]",
                   Disconnect{Reason::ServerMoved,
                              props(PropertyBuilder().add(Id::ReasonString, "go").add(Id::ServerReference, "there"))}});
  cases.push_back(
      {"AuthContinue", k5, kC, "f0 [ 18 [ 15 ('M') 16 (00) ] ]",
       Auth{Reason::ContinueAuthentication, props(PropertyBuilder()
                                                      .add(Id::AuthenticationMethod, "M")
                                                      .add(Id::AuthenticationData, std::string_view("\0", 1)))}});
  cases.push_back({"AuthShort", k5, kS, "f0 00", Auth{}});
}

std::vector<WireCase> make_cases() {
  std::vector<WireCase> cases;
  add_connects(cases);
  add_connacks(cases);
  add_publishes(cases);
  add_acks(cases);
  add_subscriptions(cases);
  add_the_rest(cases);
  return cases;
}

}  // namespace

const std::vector<WireCase>& wire_cases() {
  static const std::vector<WireCase> cases = make_cases();
  return cases;
}

}  // namespace ferrule::mqtt::testing
