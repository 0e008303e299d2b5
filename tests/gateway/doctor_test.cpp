#include "gateway/doctor.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace ferrule::gateway {
namespace {

/// A port of 127.0.0.1 that takes connections; on other addresses of this machine nobody listens there.
class Listening {
 public:
  Listening() {
    auto address = at("127.0.0.1");
    ::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(descriptor_, 8);
    socklen_t size = sizeof address;
    ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = address.sin_port;
  }
  ~Listening() { ::close(descriptor_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  sockaddr_in at(const char* host) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = port_;
    ::inet_pton(AF_INET, host, &address.sin_addr);
    return address;
  }

 private:
  const int descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  in_port_t port_ = 0;
};

addrinfo of(sockaddr_in& address, addrinfo* next) {
  addrinfo info{};
  info.ai_family = AF_INET;
  info.ai_socktype = SOCK_STREAM;
  info.ai_addr = reinterpret_cast<sockaddr*>(&address);
  info.ai_addrlen = sizeof address;
  info.ai_next = next;
  return info;
}

TEST(Doctor, TriesEveryAddressOfAHost) {
  const Listening listening;
  std::array places{listening.at("127.0.0.2"), listening.at("127.0.0.3"), listening.at("127.0.0.1")};
  addrinfo good = of(places[2], nullptr);
  addrinfo second = of(places[1], &good);
  const addrinfo first = of(places[0], &second);
  EXPECT_EQ(why_unreachable(first), "");
  second.ai_next = nullptr;
  EXPECT_EQ(why_unreachable(first), "Connection refused");
}

TEST(Doctor, GoesOnWhenTheMachineHasNoSuchFamily) {
  const Listening listening;
  auto place = listening.at("127.0.0.1");
  addrinfo good = of(place, nullptr);
  addrinfo strange = of(place, &good);
  strange.ai_family = AF_ROSE;  // nobody has a socket of amateur radio
  EXPECT_EQ(why_unreachable(strange), "");
}

}  // namespace
}  // namespace ferrule::gateway
