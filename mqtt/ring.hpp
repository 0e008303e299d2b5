// A first-in first-out queue that holds next to nothing while it is empty.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace ferrule::mqtt {

/// Elements are addressed from the front, 0 .. size() - 1. An empty ring keeps room for at most four of them, a new one
/// none: std::deque would hold 576 bytes. Not bounded by itself.
template <class T>
class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return elements_[(head_ + i) & (capacity_ - 1)]; }
  const T& operator[](std::size_t i) const { return elements_[(head_ + i) & (capacity_ - 1)]; }
  T& front() { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }

  void push_back(T element) {
    if (size_ == capacity_) grow();
    elements_[(head_ + size_) & (capacity_ - 1)] = std::move(element);
    ++size_;
  }

  T pop_front() {
    assert(size_ > 0);
    T element = std::exchange(front(), T{});
    head_ = (head_ + 1) & (capacity_ - 1);
    if (--size_ == 0 && capacity_ > kFirst) clear();
    return element;
  }

  void clear() {
    elements_.reset();
    head_ = size_ = capacity_ = 0;
  }

 private:
  static constexpr std::uint32_t kFirst = 4;

  void grow() {
    const std::uint32_t larger = capacity_ == 0 ? kFirst : capacity_ * 2;
    auto elements = std::make_unique<T[]>(larger);
    for (std::size_t i = 0; i < size_; ++i) elements[i] = std::move((*this)[i]);
    elements_ = std::move(elements);
    capacity_ = larger;
    head_ = 0;
  }

  std::unique_ptr<T[]> elements_;
  std::uint32_t head_ = 0, size_ = 0;
  std::uint32_t capacity_ = 0;  // a power of two, or 0
};

}  // namespace ferrule::mqtt
