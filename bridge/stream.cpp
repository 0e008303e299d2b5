#include "bridge/stream.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/text.hpp"

namespace ferrule::bridge {

namespace {

constexpr std::size_t kMostHead = 8192;
constexpr std::size_t kMostStatusLine = 100;

tl::unexpected<StreamEnd> too_slow() { return tl::unexpected(StreamEnd{"no answer in time"}); }

}  // namespace

Streamed<void> write_all(Stream& stream, std::string_view bytes, const Wait& wait) {
  while (!bytes.empty()) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    const auto size = stream.write({&piece, 1});
    if (!size) return tl::unexpected(size.error());
    bytes.remove_prefix(*size);
    if (!bytes.empty() && !wait(stream.descriptor(), POLLOUT)) return too_slow();
  }
  return {};
}

Streamed<std::string> read_exactly(Stream& stream, std::size_t size, const Wait& wait) {
  std::string bytes(size, '\0');
  for (std::size_t have = 0; have < size;) {
    const auto more = stream.read(std::span(bytes).subspan(have));
    if (!more) return tl::unexpected(more.error());
    have += *more;
    const auto events = static_cast<short>(POLLIN | stream.waits_for());
    if (*more == 0 && !wait(stream.descriptor(), events)) return too_slow();
  }
  return bytes;
}

Streamed<HttpHead> read_http_head(Stream& stream, const Wait& wait) {
  HttpHead head;
  while (!head.text.ends_with("\r\n\r\n")) {
    if (head.text.size() == kMostHead) return tl::unexpected(StreamEnd{"the answer to the HTTP request has no end"});
    const auto byte = read_exactly(stream, 1, wait);
    if (!byte) return tl::unexpected(byte.error());
    head.text += *byte;
  }
  const std::string_view text = head.text;
  const auto line = text.substr(0, text.find("\r\n"));
  for (const char c : line.substr(0, kMostStatusLine)) head.status_line += c >= 0x20 && c < 0x7F ? c : '?';
  const auto space = line.find(' ');
  if (!line.starts_with("HTTP/1.") || space == line.npos) return tl::unexpected(StreamEnd{"the answer is not HTTP"});
  std::from_chars(line.data() + space + 1, line.data() + line.size(), head.status);
  return head;
}

std::string_view HttpHead::field(std::string_view name) const {
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
    const auto colon = line.find(':');
    if (colon != line.npos && config::same_word(line.substr(0, colon), name))
      return config::trimmed(line.substr(colon + 1));
  }
  return {};
}

}  // namespace ferrule::bridge
