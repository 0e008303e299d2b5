// The file of users and password hashes that `ferrule passwd` and mosquitto_passwd write.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "mqtt/credentials.hpp"

namespace ferrule::mqtt {

/// One user per line; empty lines and lines that begin with # say nothing:
///   USER:HASH                  any hash that PasswordHash reads
///   USER:HASH:SCRAM            and keys that ScramKeys reads
struct PasswordFile {
  struct Line {
    std::string user;
    Credentials credentials;
    int line = 0;  ///< counted from 1
  };
  struct Fault {
    int line = 0, column = 0;  ///< counted from 1
    std::string message;       ///< never shows what stands behind the user's name
  };
  std::vector<Line> lines;
  std::vector<Fault> faults;  ///< at most 100; the lines are left out of `lines`

  static PasswordFile parse(std::string_view text);
  /// Reads at most 16 MiB; the error says why it could not.
  static tl::expected<PasswordFile, std::string> load(const std::filesystem::path& file);
};

/// The text of a password file; the error says why it cannot be read.
tl::expected<std::string, std::string> read_password_text(const std::filesystem::path& file);

/// Empty when `name` may be a user's: 1 to 256 bytes of UTF-8 without control characters and colons, not beginning with
/// #.
std::string fault_in_user_name(std::string_view name);

/// The text of a password file with the user's line replaced or added; everything else stays as it is.
std::string with_password(std::string_view text, std::string_view user, std::string_view password, bool scram);
/// The same without the user's line; false when there was none.
bool remove_user(std::string& text, std::string_view user);

}  // namespace ferrule::mqtt
