// Cuts a byte stream into MQTT packets.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mqtt/reason.hpp"
#include "mqtt/wire.hpp"

namespace ferrule::mqtt {

/// A packet that lies whole in what was fed is a view of it; only the beginning of a packet whose end did not come yet
/// is copied. Holds no memory while no packet is half received.
///
///   framer.feed(bytes);
///   for (;;) { auto frame = framer.next(); if (!frame || !*frame) break; handle(**frame); }
class Framer {
 public:
  /// `max_packet_size`: bytes of a whole packet, header included; a larger one is refused before any of it is kept.
  explicit Framer(std::size_t max_packet_size) : max_packet_size_(max_packet_size) {}

  /// Holds for the packets not yet returned by `next`, e.g. after a CONNECT was accepted.
  void limit(std::size_t max_packet_size) { max_packet_size_ = max_packet_size; }

  /// Lends bytes until `next` has returned nullopt or `keep` was called. Everything fed before must have been used up
  /// by then.
  void feed(std::string_view bytes) { input_ = bytes; }

  /// The next packet, valid until the next call of any member; nullopt when its end has not come yet: what is left was
  /// copied. Refuses with MalformedPacket or PacketTooLarge; the stream is of no use afterwards and every later call
  /// says the same.
  Decoded<std::optional<Frame>> next();

  /// Copies what `next` has not returned yet, for a caller that stops before it returned nullopt. The frame that `next`
  /// returned last is gone afterwards.
  void keep();

  std::size_t kept() const { return partial_.capacity() > kInline ? partial_.capacity() : 0; }  ///< bytes on the heap

 private:
  struct Header {
    std::size_t size = 0;   ///< of the fixed header; 0: incomplete
    std::size_t total = 0;  ///< of the packet
  };
  static constexpr std::size_t kInline = 15;  ///< what std::string holds without the heap

  Decoded<Header> read_header(std::string_view bytes) const;
  /// Moves as many bytes from input_ behind partial_ as make it `size` long; false when there are not enough.
  bool fill_partial(std::size_t size);
  /// Both fill `frame` when a whole packet is there.
  Decoded<void> next_from_input(std::optional<Frame>& frame);
  Decoded<void> next_from_partial(std::optional<Frame>& frame);
  Refusal fail(Refusal refusal);
  void release_partial();

  std::size_t max_packet_size_;
  std::string_view input_;        ///< lent, not yet returned
  std::string partial_;           ///< copied: at first what was returned already, then the beginning of a packet
  std::size_t partial_read_ = 0;  ///< bytes of partial_ that were returned
  std::unique_ptr<const Refusal> failed_;
};

}  // namespace ferrule::mqtt
