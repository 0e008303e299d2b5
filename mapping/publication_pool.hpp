// Publications whose memory is used again when the last of their holders lets go.
#pragma once

#include <cstddef>
#include <memory>

#include "mqtt/publication.hpp"

namespace ferrule::mapping {

/// Keeps what some hundreds of publications need, so that readings in steady state allocate nothing. Publications may
/// outlive it. Any thread: one serves all buses, of which there may be 500 (mqtt::PublicationPool, without locks, is of
/// one thread, and would keep as much for each of them).
class PublicationPool {
 public:
  static constexpr std::size_t kMaxSpare = 512;  // what is beyond is freed

  PublicationPool();

  /// An empty one, perhaps with room for a topic and a payload.
  std::shared_ptr<mqtt::Publication> take();

 private:
  struct Slot;
  struct Spare;
  struct Clear;
  template <class T>
  struct Allocator;
  static void give_back(std::unique_ptr<Slot> slot);

  std::shared_ptr<Spare> spare_;
};

}  // namespace ferrule::mapping
