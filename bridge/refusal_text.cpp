#include "bridge/refusal_text.hpp"

#include <fmt/format.h>

namespace ferrule::bridge {

std::string with_code(mqtt::Reason reason) {
  return fmt::format("{} (0x{:02X})", mqtt::name(reason), static_cast<unsigned>(reason));
}

std::string return_code_text(int code) {
  constexpr std::string_view kNames[] = {
      "accepted",           "unacceptable protocol version", "client identifier rejected",
      "server unavailable", "bad user name or password",     "not authorized"};
  return fmt::format("{} ({})", code >= 0 && code < 6 ? kNames[code] : "unknown return code", code);
}

tl::unexpected<std::string> breach(const mqtt::Refusal& refusal) {
  return tl::unexpected(fmt::format("the cloud broke the protocol: {} [{}]", refusal.detail, refusal.statement));
}

tl::unexpected<std::string> breach(std::string_view what) {
  return tl::unexpected(fmt::format("the cloud broke the protocol: {}", what));
}

}  // namespace ferrule::bridge
