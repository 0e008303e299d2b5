#include "bench/broker/relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ferrule::bench {

namespace {

using namespace std::string_view_literals;

struct Peer {
  int socket = -1;
  bool subscriber = false;
  bool waits_for_room = false;
  std::string output;
};

class Relay {
 public:
  explicit Relay(std::uint16_t port) : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::exit(1);
    listen(listener_, SOMAXCONN);
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
  }

  void turn() {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == listener_) {
        accept_all();
      } else if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read(*peers_.at(event.data.fd));
      }
      if ((event.events & EPOLLOUT) != 0 && peers_.contains(event.data.fd)) dirty_.push_back(event.data.fd);
    }
    for (const int socket : dirty_) {
      if (const auto peer = peers_.find(socket); peer != peers_.end()) flush(*peer->second);
    }
    dirty_.clear();
  }

 private:
  void watch(int socket, std::uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    epoll_ctl(epoll_, operation, socket, &event);
  }

  void accept_all() {
    for (int socket; (socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      const int on = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      peers_[socket] = std::make_unique<Peer>(Peer{socket, false, false, {}});
      watch(socket, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  void append(Peer& peer, std::string_view bytes) {
    if (peer.output.empty()) dirty_.push_back(peer.socket);
    peer.output += bytes;
  }

  void read(Peer& peer) {
    const auto length = recv(peer.socket, chunk_.data(), chunk_.size(), 0);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
      std::erase(subscribers_, &peer);
      close(peer.socket);
      peers_.erase(peer.socket);
      return;
    }
    const std::string_view bytes(chunk_.data(), static_cast<std::size_t>(length));
    switch (static_cast<unsigned char>(bytes[0]) & 0xf0) {
      case 0x10:
        return append(peer, "\x20\x02\x00\x00"sv);
      case 0x80:
        if (!peer.subscriber) subscribers_.push_back(&peer);
        peer.subscriber = true;
        return append(peer, "\x90\x03\x00\x01\x00"sv);
      case 0x30:
        return forward(peer, bytes);
      default:
        return;  // a subscriber's acknowledgements
    }
  }

  void forward(Peer& publisher, std::string_view bytes) {
    for (Peer* subscriber : subscribers_) append(*subscriber, bytes);
    if ((bytes[0] & 6) == 0) return;
    const auto packet = 2U + static_cast<unsigned char>(bytes[1]);
    for (std::size_t at = 0; at < bytes.size(); at += packet) append(publisher, "\x40\x02\x00\x01"sv);
  }

  void flush(Peer& peer) {
    const auto sent = send(peer.socket, peer.output.data(), peer.output.size(), MSG_NOSIGNAL);
    if (sent > 0) peer.output.erase(0, static_cast<std::size_t>(sent));
    const bool full = !peer.output.empty();
    if (full != peer.waits_for_room) watch(peer.socket, EPOLLIN | (full ? EPOLLOUT : 0U), EPOLL_CTL_MOD);
    peer.waits_for_room = full;
  }

  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  const int listener_;
  std::array<char, 256 * 1024> chunk_;
  std::unordered_map<int, std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> subscribers_;
  std::vector<int> dirty_;
};

}  // namespace

void relay(std::uint16_t port) {
  const auto loop = std::make_unique<Relay>(port);
  while (true) loop->turn();
}

}  // namespace ferrule::bench
