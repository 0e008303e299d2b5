// Who may log in and what each may do, ready for use. A reload makes a new one and swaps it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/access_settings.hpp"
#include "mqtt/identity.hpp"
#include "mqtt/rules.hpp"

namespace ferrule::mqtt {

/// Immutable; any thread.
class Access {
 public:
  explicit Access(AccessSettings settings);
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  bool restricted() const { return settings_.restricted; }
  bool has_users() const { return !settings_.users.empty(); }
  bool has_scram() const { return scram_decoy_ != nullptr; }
  const AccessSettings& settings() const { return settings_; }
  ListenerAccess listener(std::size_t index) const;

  /// Whether somebody who proved to be this may be here: asked at CONNECT, and again after a reload or a restart. One
  /// who came in where there is no listener any more: whether another listener would let it in.
  bool admits(const Identity& identity) const;
  bool has_user(std::string_view user) const { return settings_.users.contains(user); }

  /// What a login by password is checked against. For a user that may not log in, the credentials of another one, so
  /// that the answer takes as long: `admits` tells them apart. Call only with `has_users`.
  const Credentials& credentials(std::string_view user) const;
  /// The same for SCRAM; call only with `has_scram`.
  ScramKeys scram_keys(std::string_view user) const;

  /// Borrow this and the names. Nothing for who may not be here.
  Rights may_publish(const Identity& identity, std::string_view client_id) const;
  Rights may_receive(const Identity& identity, std::string_view client_id) const;
  /// Nothing for a client id and a user that may stand in every rule of theirs which has %c or %u; otherwise which of
  /// the two may not, as static text.
  const char* unfit_name(const Identity& identity, std::string_view client_id) const;

 private:
  bool admits(const Identity& identity, const ListenerAccess& at) const;

  struct Lists {
    explicit Lists(const RuleSettings& rules) : subscribe(rules.subscribe), publish(rules.publish) {}
    RuleList subscribe, publish;
  };
  /// The lists that speak of a client, the nearest first.
  std::array<const Lists*, 3> lists_of(const Identity& identity, std::string_view client_id) const;

  const AccessSettings settings_;
  std::map<std::string_view, Lists> users_, clients_;  // by their names in settings_
  Lists everyone_, anonymous_;
  std::vector<const Credentials*> decoys_;  // of every user that has a password
  const ScramKeys* scram_decoy_ = nullptr;  // of some user
};

/// What a client may do while access is restricted. Borrows the Access, the session's client id and its user's name.
struct ClientAccess {
  Rights may_publish, may_receive;
};

}  // namespace ferrule::mqtt
