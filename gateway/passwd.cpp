#include "gateway/passwd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "config/error.hpp"
#include "gateway/durable_file.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/password_file.hpp"

namespace ferrule::gateway {

namespace {

constexpr std::size_t kMostBytes = 1024;  // of a password
constexpr char kInterrupt = 3, kEndOfText = 4, kBackspace = 8, kDelete = 127;

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what, int exit_code = EX_CANTCREAT) {
  throw config::Error({file.string(), 0, 0}, {}, what, exit_code);
}

std::string why() { return std::strerror(errno); }

/// A terminal that shows nothing of what is typed, and that hands us Ctrl-C, so that it is itself again at the end.
class SilentTerminal {
 public:
  SilentTerminal() {
    tcgetattr(STDIN_FILENO, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

  /// One line; nullopt when it was broken off.
  std::optional<std::string> ask(const char* prompt) {
    fmt::print(stderr, "{}: ", prompt);
    std::fflush(stderr);
    std::string line;
    char c = 0;
    for (;;) {
      const bool got = ::read(STDIN_FILENO, &c, 1) == 1;
      if (!got || c == kInterrupt || c == kEndOfText || c == '\n' || c == '\r') break;
      if (c != kBackspace && c != kDelete) {
        line.push_back(c);
      } else if (!line.empty()) {
        line.pop_back();
      }
    }
    fmt::print(stderr, "\n");
    if (c != '\n' && c != '\r') return std::nullopt;
    return line;
  }

 private:
  termios before_{};
};

std::optional<std::string> ask_twice() {
  SilentTerminal terminal;
  auto password = terminal.ask("Password");
  if (!password) return std::nullopt;
  auto again = terminal.ask("Again");
  if (again && *again == *password) return password;
  if (again) fmt::print(stderr, "ferrule: the two passwords differ\n");
  return std::nullopt;
}

/// The first line of standard input.
std::optional<std::string> read_line() {
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n' && line.size() <= kMostBytes; c = std::getchar()) {
    line.push_back(static_cast<char>(c));
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

/// A file beside another one that takes its place when all of it is on disk.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& file) : file_(file), name_(file.string() + ".XXXXXX") {
    descriptor_ = ::mkostemp(name_.data(), O_CLOEXEC);  // mode 0600
    if (descriptor_ < 0) fail(file_, fmt::format("cannot write beside it: {}", why()));
  }
  ~Replacement() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  void keep_owner_of(const struct stat& old) {
    if (::fchown(descriptor_, old.st_uid, old.st_gid) != 0) {
      fail(file_, fmt::format("cannot keep its owner: {}", why()));
    }
    if (::fchmod(descriptor_, 0600 | (old.st_mode & S_IRGRP)) != 0) {
      fail(file_, fmt::format("cannot keep its mode: {}", why()));
    }
  }

  void commit(std::string_view text) {
    if (!write_durably(descriptor_, text) || ::rename(name_.c_str(), file_.c_str()) != 0) {
      fail(file_, fmt::format("cannot be written: {}", why()));
    }
    name_.clear();
    sync_directory(file_.parent_path());
  }

 private:
  std::filesystem::path file_;
  std::string name_;  // empty: it has taken the file's place
  int descriptor_ = -1;
};

bool has_user(std::string_view text, const std::string& user) {
  const auto parsed = mqtt::PasswordFile::parse(text);
  return std::ranges::find(parsed.lines, user, &mqtt::PasswordFile::Line::user) != parsed.lines.end();
}

}  // namespace

int passwd(const PasswdOptions& options) {
  if (const auto fault = mqtt::fault_in_user_name(options.user); !fault.empty()) {
    fmt::print(stderr, "ferrule: the user's name {}\n", fault);
    return EX_USAGE;
  }
  // A link stays one.
  std::error_code error;
  const auto found = std::filesystem::canonical(options.file, error);
  const auto file = error ? options.file : found;
  struct stat old {};
  const bool exists = ::stat(file.c_str(), &old) == 0;
  std::string text;
  if (exists) {
    auto read = mqtt::read_password_text(file);
    if (!read) fail(file, read.error(), EX_NOINPUT);
    text = std::move(*read);
  }
  if (options.exists && has_user(text, options.user) != *options.exists) {
    fail(file,
         *options.exists ? fmt::format("has no user \"{}\"", options.user)
                         : fmt::format("has a user \"{}\" already", options.user),
         EX_DATAERR);
  }
  if (options.remove) {
    if (!mqtt::remove_user(text, options.user)) fail(file, fmt::format("has no user \"{}\"", options.user), EX_DATAERR);
  } else {
    auto password = ::isatty(STDIN_FILENO) != 0 ? ask_twice() : read_line();
    if (!password) return EX_DATAERR;
    if (password->empty() || password->size() > kMostBytes) {
      fmt::print(stderr, "ferrule: a password has 1 to {} bytes\n", kMostBytes);
      return EX_DATAERR;
    }
    text = mqtt::with_password(text, options.user, *password, options.scram);
    mqtt::wipe(*password);
  }
  Replacement replacement(file);
  if (exists) replacement.keep_owner_of(old);
  replacement.commit(text);
  return EX_OK;
}

}  // namespace ferrule::gateway
