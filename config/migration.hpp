// Versions of the configuration's language, and the way of a file from one to the next.
//
// A file says its version (`version: 1`; without the key it is 1) and means by it what that version meant, in every
// Ferrule since. An older one is read as if it were written in today's language, which a warning for each place shows;
// the file itself stays as it is until `ferrule migrate` is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "config/error.hpp"

namespace ferrule::config {

inline constexpr std::int64_t kLanguageVersion = 2;

/// What a configuration is in today's language.
struct Migration {
  std::int64_t from = kLanguageVersion;      ///< its version
  std::vector<Mistake> changes;              ///< warnings, one for each place that is written otherwise now
  std::map<std::string, std::string> texts;  ///< of its files that change, by name: all but their places as they were
  std::string first;                         ///< the one of them that says the version
};

/// Of a file or a directory, with what it includes. Throws Error as Document::load does.
Migration migrate(const std::filesystem::path& file);

}  // namespace ferrule::config
