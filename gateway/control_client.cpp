#include "gateway/control_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr const char* kServiceSocket = "/run/ferrule/control.sock";
constexpr const char* kSocketByHand = "/var/lib/ferrule/control.sock";  // of a gateway that systemd did not start
constexpr std::chrono::milliseconds kForEver{-1};

tl::unexpected<ControlFailure> cannot_connect(const std::string& path, int error) {
  switch (error) {
    case EACCES:
      return tl::unexpected(ControlFailure{
          "not-permitted",
          fmt::format("{}: permission denied; members of the group ferrule may: sudo usermod -aG ferrule $USER", path),
          EX_NOPERM});
    case ENOENT:
    case ECONNREFUSED:
      return tl::unexpected(ControlFailure{
          "unreachable",
          fmt::format("no gateway answers at {}; is it running? Another socket is named with --socket", path),
          EX_UNAVAILABLE});
    default:
      return tl::unexpected(
          ControlFailure{"unreachable", fmt::format("{}: {}", path, std::strerror(error)), EX_UNAVAILABLE});
  }
}

ControlFailure lost(const char* how) { return {"lost", how, EX_UNAVAILABLE}; }

}  // namespace

std::filesystem::path default_control_socket() {
  const char* path = std::getenv("FERRULE_CONTROL");
  if (path != nullptr && *path != '\0') return path;
  const bool only_by_hand = ::access(kServiceSocket, F_OK) != 0 && ::access(kSocketByHand, F_OK) == 0;
  return only_by_hand ? kSocketByHand : kServiceSocket;
}

tl::expected<ControlClient, ControlFailure> ControlClient::connect(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) return cannot_connect(path.string(), ENAMETOOLONG);
  path.native().copy(address.sun_path, path.native().size());
  ControlClient client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (client.descriptor_ < 0 ||
      ::connect(client.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return cannot_connect(path.string(), errno);
  }
  return client;
}

ControlClient::~ControlClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ControlClient::ControlClient(ControlClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), input_(std::move(other.input_)), id_(other.id_) {}

bool ControlClient::send(const json& request) {
  const auto text = request.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::send(descriptor_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

tl::expected<json, ControlFailure> ControlClient::next_answer(std::chrono::milliseconds patience) {
  std::array<char, 16 * 1024> buffer{};
  std::size_t searched = 0;
  for (;;) {
    if (const auto end = input_.find('\n', searched); end != std::string::npos) {
      auto answer = json::parse(input_.substr(0, end), nullptr, false);
      input_.erase(0, end + 1);
      if (!answer.is_object()) return tl::unexpected(lost("the gateway's answer cannot be read"));
      return answer;
    }
    searched = input_.size();
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(patience.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return tl::unexpected(lost("the gateway does not answer"));
    const ssize_t n = ready < 0 ? -1 : ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return tl::unexpected(lost("the gateway closed the connection"));
    input_.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

tl::expected<json, ControlFailure> ControlClient::call(json request) { return stream(std::move(request), nullptr); }

tl::expected<json, ControlFailure> ControlClient::stream(json request,
                                                         const std::function<bool(const json&)>& on_item) {
  request["id"] = ++id_;
  if (!send(request)) return tl::unexpected(lost("the gateway closed the connection"));
  for (;;) {
    auto answer = next_answer(on_item == nullptr ? std::chrono::milliseconds(kPatience) : kForEver);
    if (!answer) return tl::unexpected(answer.error());
    if (answer->contains("item")) {
      if (on_item == nullptr || on_item((*answer)["item"])) continue;
      return json();
    }
    if (answer->contains("result")) return (*answer)["result"];
    const auto error = answer->value("error", json::object());
    return tl::unexpected(
        ControlFailure{error.value("code", "internal"), error.value("message", "the command failed"), EX_DATAERR});
  }
}

}  // namespace ferrule::gateway
