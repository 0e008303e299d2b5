// `ferrule passwd`: sets or removes a user's password in a password file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ferrule::gateway {

struct PasswdOptions {
  std::filesystem::path file;  ///< created when missing
  std::string user;
  bool remove = false;  ///< the user, instead of setting a password
  /// Whether the user must be there already, or must not be; else either will do.
  std::optional<bool> exists = {};
  bool scram = true;  ///< write the keys for SCRAM-SHA-256 too
};

/// Asks for the password twice at a terminal, without showing it; otherwise reads one line of standard input. The file
/// is replaced as a whole or not at all: a new one gets mode 0600, an existing one keeps its owner, and its group may
/// go on reading. Returns the exit code; throws config::Error for a file that cannot be read or written.
int passwd(const PasswdOptions& options);

}  // namespace ferrule::gateway
