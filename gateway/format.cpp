#include "gateway/format.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "config/error.hpp"
#include "config/format.hpp"
#include "gateway/durable_file.hpp"

namespace ferrule::gateway {

namespace {

std::string read(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) throw config::Error({file.string(), 0, 0}, {}, "cannot be read", EX_NOINPUT);
  return text.str();
}

std::vector<std::filesystem::path> files_of(const FormatOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const auto& named : options.files) {
    if (!std::filesystem::is_directory(named)) {
      files.push_back(named);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(named)) {
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

void replace_file(const std::filesystem::path& file, const std::string& text) {
  const auto beside = file.string() + ".new";
  std::error_code error;
  const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0 || !write_durably(descriptor, text)) error.assign(errno, std::generic_category());
  if (descriptor >= 0) ::close(descriptor);
  if (!error) std::filesystem::permissions(beside, std::filesystem::status(file).permissions(), error);
  if (!error) std::filesystem::rename(beside, file, error);
  if (!error) return sync_directory(file.parent_path());
  std::error_code ignored;
  std::filesystem::remove(beside, ignored);
  throw config::Error({file.string(), 0, 0}, {}, "cannot be written: " + error.message(), EX_CANTCREAT);
}

int format_files(const FormatOptions& options) {
  bool all_well = true;
  for (const auto& named : files_of(options)) {
    std::error_code missing;
    const auto canonical = std::filesystem::canonical(named, missing);  // a link stays one
    const auto file = missing ? named : canonical;
    const auto before = read(file);
    const auto after = config::formatted(before, named.string());
    if (after == before) continue;
    all_well = false;
    if (!options.check) replace_file(file, after);
    fmt::print("{}\n", named.string());
  }
  return all_well || !options.check ? EX_OK : 1;
}

}  // namespace ferrule::gateway
