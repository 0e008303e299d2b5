#include "drivers/modbus/identity.hpp"

#include <fmt/format.h>

#include <array>

namespace ferrule::drivers::modbus {

namespace {

// Request: 0 function | 1 MEI type | 2 1: the basic objects, as a stream | 3 first object
// Answer:  0 function | 1 MEI type | 2 as asked | 3 conformity | 4 0xFF: more follows | 5 next object | 6 count |
//          7.. for each object: id, length, text
constexpr std::uint8_t kEncapsulated = 0x2B;
constexpr std::uint8_t kReadIdentification = 0x0E;
constexpr std::uint8_t kBasic = 0x01;
constexpr std::uint8_t kReportServerId = 0x11;
constexpr std::size_t kObjectsAt = 7;
constexpr int kMostParts = 8;  // a device that always has more to say
constexpr std::size_t kLeastText = 3;

bool is_printable(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7F; }

std::string printable(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const auto byte : bytes) text += is_printable(byte) ? static_cast<char>(byte) : '?';
  return text;
}

}  // namespace

std::vector<std::uint8_t> identity_pdu(std::uint8_t object) {
  return {kEncapsulated, kReadIdentification, kBasic, object};
}

std::optional<IdentityPart> parse_identity(std::span<const std::uint8_t> answer) {
  if (answer.size() < kObjectsAt || answer[0] != kEncapsulated || answer[1] != kReadIdentification) return std::nullopt;
  IdentityPart part;
  auto rest = answer.subspan(kObjectsAt);
  for (int i = 0; i < answer[6]; ++i) {
    if (rest.size() < 2 || rest.size() < 2U + rest[1]) return std::nullopt;
    part.objects.push_back(printable(rest.subspan(2, rest[1])));
    rest = rest.subspan(2U + rest[1]);
  }
  if (answer[4] == 0xFF) part.next = answer[5];
  return part;
}

std::string parse_server_id(std::span<const std::uint8_t> answer) {
  if (answer.size() < 2 || answer[0] != kReportServerId || answer.size() < 2U + answer[1]) return {};
  std::string text;
  std::string run;
  const auto keep = [&] {
    if (run.size() >= kLeastText) text += (text.empty() ? "" : " ") + run;
    run.clear();
  };
  for (const auto byte : answer.subspan(2, answer[1])) {
    if (is_printable(byte)) {
      run += static_cast<char>(byte);
    } else {
      keep();
    }
  }
  keep();
  return text;
}

std::string identify(Client& client, std::uint8_t unit) {
  std::vector<std::string> objects;
  std::optional<std::uint8_t> next = 0;
  for (int part = 0; part < kMostParts && next; ++part) {
    const auto answer = client.ask(unit, identity_pdu(*next));
    const auto parsed = answer ? parse_identity(*answer) : std::nullopt;
    if (!parsed) break;
    objects.insert(objects.end(), parsed->objects.begin(), parsed->objects.end());
    next = parsed->next;
  }
  if (!objects.empty()) return fmt::format("{}", fmt::join(objects, " "));
  const auto answer = client.ask(unit, std::array{kReportServerId});
  return answer ? parse_server_id(*answer) : std::string();
}

}  // namespace ferrule::drivers::modbus
