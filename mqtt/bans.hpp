// Slows down whoever guesses passwords: by address and by user name, for times that grow.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "mqtt/recent_map.hpp"

namespace ferrule::mqtt {

struct BanSettings {
  std::uint32_t attempts = 5;  ///< wrong logins in a row before an address has to wait
  std::chrono::seconds shortest{1}, longest{300};
};

/// An address waits after `attempts` failures in a row, at first `shortest`, then twice as long after each further one,
/// up to `longest`; a loopback address or a Unix socket never longer than five seconds, so that nobody locks out the
/// machine itself. IPv6 addresses count by their /64. A user's name waits after twice as many failures, at most 30 s,
/// and only towards addresses from which that user has not logged in before: guessing must not lock out the one who
/// knows the password. A name counts whether it exists or not, and is kept as a digest. An hour without a failure is
/// forgotten. Bounds: 4096 addresses, 4096 names, 4096 pairs that logged in; the oldest gives way. Thread: broker.
class Bans {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Seconds = std::chrono::seconds;

  explicit Bans(BanSettings settings);

  /// `address`: without port, empty for a Unix socket.
  bool address_shut_out(std::string_view address, Time now) const;
  bool user_shut_out(std::string_view address, std::string_view user, Time now) const;
  /// For how long the address is shut out from now on; 0: it has tries left.
  Seconds failed(std::string_view address, std::string_view user, Time now);
  void succeeded(std::string_view address, std::string_view user);

  std::size_t addresses() const { return addresses_.size(); }
  std::size_t users() const { return users_.size(); }

 private:
  struct Failures {
    std::uint32_t count = 0;  // in a row
    Time last{}, until{};
  };
  struct Trusted {};

  static bool shut_out(const RecentMap<Failures>& table, std::string_view key, Time now);
  static Seconds count(Failures& failures, Time now, std::uint32_t free, Seconds shortest, Seconds longest);
  std::string user_key(std::string_view user) const;
  std::string pair_key(std::string_view address, std::string_view user) const;

  const BanSettings settings_;
  const std::string salt_;
  RecentMap<Failures> addresses_, users_;
  RecentMap<Trusted> trusted_;  // an address and a user that logged in from it
};

/// Of 127.0.0.0/8, ::1, or empty (a Unix socket).
bool is_loopback_address(std::string_view address);

}  // namespace ferrule::mqtt
