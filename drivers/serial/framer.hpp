// Cuts frames out of a stream of bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/serial/frame_rule.hpp"

namespace ferrule::drivers::serial {

/// A frame whose checksum is right.
struct Frame {
  std::string_view whole;  ///< all of it
  std::string_view text;   ///< without start, checksum and end
};

/// Takes bytes one after the other: what comes out depends on the bytes and the silences between them only, never on
/// how a port cut them. Holds at most one frame. Pure logic.
///
/// What is damaged is searched for the next frame: in a counted frame from each byte on, in one with a start and an
/// end from its last start on.
class Framer {
 public:
  explicit Framer(const FrameRule& rule);

  /// Takes bytes off `bytes` until a frame is complete. Its views hold until the next call. Nothing: all were taken.
  std::optional<Frame> next(std::string_view& bytes);
  /// The line has been silent: ends the frame where silence does, else drops what was begun.
  std::optional<Frame> silence();
  void reset();  ///< drops what was begun, uncounted
  bool is_empty() const { return buffer_.empty() && !skipping_; }

  /// What was wrong since the last call, for people; empty when nothing was.
  std::string take_trouble();

  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t damaged = 0;  ///< wrong checksum, length or end
    std::uint64_t endless = 0;  ///< longer than `max_length`
    std::uint64_t noise = 0;    ///< bytes outside of any frame
  };
  const Counters& counters() const { return counters_; }

 private:
  std::optional<Frame> push(char byte);
  std::optional<Frame> check_terminated();
  std::optional<Frame> check_counted();
  std::optional<std::size_t> announced_length();
  std::optional<Frame> accept(std::string_view whole);
  bool checksum_is_right(std::string_view covered, std::string_view written);
  std::uint32_t checksum_of(std::string_view covered) const;
  void align();
  void endless();
  void damaged(std::string why);

  FrameRule rule_;
  std::optional<Crc> crc_;
  std::string buffer_;     // begins with the frame, or a part of its start
  std::size_t spent_ = 0;  // bytes of buffer_ that were given out with the last frame
  bool skipping_ = false;  // an endless frame: until its end
  Counters counters_;
  std::uint64_t told_noise_ = 0;
  std::string trouble_;
};

}  // namespace ferrule::drivers::serial
