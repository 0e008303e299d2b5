#include "drivers/resolver.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace ferrule::drivers {

/// What the bus thread and the looking-up thread share. Whoever lets go last frees it.
struct Resolver::Lookup {
  Lookup() : done(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Lookup() {
    if (done >= 0) ::close(done);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  const int done;  // readable once the result is there
  std::mutex mutex;
  int error = 0;
  std::vector<Endpoint> endpoints;
};

namespace {

int look_up(const std::string& host, const std::string& service, int flags, std::vector<Endpoint>& endpoints) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &list); error != 0) return error;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Endpoint endpoint;
    std::memcpy(&endpoint.address, entry->ai_addr, entry->ai_addrlen);
    endpoint.length = entry->ai_addrlen;
    endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(list);
  return endpoints.empty() ? EAI_NONAME : 0;
}

Fault unresolved(const std::string& host, const char* why) {
  return {Failure::PortLost, fmt::format("cannot resolve `{}`: {}", host, why)};
}

}  // namespace

Resolver::Resolver(std::string host, std::uint16_t port, const StopSignal& stop)
    : host_(std::move(host)), service_(std::to_string(port)), stop_(stop) {}

Resolver::~Resolver() = default;

tl::expected<std::vector<Endpoint>, Fault> Resolver::resolve(TimePoint deadline) {
  std::vector<Endpoint> endpoints;
  if (look_up(host_, service_, AI_NUMERICHOST, endpoints) == 0) return endpoints;

  if (!lookup_) {
    auto lookup = std::make_shared<Lookup>();
    if (lookup->done < 0) return tl::unexpected(unresolved(host_, std::strerror(errno)));
    try {
      std::thread([lookup, host = host_, service = service_] {
        ::pthread_setname_np(::pthread_self(), "resolver");
        std::vector<Endpoint> found;
        const int error = look_up(host, service, AI_ADDRCONFIG, found);
        const std::lock_guard lock(lookup->mutex);
        lookup->error = error;
        lookup->endpoints = std::move(found);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(lookup->done, &one, sizeof one);
      }).detach();
    } catch (const std::system_error& error) {
      return tl::unexpected(unresolved(host_, error.what()));
    }
    lookup_ = std::move(lookup);
  }

  if (stop_.wait(lookup_->done, POLLIN, deadline) != Woke::Ready)
    return tl::unexpected(unresolved(host_, "no answer in time"));
  const auto lookup = std::move(lookup_);
  const std::lock_guard lock(lookup->mutex);
  if (lookup->error != 0) return tl::unexpected(unresolved(host_, ::gai_strerror(lookup->error)));
  return std::move(lookup->endpoints);
}

}  // namespace ferrule::drivers
