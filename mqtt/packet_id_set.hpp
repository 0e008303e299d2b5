// The packet identifiers of QoS 2 publications that a client sent and has not released.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace ferrule::mqtt {

/// Usually empty or short, so a small list; a client may fill it up to 65,535, then it becomes a bitmap of 8 KiB.
class PacketIdSet {
 public:
  bool contains(std::uint16_t id) const {
    return bits_ != nullptr ? (word(id) & mask(id)) != 0 : std::ranges::find(few_, id) != few_.end();
  }

  /// False when it is there already.
  bool insert(std::uint16_t id) {
    if (contains(id)) return false;
    if (bits_ == nullptr && few_.size() == kFew) become_bitmap();
    if (bits_ != nullptr) {
      word(id) |= mask(id);
    } else {
      few_.push_back(id);
    }
    ++size_;
    return true;
  }

  /// False when it was not there.
  bool erase(std::uint16_t id) {
    if (!contains(id)) return false;
    if (--size_ == 0) {
      clear();
    } else if (bits_ != nullptr) {
      word(id) &= ~mask(id);
    } else {
      few_.erase(std::ranges::find(few_, id));
    }
    return true;
  }

  void clear() {
    bits_.reset();
    if (few_.capacity() > kKept) few_ = {};
    few_.clear();
    size_ = 0;
  }

  std::size_t size() const { return size_; }

  template <class F>
  void for_each(F f) const {
    for (const std::uint16_t id : few_) f(id);
    if (bits_ == nullptr) return;
    for (std::uint32_t id = 0; id < 65536; ++id) {
      if ((word(static_cast<std::uint16_t>(id)) & mask(static_cast<std::uint16_t>(id))) != 0)
        f(static_cast<std::uint16_t>(id));
    }
  }

 private:
  static constexpr std::size_t kFew = 64, kKept = 8;
  using Bits = std::array<std::uint64_t, 65536 / 64>;

  std::uint64_t& word(std::uint16_t id) const { return (*bits_)[id / 64U]; }
  static std::uint64_t mask(std::uint16_t id) { return std::uint64_t{1} << (id % 64U); }
  void become_bitmap() {
    bits_ = std::make_unique<Bits>();
    for (const std::uint16_t id : few_) word(id) |= mask(id);
    few_ = {};
  }

  std::vector<std::uint16_t> few_;
  std::unique_ptr<Bits> bits_;
  std::size_t size_ = 0;
};

}  // namespace ferrule::mqtt
