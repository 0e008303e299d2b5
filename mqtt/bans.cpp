#include "mqtt/bans.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "mqtt/address_key.hpp"
#include "mqtt/crypto.hpp"

namespace ferrule::mqtt {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kCapacity = 4096;
constexpr auto kForgetAfter = 1h;
constexpr auto kLongestOnLoopback = 5s, kLongestForUser = 30s;

}  // namespace

bool is_loopback_address(std::string_view address) {
  if (address.empty()) return true;
  const std::string text(address);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

Bans::Bans(BanSettings settings)
    : settings_(settings), salt_(random_bytes(16)), addresses_(kCapacity), users_(kCapacity), trusted_(kCapacity) {}

bool Bans::address_shut_out(std::string_view address, Time now) const {
  return shut_out(addresses_, address_key(address), now);
}

bool Bans::user_shut_out(std::string_view address, std::string_view user, Time now) const {
  return shut_out(users_, user_key(user), now) && trusted_.find(pair_key(address, user)) == nullptr;
}

Bans::Seconds Bans::failed(std::string_view address, std::string_view user, Time now) {
  const Seconds longest =
      is_loopback_address(address) ? std::min<Seconds>(settings_.longest, kLongestOnLoopback) : settings_.longest;
  const Seconds waits =
      count(addresses_.touch(address_key(address)), now, settings_.attempts, settings_.shortest, longest);
  if (!user.empty()) {
    count(users_.touch(user_key(user)), now, settings_.attempts * 2, settings_.shortest,
          std::min<Seconds>(settings_.longest, kLongestForUser));
  }
  return waits;
}

void Bans::succeeded(std::string_view address, std::string_view user) {
  addresses_.erase(address_key(address));
  users_.erase(user_key(user));
  trusted_.touch(pair_key(address, user));
}

bool Bans::shut_out(const RecentMap<Failures>& table, std::string_view key, Time now) {
  const Failures* failures = table.find(key);
  return failures != nullptr && now < failures->until;
}

Bans::Seconds Bans::count(Failures& failures, Time now, std::uint32_t free, Seconds shortest, Seconds longest) {
  if (failures.count > 0 && now - failures.last > kForgetAfter) failures = {};
  failures.last = now;
  ++failures.count;
  if (failures.count < free) return Seconds(0);
  Seconds wait = shortest;
  for (std::uint32_t i = free; i < failures.count && wait < longest; ++i) wait *= 2;
  wait = std::min(wait, longest);
  failures.until = now + wait;
  return wait;
}

std::string Bans::user_key(std::string_view user) const { return sha256(salt_ + std::string(user)); }

std::string Bans::pair_key(std::string_view address, std::string_view user) const {
  return sha256(salt_ + address_key(address) + '\0' + std::string(user));
}

}  // namespace ferrule::mqtt
