#include "gateway/log.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace ferrule::gateway {

namespace {

/// Syslog priority of a line, as sd-daemon(3) has it.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& line, const std::tm&, spdlog::memory_buf_t& out) override {
    const char* priority = line.level >= spdlog::level::critical ? "<2>"
                           : line.level == spdlog::level::err    ? "<3>"
                           : line.level == spdlog::level::warn   ? "<4>"
                           : line.level == spdlog::level::info   ? "<6>"
                                                                 : "<7>";
    out.append(priority, priority + 3);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

class Lines final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Lines(std::function<void(std::string)> show) : show_(std::move(show)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    const auto level = spdlog::level::to_string_view(line.level);
    show_(fmt::format("{}: {}", std::string_view(level.data(), level.size()),
                      std::string_view(line.payload.data(), line.payload.size())));
  }
  void flush_() override {}

  const std::function<void(std::string)> show_;
};

/// systemd.exec(5): JOURNAL_STREAM is device and inode of the stream that the journal reads.
bool standard_error_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

}  // namespace

void set_up_log() {
  auto logger = std::make_shared<spdlog::logger>("ferrule", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  if (standard_error_is_the_journal()) {
    formatter->add_flag<Priority>('*').set_pattern("%*%v");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v");
  }
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void log_lines_to(std::function<void(std::string)> show) {
  const auto level = spdlog::get_level();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("ferrule", std::make_shared<Lines>(std::move(show))));
  spdlog::set_level(level);
}

void quiet_log() { spdlog::set_level(spdlog::level::warn); }

}  // namespace ferrule::gateway
