#include "gateway/migrate.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <system_error>

#include "config/migration.hpp"
#include "gateway/format.hpp"
#include "gateway/settings.hpp"

namespace ferrule::gateway {

namespace {

/// One that is there already is of an earlier try, and nearer to what the file once was.
std::string keep_copy(const std::string& file, std::int64_t version) {
  auto copy = fmt::format("{}.v{}", file, version);
  std::error_code error;
  std::filesystem::copy_file(file, copy, std::filesystem::copy_options::skip_existing, error);
  if (error) throw config::Error({copy, 0, 0}, {}, "cannot be written: " + error.message(), EX_CANTCREAT);
  return copy;
}

}  // namespace

int migrate(const MigrateOptions& options) {
  const auto migration = config::migrate(options.file);
  const auto name = options.file.string();
  if (migration.from == config::kLanguageVersion) {
    fmt::print("{}: is of version {}, as it should be\n", name, migration.from);
    return EX_OK;
  }
  load_settings(options.file);  // a file with mistakes is mended first
  for (const auto& change : migration.changes) fmt::print("{}\n", change.text());
  if (options.check) {
    fmt::print("{}: is of version {}; ferrule migrate {} makes version {} of it\n", name, migration.from, name,
               config::kLanguageVersion);
    return 1;
  }
  // The version last: until then everything still says what it said.
  const auto write = [&](const std::string& named, const std::string& text) {
    const auto file = std::filesystem::canonical(named).string();  // a link stays one
    const auto copy = keep_copy(file, migration.from);
    replace_file(file, text);
    fmt::print("{}: is of version {} now; {} is what it was\n", file, config::kLanguageVersion, copy);
  };
  for (const auto& [file, text] : migration.texts) {
    if (file != migration.first) write(file, text);
  }
  write(migration.first, migration.texts.at(migration.first));
  return EX_OK;
}

}  // namespace ferrule::gateway
