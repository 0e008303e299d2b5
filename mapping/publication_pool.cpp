#include "mapping/publication_pool.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace ferrule::mapping {

/// A publication with the room that a shared_ptr to it needs for its count.
struct PublicationPool::Slot {
  mqtt::Publication publication;
  alignas(std::max_align_t) std::array<std::byte, 64> control_block;
  std::shared_ptr<Spare> home;  ///< while it is in use
};

struct PublicationPool::Spare {
  Spare() { slots.reserve(kMaxSpare); }

  std::mutex mutex;
  std::vector<std::unique_ptr<Slot>> slots;
};

/// What a shared_ptr does instead of deleting.
struct PublicationPool::Clear {
  void operator()(mqtt::Publication* used) const {
    used->topic.clear();
    used->payload.clear();
    used->properties.clear();
    used->origin.clear();
    used->expires.reset();
  }
};

/// Where a shared_ptr has its control block, which is the last it gives back.
template <class T>
struct PublicationPool::Allocator {
  using value_type = T;

  explicit Allocator(Slot* in) : slot(in) {}
  template <class U>
  explicit Allocator(const Allocator<U>& other) : slot(other.slot) {}

  T* allocate(std::size_t) {
    static_assert(sizeof(T) <= sizeof(slot->control_block) && alignof(T) <= alignof(std::max_align_t));
    return reinterpret_cast<T*>(slot->control_block.data());
  }
  void deallocate(T*, std::size_t) { give_back(std::unique_ptr<Slot>(slot)); }

  Slot* slot;
};

void PublicationPool::give_back(std::unique_ptr<Slot> slot) {
  const auto home = std::move(slot->home);
  const std::scoped_lock lock(home->mutex);
  if (home->slots.size() < kMaxSpare) home->slots.push_back(std::move(slot));
}

PublicationPool::PublicationPool() : spare_(std::make_shared<Spare>()) {}

std::shared_ptr<mqtt::Publication> PublicationPool::take() {
  std::unique_ptr<Slot> slot;
  {
    const std::scoped_lock lock(spare_->mutex);
    if (!spare_->slots.empty()) {
      slot = std::move(spare_->slots.back());
      spare_->slots.pop_back();
    }
  }
  if (!slot) slot = std::make_unique<Slot>();
  slot->home = spare_;
  auto* const taken = slot.release();
  return {&taken->publication, Clear(), Allocator<mqtt::Publication>(taken)};
}

}  // namespace ferrule::mapping
