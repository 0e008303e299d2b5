// Hostile bytes where a PROXY header is expected. It takes no byte beyond its own, is bounded, and does not depend on
// how it is cut.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "mqtt/proxy_header.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

/// What the header says, and how many bytes it took.
std::string read(std::string_view stream, std::size_t piece) {
  ProxyHeader header;
  std::size_t taken = 0;
  while (header.wanted() > 0 && taken < stream.size()) {
    require(taken + header.wanted() <= ProxyHeader::kMost, "the header is bounded");
    const auto part = stream.substr(taken, std::min(header.wanted(), piece));
    taken += part.size();
    if (const auto fed = header.feed(part); !fed) return "refused: " + fed.error();
  }
  if (header.wanted() > 0) return "incomplete";
  return std::to_string(taken) + (header.source() ? " " + header.source()->text() : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const auto whole = read(stream, SIZE_MAX);
  require(whole == read(stream, 1) || whole.starts_with("refused"), "the address does not depend on how it is cut");
  return 0;
}
