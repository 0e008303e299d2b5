// Who a client is, in the broker core: anonymous, by certificate, by password, by SCRAM (MQTT 5 section 4.12).
#include "mqtt/login.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "mqtt/broker_core.hpp"
#include "mqtt/crypto.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::string_view kWrong = "wrong user name or password";
constexpr std::size_t kNonceBytes = 18;

/// The same for every cause, so that it tells nobody which half of a guess was right.
Refusal wrong() { return {Reason::BadUserNameOrPassword, "MQTT-3.1.4-2", kWrong}; }

}  // namespace

void BrokerCore::log_in(Connection& connection, const Connect& packet, const Frame& frame) {
  if (packet.properties.has(PropertyId::AuthenticationMethod)) return begin_scram(connection, packet, frame);
  const PeerIdentity peer = connection.identity();
  if (packet.user_name && packet.password && access_->has_users()) {
    return check_password(connection, packet, frame, peer);
  }
  auto identity = identify_without_password(peer, packet);
  if (identity) return enter(connection, packet, std::move(*identity));
  ++totals.logins_failed;
  if (login_told) login_told({std::string(packet.user_name.value_or("")), connection.who(), false, identity.error().detail});
  reject(connection, packet.version, identity.error());
}

Decoded<Identity> BrokerCore::identify_without_password(const PeerIdentity& peer, const Connect& packet) const {
  Identity identity;
  identity.listener = peer.listener;
  const bool by_certificate = access_->listener(peer.listener).certificate_login && peer.certificate &&
                              !peer.certificate->identity.empty() &&
                              (!packet.user_name || *packet.user_name == peer.certificate->identity);
  if (by_certificate) {
    identity.user = peer.certificate->identity;
    identity.proof = Proof::Certificate;
  } else if (packet.user_name && access_->has_users()) {
    return tl::unexpected(Refusal{Reason::BadUserNameOrPassword, "MQTT-3.1.4-2", "user name without a password"});
  }
  if (access_->admits(identity)) return identity;
  return tl::unexpected(
      by_certificate ? Refusal{Reason::NotAuthorized, "MQTT-3.1.4-2", "this certificate's user may not log in here"}
                     : Refusal{Reason::NotAuthorized, "MQTT-3.1.4-2", "needs a user name and a password"});
}

Decoded<void> BrokerCore::check_shut_out(std::string_view address, std::string_view user) {
  if (!bans_.address_shut_out(address, now_) && !bans_.user_shut_out(address, user, now_)) return {};
  ++totals.logins_shut_out;
  return tl::unexpected(Refusal{Reason::Banned, "MQTT-3.1.4-2", "too many failed logins; try again later"});
}

// By password

void BrokerCore::check_password(Connection& connection, const Connect& packet, const Frame& frame,
                                const PeerIdentity& peer) {
  if (const auto open = check_shut_out(peer.address, *packet.user_name); !open) {
    return reject(connection, packet.version, open.error());
  }
  Identity claimed;
  claimed.user = *packet.user_name;
  claimed.proof = Proof::Password;
  claimed.listener = peer.listener;
  connection.login = std::make_unique<Login>(std::move(claimed));
  connection.login->keep(frame);
  auto check = [access = access_, &credentials = access_->credentials(*packet.user_name),
                password = std::string(*packet.password)]() mutable -> std::optional<bool> {
    std::optional<bool> right;
    try {
      right = credentials.verify(password);
    } catch (const std::bad_alloc&) {  // Argon2 takes 19 MiB
    }
    wipe(password);
    return right;
  };
  const std::uint64_t number = connection.login->check = ++last_check_;
  checks_.emplace(number, &connection);
  if (password_checker == nullptr) return password_checked(number, check());
  connection.hold();
  if (password_checker->submit(std::move(check), [this, number](std::optional<bool> right) {
        start_turn();
        password_checked(number, right);
      })) {
    return;
  }
  forget_login(connection);
  ++totals.logins_busy;
  reject(connection, packet.version, {Reason::ServerBusy, "MQTT-3.1.4-2", "too many logins at once; try again later"});
}

void BrokerCore::password_checked(std::uint64_t check, std::optional<bool> right) {
  const auto found = checks_.find(check);
  if (found == checks_.end()) return;  // it has left meanwhile
  Connection& connection = *found->second;
  checks_.erase(found);
  Login& login = *connection.login;
  login.check = 0;
  const bool held = connection.state() == Connection::State::AwaitsPassword;
  if (!right) {
    ++totals.logins_busy;
    end_login(connection, {Reason::ServerBusy, "MQTT-3.1.4-2", "no memory to check the password; try again later"});
  } else if (!*right || !access_->admits(login.identity)) {
    fail_login(connection, wrong());
  } else {
    bans_.succeeded(connection.identity().address, login.identity.user);
    enter_kept(connection);
  }
  if (held) connection.go_on();
}

/// Goes on with the CONNECT that was kept.
void BrokerCore::enter_kept(Connection& connection) {
  const auto login = std::exchange(connection.login, nullptr);
  const auto packet = decode_connect(login->kept());
  const Identity identity = login->identity;
  if (login->by_scram) {  // CONNACK carries its last word, and it may log in again
    connection.login = std::make_unique<Login>(identity);
    connection.login->by_scram = true;
    connection.login->verifier = std::move(login->verifier);
  }
  enter(connection, *packet, identity);  // it was decoded before
}

void BrokerCore::forget_login(Connection& connection) {
  if (connection.login != nullptr && connection.login->check != 0) checks_.erase(connection.login->check);
  connection.login.reset();
}

/// Counts and logs who failed to prove what; the reason is all that the client hears.
void BrokerCore::fail_login(Connection& connection, const Refusal& refusal) {
  ++totals.logins_failed;
  const std::string address = connection.identity().address;
  const std::string user = connection.login->identity.user;
  const auto waits = bans_.failed(address, user, now_);
  if (login_told) login_told({user, connection.who(), false, refusal.detail});
  if (may_log()) {
    const bool may_be_right = access_->has_user(user) && !access_->admits(connection.login->identity);
    spdlog::warn("broker: {}: login as '{}' failed: {} [{}]{}", connection.who(), for_log(user),
                 may_be_right ? "this user may not log in here" : refusal.detail, refusal.statement,
                 waits.count() > 0 ? fmt::format("; its address is shut out for {} s", waits.count()) : "");
  }
  end_login(connection, refusal);
}

/// A refused CONNECT, or the end of a connection that could not log in again [MQTT-4.12.1-2].
void BrokerCore::end_login(Connection& connection, const Refusal& refusal) {
  const bool was_in = connection.client != nullptr;
  Version version = Version::V5;
  if (!was_in) {
    const auto packet = decode_connect(connection.login->kept());
    if (packet) version = packet->version;
  }
  forget_login(connection);
  if (was_in) return connection.disconnect(refusal.code, refusal.detail);
  answer_refused(connection, version, refusal);
}

// By SCRAM: CONNECT -> AUTH (0x18) -> AUTH (0x18) -> CONNACK

void BrokerCore::begin_scram(Connection& connection, const Connect& packet, const Frame& frame) {
  if (packet.properties.text(PropertyId::AuthenticationMethod) != kScramMethod || !access_->has_scram()) {
    return reject(connection, packet.version,
                  {Reason::BadAuthenticationMethod, "MQTT-4.12.0-1", "unknown authentication method"});
  }
  Identity nobody;
  nobody.listener = connection.identity().listener;
  connection.login = std::make_unique<Login>(nobody);
  connection.login->keep(frame);
  connection.login->by_scram = true;
  const auto sent = challenge(connection, packet.properties.text(PropertyId::AuthenticationData).value_or(""));
  if (sent) return connection.await_auth();
  if (sent.error().code == Reason::Banned) return reject(connection, packet.version, sent.error());
  fail_login(connection, sent.error());
}

/// Answers a client's first message.
Decoded<void> BrokerCore::challenge(Connection& connection, std::string_view client_first) {
  Login& login = *connection.login;
  auto exchange = ScramExchange::begin(client_first);
  if (!exchange) return tl::unexpected(Refusal{Reason::NotAuthorized, "MQTT-4.12.0-4", exchange.error()});
  if (const auto open = check_shut_out(connection.identity().address, exchange->user()); !open) return open;
  if (connection.client == nullptr) {
    login.identity.user = exchange->user();
    login.identity.proof = Proof::Password;
  } else if (exchange->user() != login.identity.user) {
    return tl::unexpected(Refusal{Reason::NotAuthorized, "MQTT-4.12.1-2", "logs in again as another user"});
  }
  const std::string data =
      exchange->challenge(access_->scram_keys(exchange->user()), to_base64(random_bytes(kNonceBytes)));
  login.exchange = std::move(*exchange);
  PropertyBuilder properties;
  properties.add(PropertyId::AuthenticationMethod, kScramMethod);  // [MQTT-4.12.0-5]
  properties.add(PropertyId::AuthenticationData, data);
  if (!connection.send(Auth{Reason::ContinueAuthentication, properties.view()})) {  // [MQTT-4.12.0-2]
    return tl::unexpected(
        Refusal{Reason::PacketTooLarge, "MQTT-3.1.2-27", "Maximum Packet Size is below that of an AUTH"});
  }
  return {};
}

void BrokerCore::auth(Connection& connection, const Frame& frame) {
  const auto packet = decode_auth(frame, connection.version());
  if (!packet) return connection.refuse(packet.error());
  if (connection.login == nullptr || !connection.login->by_scram) {
    return connection.refuse(
        {Reason::ProtocolError, "MQTT-4.12.0-7", "AUTH without an Authentication Method in CONNECT"});
  }
  if (packet->properties.text(PropertyId::AuthenticationMethod) != kScramMethod) {  // [MQTT-4.12.0-5] [MQTT-4.12.1-1]
    return connection.refuse({Reason::ProtocolError, "MQTT-4.12.0-5", "AUTH with another Authentication Method"});
  }
  const bool under_way = connection.login->exchange.has_value();
  if (packet->reason == Reason::ContinueAuthentication && under_way) return finish_scram(connection, *packet);
  if (packet->reason == Reason::Reauthenticate && !under_way) return begin_again(connection, *packet);
  connection.refuse({Reason::ProtocolError, under_way ? "MQTT-4.12.0-3" : "MQTT5 4.12.1", "AUTH out of turn"});
}

void BrokerCore::finish_scram(Connection& connection, const Auth& packet) {
  Login& login = *connection.login;
  const auto verifier = login.exchange->finish(packet.properties.text(PropertyId::AuthenticationData).value_or(""));
  login.exchange.reset();
  if (!verifier || !access_->admits(login.identity)) return fail_login(connection, wrong());  // [MQTT-4.12.0-4]
  bans_.succeeded(connection.identity().address, login.identity.user);
  login.verifier = *verifier;
  if (connection.client != nullptr) return finish_again(connection);
  enter_kept(connection);
}

/// Nothing else changes meanwhile: the client goes on under what it proved before (section 4.12.1).
void BrokerCore::begin_again(Connection& connection, const Auth& packet) {
  const auto sent = challenge(connection, packet.properties.text(PropertyId::AuthenticationData).value_or(""));
  if (!sent) fail_login(connection, sent.error());
}

void BrokerCore::finish_again(Connection& connection) {
  PropertyBuilder properties;
  properties.add(PropertyId::AuthenticationMethod, kScramMethod);
  properties.add(PropertyId::AuthenticationData, std::exchange(connection.login->verifier, {}));
  if (!connection.send(Auth{Reason::Success, properties.view()})) connection.close();
}

}  // namespace ferrule::mqtt
