// What is wrong in a configuration, and where.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::config {

/// A place in a configuration file. Lines and columns count from 1; 0 means "the file as a whole".
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
};

/// One mistake, printed as `FILE:LINE:COL: error: path: message` with the source line and a caret below; a warning,
/// which keeps nothing from running, as `FILE:LINE:COL: warning: ...`.
struct Mistake {
  Location where;
  std::string path;         ///< dotted, e.g. `devices.meter1.points.voltage.type`; may be empty
  std::string message;      ///< says what is wrong and, after it, what would be right
  std::string source_line;  ///< with secrets as `***`; empty when the file could not be read or the line is huge
  int caret = 0;            ///< column of the caret in source_line when a hidden secret moved it; 0: that of `where`
  bool warning = false;

  /// Without a line feed at the end. A long source line is shown around the caret only; control characters as `\xNN`.
  std::string text() const;
};

/// Thrown by start-up and configuration, and caught by `main` only. Holds every mistake found in one run (at least
/// one).
class Error : public std::exception {
 public:
  /// `unlisted`: mistakes beyond those, which were only counted. The text shows the first 100 and "... and N more".
  explicit Error(std::vector<Mistake> mistakes, std::size_t unlisted = 0);
  /// `exit_code`: what the process ends with, from <sysexits.h>. EX_CONFIG (78) unless the configuration is right and
  /// the machine is not: EX_UNAVAILABLE (69) for an address in use, EX_CANTCREAT (73) for a state directory or file.
  Error(Location where, std::string path, std::string message, int exit_code = 78);

  const char* what() const noexcept override { return text_.c_str(); }  ///< all mistakes, a block each
  const std::vector<Mistake>& mistakes() const { return mistakes_; }
  int exit_code() const { return exit_code_; }

 private:
  std::vector<Mistake> mistakes_;
  std::string text_;
  int exit_code_ = 78;
};

}  // namespace ferrule::config
