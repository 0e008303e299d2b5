#include "gateway/diag.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "gateway/control_client.hpp"
#include "gateway/redact.hpp"

namespace ferrule::gateway {

namespace {

/// Runs a program with its output into `output`; true when it ended well.
bool run_into(const std::filesystem::path& output, std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return false;
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

/// A directory that goes with us.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ferrule-diag-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw config::Error({}, {}, "cannot make a directory like " + name, EX_CANTCREAT);
    path = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::filesystem::path path;
};

void add_answers(const std::filesystem::path& directory, const std::filesystem::path& socket) {
  for (const char* command : {"status", "points", "events"}) {
    std::ofstream file(directory / fmt::format("{}.json", command));
    auto client = ControlClient::connect(socket);
    const auto answer = client ? client->call({{"command", command}}) : tl::unexpected(client.error());
    file << (answer ? answer->dump(2, ' ', false, nlohmann::json::error_handler_t::replace) : answer.error().message)
         << '\n';
  }
}

void add_configuration(const std::filesystem::path& file, const std::filesystem::path& copy) {
  std::ifstream input(file);
  const std::string text{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  std::ofstream(copy) << redacted(text);
}

/// A file, or those of a directory.
void add_configurations(const std::filesystem::path& directory, const std::filesystem::path& given) {
  if (!std::filesystem::is_directory(given)) return add_configuration(given, directory / "configuration.yaml");
  std::filesystem::create_directory(directory / "configuration");
  for (const auto& entry : std::filesystem::directory_iterator(given)) {
    const auto& file = entry.path();
    if (file.extension() == ".yaml") add_configuration(file, directory / "configuration" / file.filename());
  }
}

}  // namespace

int diag(const DiagOptions& options) {
  const Scratch scratch;
  const auto name = fmt::format("ferrule-diag-{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::time(nullptr)));
  const auto directory = scratch.path / name;
  std::filesystem::create_directory(directory);
  add_answers(directory, options.socket.empty() ? default_control_socket() : options.socket);
  if (!options.file.empty()) add_configurations(directory, options.file);
  std::ofstream(directory / "version.txt") << "ferrule " FERRULE_VERSION "\n";
  run_into(directory / "system.txt", {"uname", "-srvmo"});
  run_into(directory / "disk.txt", {"df", "-h"});
  run_into(directory / "journal.txt", {"journalctl", "-u", "ferrule", "-n", "1000", "--no-pager", "-o", "short-iso"});
  const auto output = options.output.empty() ? std::filesystem::path(name + ".tar.gz") : options.output;
  if (!run_into(scratch.path / "tar.txt", {"tar", "-czf", output.string(), "-C", scratch.path.string(), name})) {
    throw config::Error({}, {}, fmt::format("cannot write {}", output.string()), EX_CANTCREAT);
  }
  std::filesystem::permissions(output, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  fmt::print("{}\n", output.string());
  fmt::print(stderr, "Look through it before you send it: names of devices, topics and users are in it.\n");
  return EX_OK;
}

}  // namespace ferrule::gateway
