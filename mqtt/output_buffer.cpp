#include "mqtt/output_buffer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace ferrule::mqtt {

/// A piece of the queue: either bytes behind this header, or a slice of a publication that is kept alive.
struct detail::OutputBlock {
  OutputBlock* next = nullptr;
  const char* begin = nullptr;  ///< not yet consumed
  char* end = nullptr;          ///< where the next byte goes
  std::size_t capacity = 0;     ///< bytes behind this header; 0: a slice of `owner`
  PublicationPtr owner;

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  std::size_t room() { return capacity == 0 ? 0 : static_cast<std::size_t>(bytes() + capacity - end); }
  std::size_t size() const { return static_cast<std::size_t>(end - begin); }
};

namespace {

using detail::OutputBlock;

constexpr std::size_t kTiny = 256 - sizeof(OutputBlock);     // heads between large payloads; malloc keeps these itself
constexpr std::size_t kSmall = 2048 - sizeof(OutputBlock);   // a few packets: most loop turns need no more
constexpr std::size_t kLarge = 16384 - sizeof(OutputBlock);  // a backlog

OutputBlock* allocate(std::size_t capacity) {
  auto* block = new (::operator new(sizeof(OutputBlock) + capacity)) OutputBlock;
  block->capacity = capacity;
  return block;
}

void destroy(OutputBlock* block) {
  block->~OutputBlock();
  ::operator delete(block);
}

}  // namespace

BlockPool::~BlockPool() {
  for (Shelf* shelf : {&small_, &large_}) {
    while (OutputBlock* block = shelf->first) {
      shelf->first = block->next;
      destroy(block);
    }
  }
}

std::size_t BlockPool::cached_bytes() const {
  return (small_.count * kSmall + large_.count * kLarge) + (small_.count + large_.count) * sizeof(OutputBlock);
}

OutputBlock* BlockPool::take(std::size_t at_least, std::size_t preferred) {
  const std::size_t capacity = at_least <= preferred ? preferred : std::max(at_least, kLarge);
  Shelf* shelf = shelf_of(capacity);
  OutputBlock* block = shelf == nullptr ? nullptr : shelf->first;
  if (block == nullptr) {
    block = allocate(capacity);
  } else {
    shelf->first = block->next;
    --shelf->count;
  }
  block->next = nullptr;
  block->end = block->bytes();
  block->begin = block->end;
  return block;
}

BlockPool::Shelf* BlockPool::shelf_of(std::size_t capacity) {
  return capacity == kSmall ? &small_ : capacity == kLarge ? &large_ : nullptr;
}

void BlockPool::give(OutputBlock* block) {
  Shelf* shelf = shelf_of(block->capacity);
  if (shelf == nullptr || shelf->count >= (shelf == &small_ ? kMaxSmall : kMaxLarge)) return destroy(block);
  block->next = shelf->first;
  shelf->first = block;
  ++shelf->count;
}

void OutputBuffer::push(OutputBlock* block) {
  (tail_ == nullptr ? head_ : tail_->next) = block;
  tail_ = block;
}

char* OutputBuffer::extend(std::size_t n) {
  if (tail_ == nullptr) {
    push(pool_->take(n, kSmall));
  } else if (tail_->room() < n) {
    push(pool_->take(n, tail_->capacity == 0 ? kTiny : kLarge));
  }
  char* at = tail_->end;
  tail_->end += n;
  size_ += n;
  return at;
}

void OutputBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
}

void OutputBuffer::append_shared(PublicationPtr owner, std::string_view slice) {
  if (slice.empty()) return;
  OutputBlock* block = allocate(0);
  block->owner = std::move(owner);
  block->begin = slice.data();
  block->end = const_cast<char*>(slice.data()) + slice.size();  // only read: room() is 0
  push(block);
  size_ += slice.size();
}

std::span<iovec> OutputBuffer::gather(std::span<iovec> out) const {
  std::size_t used = 0;
  for (const OutputBlock* block = head_; block != nullptr && used < out.size(); block = block->next) {
    if (block->size() != 0) out[used++] = {const_cast<char*>(block->begin), block->size()};
  }
  return out.first(used);
}

void OutputBuffer::consume(std::size_t n) {
  assert(n <= size_);
  size_ -= n;
  while (head_ != nullptr && (n >= head_->size())) {
    OutputBlock* block = head_;
    n -= block->size();
    head_ = block->next;
    pool_->give(block);
  }
  if (head_ == nullptr) {
    tail_ = nullptr;
  } else {
    head_->begin += n;
  }
}

void OutputBuffer::clear() { consume(size_); }

std::string OutputBuffer::text() const {
  std::string all;
  all.reserve(size_);
  for (const OutputBlock* block = head_; block != nullptr; block = block->next) all.append(block->begin, block->size());
  return all;
}

}  // namespace ferrule::mqtt
