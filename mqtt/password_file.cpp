#include "mqtt/password_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <unordered_map>

#include "mqtt/crypto.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::mqtt {

namespace {

constexpr std::size_t kMostFaults = 100;
constexpr std::uint32_t kScramIterations = 65'536;  // of a file that others may come to read; a client needs some 50 ms
constexpr std::string_view kScramBegins = ":SCRAM-SHA-256$";

std::string_view next_line(std::string_view& rest) {
  const auto at = rest.find('\n');
  auto line = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool says_nothing(std::string_view line) { return line.empty() || line.front() == '#'; }

struct LineFault {
  std::size_t at;  // counted from 0
  std::string message;
};

tl::expected<PasswordFile::Line, LineFault> parse_line(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return tl::unexpected(LineFault{0, "has no colon: a line is USER:HASH"});
  PasswordFile::Line entry;
  entry.user = line.substr(0, colon);
  if (auto fault = fault_in_user_name(entry.user); !fault.empty()) {
    return tl::unexpected(LineFault{0, "the user's name " + fault});
  }
  auto hash_text = line.substr(colon + 1);
  if (const auto at = hash_text.find(kScramBegins); at != std::string_view::npos) {
    auto keys = ScramKeys::parse(hash_text.substr(at + 1));
    if (!keys) return tl::unexpected(LineFault{colon + at + 2, "what follows the hash " + keys.error()});
    entry.credentials.scram = std::move(*keys);
    hash_text = hash_text.substr(0, at);
  }
  auto hash = PasswordHash::parse(hash_text);
  if (!hash) return tl::unexpected(LineFault{colon + 1, "what follows the user's name " + hash.error()});
  entry.credentials.hash = std::move(*hash);
  return entry;
}

}  // namespace

std::string fault_in_user_name(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > 256) return "is longer than 256 bytes";
  if (!is_valid_utf8(name)) return "is not UTF-8";
  if (name.front() == '#') return "begins with #";
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "has a control character";
    if (c == ':') return "has a colon";
  }
  return {};
}

PasswordFile PasswordFile::parse(std::string_view text) {
  PasswordFile file;
  std::unordered_map<std::string, int> known;
  int number = 0;
  const auto fault = [&](std::size_t at, std::string message) {
    if (file.faults.size() < kMostFaults) file.faults.push_back({number, static_cast<int>(at) + 1, std::move(message)});
  };
  while (!text.empty()) {
    const auto line = next_line(text);
    ++number;
    if (says_nothing(line)) continue;
    auto entry = parse_line(line);
    if (!entry) {
      fault(entry.error().at, std::move(entry.error().message));
      continue;
    }
    entry->line = number;
    const auto [first, added] = known.try_emplace(entry->user, number);
    if (!added) {
      fault(0, fmt::format("this user is listed twice; first at line {}", first->second));
      continue;
    }
    file.lines.push_back(std::move(*entry));
  }
  return file;
}

tl::expected<std::string, std::string> read_password_text(const std::filesystem::path& file) {
  constexpr std::size_t kMostBytes = 16 << 20;
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return tl::unexpected<std::string>("is a directory");
  std::ifstream in(file, std::ios::binary);
  if (!in) return tl::unexpected(fmt::format("cannot be read: {}", std::strerror(errno)));
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return tl::unexpected(fmt::format("cannot be read: {}", std::strerror(errno)));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMostBytes) return tl::unexpected<std::string>("is larger than 16 MiB");
  return text;
}

tl::expected<PasswordFile, std::string> PasswordFile::load(const std::filesystem::path& file) {
  const auto text = read_password_text(file);
  if (!text) return tl::unexpected(text.error());
  return parse(*text);
}

std::string with_password(std::string_view text, std::string_view user, std::string_view password, bool scram) {
  std::string line = fmt::format("{}:{}", user, PasswordHash::argon2id(password).text());
  if (scram) line += ":" + ScramKeys::of(password, kScramIterations, random_bytes(16)).text();
  std::string result;
  bool replaced = false;
  while (!text.empty()) {
    const auto old = next_line(text);
    const bool users = !says_nothing(old) && old.substr(0, old.find(':')) == user;
    if (users && replaced) continue;  // listed twice
    result.append(users ? std::string_view(line) : old).push_back('\n');
    replaced = replaced || users;
  }
  if (!replaced) result.append(line).push_back('\n');
  return result;
}

bool remove_user(std::string& text, std::string_view user) {
  std::string result;
  bool removed = false;
  for (std::string_view rest = text; !rest.empty();) {
    const auto line = next_line(rest);
    if (!says_nothing(line) && line.substr(0, line.find(':')) == user) {
      removed = true;
    } else {
      result.append(line).push_back('\n');
    }
  }
  text = std::move(result);
  return removed;
}

}  // namespace ferrule::mqtt
