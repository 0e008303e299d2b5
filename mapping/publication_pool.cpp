#include "mapping/publication_pool.hpp"

#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace ferrule::mapping {

struct PublicationPool::Spare {
  Spare() {
    publications.reserve(kMaxSpare);
    blocks.reserve(kMaxSpare);
  }
  ~Spare() {
    for (void* block : blocks) ::operator delete(block);
  }
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;

  std::mutex mutex;
  std::vector<std::unique_ptr<mqtt::Publication>> publications;
  std::vector<void*> blocks;  // of one size: control blocks
};

/// What a shared_ptr does instead of deleting.
struct PublicationPool::Return {
  std::shared_ptr<Spare> spare;

  void operator()(mqtt::Publication* used) const {
    std::unique_ptr<mqtt::Publication> publication(used);
    publication->topic.clear();
    publication->payload.clear();
    publication->properties.clear();
    publication->origin.clear();
    publication->expires.reset();
    const std::scoped_lock lock(spare->mutex);
    if (spare->publications.size() < kMaxSpare) spare->publications.push_back(std::move(publication));
  }
};

/// Where a shared_ptr gets its control block from; only ever one at a time.
template <class T>
struct PublicationPool::Allocator {
  using value_type = T;

  explicit Allocator(std::shared_ptr<Spare> from) : spare(std::move(from)) {}
  template <class U>
  explicit Allocator(const Allocator<U>& other) : spare(other.spare) {}

  T* allocate(std::size_t count) {
    {
      const std::scoped_lock lock(spare->mutex);
      if (!spare->blocks.empty()) {
        void* block = spare->blocks.back();
        spare->blocks.pop_back();
        return static_cast<T*>(block);
      }
    }
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t) {
    const std::scoped_lock lock(spare->mutex);
    if (spare->blocks.size() < kMaxSpare) {
      spare->blocks.push_back(block);
    } else {
      ::operator delete(block);
    }
  }

  std::shared_ptr<Spare> spare;
};

PublicationPool::PublicationPool() : spare_(std::make_shared<Spare>()) {}

std::shared_ptr<mqtt::Publication> PublicationPool::take() {
  std::unique_ptr<mqtt::Publication> publication;
  {
    const std::scoped_lock lock(spare_->mutex);
    if (!spare_->publications.empty()) {
      publication = std::move(spare_->publications.back());
      spare_->publications.pop_back();
    }
  }
  if (!publication) publication = std::make_unique<mqtt::Publication>();
  return {publication.release(), Return{spare_}, Allocator<mqtt::Publication>(spare_)};
}

}  // namespace ferrule::mapping
