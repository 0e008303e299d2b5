#include "drivers/can/dbc.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include "config/utf8.hpp"
#include "drivers/can/dbc_parser.hpp"

namespace ferrule::drivers::can {

namespace {

constexpr std::size_t kMaxFile = std::size_t{16} << 20U;

}  // namespace

tl::expected<Dbc, DbcMistake> parse_dbc(std::string_view text) {
  if (text.size() > kMaxFile) return tl::unexpected(DbcMistake{0, 0, "is larger than 16 MiB"});
  const bool is_utf8 = config::first_invalid_utf8(text) == std::string_view::npos;
  const auto converted = is_utf8 ? std::string() : config::from_latin1(text);
  auto dbc = parse_dbc_text(is_utf8 ? text : converted);
  if (dbc) dbc->hash = std::hash<std::string_view>()(text);
  return dbc;
}

tl::expected<Dbc, DbcMistake> load_dbc(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  for (std::array<char, 65536> part; stream && text.size() <= kMaxFile;) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad()) return tl::unexpected(DbcMistake{0, 0, std::strerror(errno)});
  auto dbc = parse_dbc(text);
  if (dbc && dbc->messages.empty()) return tl::unexpected(DbcMistake{0, 0, "has no messages"});
  return dbc;
}

}  // namespace ferrule::drivers::can
