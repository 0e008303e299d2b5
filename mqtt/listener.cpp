#include "mqtt/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "mqtt/address.hpp"
#include "mqtt/listening_socket.hpp"
#include "mqtt/socket_transport.hpp"
#include "mqtt/websocket_transport.hpp"

namespace ferrule::mqtt {

namespace {

constexpr int kAcceptsPerTurn = 128;  // so that a flood of connections leaves time for those that are there
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kAcceptLogInterval{10};
constexpr std::chrono::seconds kCertificateInterval{2};

/// libmodbus selects on descriptors below FD_SETSIZE: leave those to the buses. Where the limit on open files forbids a
/// higher one, the connection keeps what it has.
int move_up(int descriptor) {
  const int moved = ::fcntl(descriptor, F_DUPFD_CLOEXEC, FD_SETSIZE);
  if (moved < 0) return descriptor;
  ::close(descriptor);
  return moved;
}

bool comes_from(const std::vector<Network>& networks, const Address& address) {
  return std::ranges::any_of(networks, [&](const Network& network) { return network.contains(address); });
}

void reload(ListenPoint& point) {
  const auto reloaded = point.tls->reload_if_changed();
  if (!reloaded) {
    spdlog::error("broker: {}: certificates stay as they were: {}", point.name, reloaded.error());
  } else if (*reloaded) {
    spdlog::info("broker: {}: certificates read again", point.name);
  }
}

}  // namespace

class Listener::Impl final : private Poller::Watched {
 public:
  Impl(Loop& loop, const ListenSettings& settings, std::size_t index, Accept accept)
      : point_(std::make_shared<ListenPoint>(settings, index)),
        loop_(loop),
        descriptor_(open_listening(settings)),
        accept_(std::move(accept)) {
    name_it();
    loop_.poller().add(descriptor_, EPOLLIN, *this);
    if (point_->tls == nullptr) return;
    loop_.every(kCertificateInterval, [weak = std::weak_ptr(point_)] {
      if (const auto point = weak.lock()) reload(*point);
    });
  }

  ~Impl() {
    loop_.poller().remove(descriptor_, *this);
    loop_.poller().forget(resume_at_, *this);
    ::close(descriptor_);
    if (!point_->settings.unix_path.empty()) ::unlink(point_->settings.unix_path.c_str());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return port_; }
  ListenPoint& point() const { return *point_; }

 private:
  void name_it() {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&storage), &size);
    const Address address(storage);
    port_ = address.port();
    point_->name = address.is_internet() ? address.text() : point_->settings.unix_path;
    if (!point_->settings.systemd.empty() && !address.is_internet()) point_->name = point_->settings.systemd;
    if (!point_->settings.name.empty()) point_->name = fmt::format("{} ({})", point_->settings.name, point_->name);
  }

  void on_ready(std::uint32_t /*events*/) override {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      sockaddr_storage storage{};
      socklen_t size = sizeof storage;
      const int descriptor =
          ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return pause_after(errno);
      }
      let_in(descriptor, Address(storage));
    }
  }

  void let_in(int descriptor, const Address& peer) {
    const ListenSettings& settings = point_->settings;
    if (settings.max_connections > 0 && point_->open >= settings.max_connections) {
      ++point_->counters.refused_full;
      point_->complain(peer.text(), fmt::format("refused: {} connections are open already", point_->open));
      ::close(descriptor);
      return;
    }
    if (!settings.proxies.empty() && !comes_from(settings.proxies, peer)) {
      ++point_->counters.refused_proxy;
      point_->complain(peer.text(), "refused: not one of the listener's proxies");
      ::close(descriptor);
      return;
    }
    ++point_->counters.accepted;
    std::unique_ptr<Transport> transport = std::make_unique<SocketTransport>(loop_, move_up(descriptor), peer, point_);
    if (settings.protocol == Protocol::WebSocket) {
      transport = std::make_unique<WebSocketTransport>(std::move(transport), point_);
    }
    accept_(std::move(transport));
  }

  /// Out of descriptors or memory: the connection stays in the backlog, and trying again at once would only burn CPU.
  void pause_after(int error) {
    const auto failed = ++point_->counters.failed_accepts;
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_log_) {
      spdlog::warn("broker: {} cannot accept connections: {} ({} times so far); trying on", point_->name,
                   std::strerror(error), failed);
      next_log_ = now + kAcceptLogInterval;
    }
    resume_at_ = now + kAcceptPause;
    loop_.poller().change(descriptor_, 0, *this);
    loop_.poller().call_at(resume_at_, *this);
  }

  void on_deadline() override { loop_.poller().change(descriptor_, EPOLLIN, *this); }

  // Constant after construction.
  const std::shared_ptr<ListenPoint> point_;
  Loop& loop_;
  const int descriptor_;
  const Accept accept_;
  std::uint16_t port_ = 0;
  // Thread: broker.
  Poller::Time resume_at_{};
  Poller::Time next_log_{};
};

Listener::Listener(Loop& loop, const ListenSettings& settings, std::size_t index, Accept accept)
    : impl_(std::make_unique<Impl>(loop, settings, index, std::move(accept))) {}
Listener::~Listener() = default;

std::uint16_t Listener::port() const { return impl_->port(); }
void Listener::tell(const std::function<void(std::string_view name, std::uint64_t value)>& show) const {
  const ListenPoint& point = impl_->point();
  std::string name = label(point.settings);
  for (char& c : name) {
    if (c == '/' || c == '+' || c == '#') c = '_';
  }
  const ListenerCounters& counters = point.counters;
  const std::pair<const char*, std::uint64_t> figures[] = {{"connections", point.open},
                                                           {"accepted", counters.accepted},
                                                           {"failed_accepts", counters.failed_accepts},
                                                           {"refused_full", counters.refused_full},
                                                           {"refused_proxy", counters.refused_proxy},
                                                           {"failed_tls", counters.failed_tls},
                                                           {"resumed_tls", counters.resumed_tls},
                                                           {"refused_upgrades", counters.refused_upgrades},
                                                           {"failed_websockets", counters.failed_websockets}};
  for (const auto& [what, value] : figures) show(fmt::format("listeners/{}/{}", name, what), value);
}

const std::string& Listener::name() const { return impl_->point().name; }
std::size_t Listener::connections() const { return impl_->point().open; }
const ListenerCounters& Listener::counters() const { return impl_->point().counters; }

void Listener::reload_certificates() {
  if (impl_->point().tls != nullptr) reload(impl_->point());
}

}  // namespace ferrule::mqtt
