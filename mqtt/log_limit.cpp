#include "mqtt/log_limit.hpp"

namespace ferrule::mqtt {

std::string for_log(std::string_view text) {
  constexpr std::size_t kMost = 100;
  std::string line(text.substr(0, kMost));
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  if (text.size() > kMost) line += "...";
  return line;
}

}  // namespace ferrule::mqtt
