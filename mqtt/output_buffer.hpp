// What a connection has yet to send: small packets in pooled blocks, large payloads by reference.
#pragma once

#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "mqtt/publication.hpp"

namespace ferrule::mqtt {

namespace detail {
struct OutputBlock;
}

/// Keeps the blocks that emptied OutputBuffers returned, up to a bound, so that a connection that is written to needs
/// no allocation and one that is idle holds nothing. Broker thread. Outlives its buffers.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  std::size_t cached_bytes() const;

 private:
  friend class OutputBuffer;
  struct Shelf {
    detail::OutputBlock* first = nullptr;
    std::size_t count = 0;
  };
  static constexpr std::size_t kMaxSmall = 256, kMaxLarge = 16;  ///< blocks kept: 512 KiB and 256 KiB

  Shelf* shelf_of(std::size_t capacity);  ///< null for capacities that are not kept
  detail::OutputBlock* take(std::size_t at_least, std::size_t preferred);
  void give(detail::OutputBlock* block);
  Shelf small_, large_;
};

/// A queue of bytes: appended behind, sent and consumed in front. Broker thread. Unbounded: the owner looks at `size`.
class OutputBuffer {
 public:
  explicit OutputBuffer(BlockPool& pool) : pool_(&pool) {}
  ~OutputBuffer() { clear(); }
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  /// `n` contiguous bytes behind the others, already counted, for the caller to write into at once.
  char* extend(std::size_t n);
  void append(std::string_view bytes);
  /// Appends `slice`, bytes of `owner`'s payload or topic, without copying; `owner` lives until they are consumed.
  void append_shared(PublicationPtr owner, std::string_view slice);

  std::size_t size() const { return size_; }  ///< bytes not yet consumed
  bool empty() const { return size_ == 0; }

  /// Describes the first bytes as at most `out.size()` pieces; returns the part of `out` that was filled. Valid until
  /// the next call of a member that changes the buffer.
  std::span<iovec> gather(std::span<iovec> out) const;
  /// Forgets the first `n` bytes (they were sent), n <= size(). Memory goes back as soon as it is empty.
  void consume(std::size_t n);
  void clear();

  std::string text() const;  ///< a copy of everything, for tests and tools

 private:
  void push(detail::OutputBlock* block);

  BlockPool* pool_;
  detail::OutputBlock* head_ = nullptr;
  detail::OutputBlock* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ferrule::mqtt
