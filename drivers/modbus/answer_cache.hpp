// What units answered lately, for other masters that ask the same.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "drivers/modbus/client.hpp"
#include "drivers/stop_signal.hpp"

namespace ferrule::drivers::modbus {

/// Whole answers, as they came. A request is answered from one of them or not at all: registers that were read at two
/// times might be halves of two values. Bounded (policy: the oldest answer goes). Any thread. Until somebody asks for
/// the first time nothing is kept: most buses are nobody else's.
class AnswerCache {
 public:
  static constexpr std::size_t kMost = 512;

  /// `data` as in Client::read.
  void keep(const Request& request, std::span<const std::uint8_t> data, TimePoint now);
  /// The data of a read, if an answer that came at `since` or later holds all of it.
  std::optional<std::vector<std::uint8_t>> find(const Request& request, TimePoint since);
  /// Something was written to the unit, or to all of them (0): nothing is known of it any more.
  void forget(std::uint8_t unit);

 private:
  struct Answer {
    Request request;
    TimePoint at;
    std::vector<std::uint8_t> data;
  };

  std::atomic<bool> wanted_ = false;
  std::mutex mutex_;
  std::vector<Answer> answers_;  // guarded by mutex_
};

}  // namespace ferrule::drivers::modbus
