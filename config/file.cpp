#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "config/tree.hpp"

namespace ferrule::config {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int value() const { return value_; }

 private:
  int value_;
};

std::string reason(int error) {
  switch (error) {
    case ENOENT:
      return "does not exist";
    case EACCES:
      return "must not be read by this user (permission denied)";
    case ENOTDIR:
      return "does not exist (a part of its path is not a directory)";
    default:
      return "cannot be read: " + std::system_category().message(error);
  }
}

}  // namespace

bool read_file(const std::filesystem::path& file, std::size_t limit, bool regular_only, std::string& content,
               std::string& why) {
  // A pipe that nobody writes to must not hang the start where only a file makes sense.
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular_only ? O_NONBLOCK : 0);
  const Descriptor in(::open(file.c_str(), flags));
  struct stat info {};
  if (in.value() < 0 || ::fstat(in.value(), &info) != 0) return why = reason(errno), false;
  if (S_ISDIR(info.st_mode)) return why = "is a directory", false;
  if (regular_only && !S_ISREG(info.st_mode)) return why = "is not a regular file", false;
  content.clear();
  char buffer[65536];
  while (true) {
    const auto got = ::read(in.value(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return why = reason(errno), false;
    if (got == 0) return true;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit) return why = "is larger than " + size_text(limit), false;
  }
}

}  // namespace ferrule::config
