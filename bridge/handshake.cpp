#include "bridge/handshake.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <utility>

#include "bridge/cloud_session.hpp"

namespace ferrule::bridge {

namespace {

constexpr std::size_t kReadSize = 4096;

Attempt failed(std::string cause) {
  Attempt attempt;
  attempt.cause = std::move(cause);
  return attempt;
}

Attempt ended(const StreamEnd& end, bool is_secure) {
  auto attempt = failed(end.unsaid ? "closed without an answer to CONNECT" : end.cause);
  attempt.wrong_version = end.unsaid;  // some 3.1.1 servers answer a CONNECT of MQTT 5 so
  if (end.unsaid && is_secure) attempt.cause += "; perhaps it wants another certificate of ours";
  return attempt;
}

}  // namespace

Attempt shake_hands(Stream& stream, mqtt::Framer& framer, const std::string& connect, int mqtt_version, bool is_secure,
                    const Wait& wait) {
  static_cast<void>(write_all(stream, connect, wait));  // if it failed, reading tells why
  std::array<char, kReadSize> buffer;
  for (;;) {
    if (!wait(stream.descriptor(), static_cast<short>(POLLIN | stream.waits_for()))) return failed("no answer in time");
    const auto size = stream.read(buffer);
    if (!size) return ended(size.error(), is_secure);
    framer.feed({buffer.data(), *size});
    const auto frame = framer.next();
    if (!frame) return failed(fmt::format("the answer to CONNECT is not MQTT: {}", frame.error().detail));
    if (!*frame) continue;
    auto answer = CloudSession::read_answer(**frame, mqtt_version);
    framer.keep();
    return answer;
  }
}

}  // namespace ferrule::bridge
