// The bytes between us and the cloud, without MQTT.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

namespace ferrule::bridge {

/// A connected stream that never blocks. Thread: one. Errors are texts that a person can act upon; the stream is of no
/// use after one.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual int descriptor() const = 0;
  /// What to poll the descriptor for, besides what comes: POLLOUT when `read` or `write` could not go on without.
  virtual short waits_for() const = 0;
  /// Bytes put into `buffer`; 0: none for now.
  virtual tl::expected<std::size_t, std::string> read(std::span<char> buffer) = 0;
  /// Bytes taken, from the first piece on; fewer than there are: no more for now.
  virtual tl::expected<std::size_t, std::string> write(std::span<const iovec> pieces) = 0;
};

/// Waits until the descriptor is ready for `events` (poll's); false when there is no more time for it.
using Wait = std::function<bool(int descriptor, short events)>;

/// Over TCP to a numeric address with port.
tl::expected<std::unique_ptr<Stream>, std::string> open_tcp(const std::string& address, const Wait& wait);

}  // namespace ferrule::bridge
