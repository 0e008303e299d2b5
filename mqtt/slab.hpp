// An array that grows in pieces: what stands in it never moves, and growing never copies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ferrule::mqtt {

/// Indexed by small numbers that are handed out and reused, such as a TopicTree's node ids.
template <class T>
class Slab {
 public:
  T& operator[](std::uint32_t index) { return (*pieces_[index / kPiece])[index % kPiece]; }
  const T& operator[](std::uint32_t index) const { return (*pieces_[index / kPiece])[index % kPiece]; }

  /// Makes `index` usable; new elements are default constructed.
  void reach(std::uint32_t index) {
    while (index / kPiece >= pieces_.size()) pieces_.push_back(std::make_unique<Piece>());
  }

 private:
  static constexpr std::uint32_t kPiece = 256;  // a power of two
  using Piece = std::array<T, kPiece>;
  std::vector<std::unique_ptr<Piece>> pieces_;
};

}  // namespace ferrule::mqtt
