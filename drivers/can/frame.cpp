#include "drivers/can/frame.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ferrule::drivers::can {

namespace {

constexpr std::size_t kHead = 8;  // of a captured frame
constexpr std::uint32_t kFlags = Frame::kExtended | Frame::kRemote;

}  // namespace

IdFilter exactly(std::uint32_t id) {
  return {id, kFlags | ((id & Frame::kExtended) != 0 ? Frame::kExtendedIds : Frame::kStandardIds)};
}

// Priority (3) | extended data page, data page, PDU format, PDU specific (18) | source address (8)
IdFilter parameter_group(std::uint32_t pgn, std::optional<std::uint8_t> source) {
  constexpr std::uint32_t kFirstBroadcastFormat = 240;  // below it PDU specific is the destination
  const bool has_destination = (pgn >> 8 & 0xFF) < kFirstBroadcastFormat;
  IdFilter filter{Frame::kExtended, kFlags | (has_destination ? 0x03FF'0000U : 0x03FF'FF00U)};
  filter.id |= (pgn << 8) & filter.mask;
  if (source) {
    filter.id |= *source;
    filter.mask |= 0xFF;
  }
  return filter;
}

bool is_exact(const IdFilter& filter) { return filter == exactly(filter.id); }

std::string id_text(std::uint32_t id) {
  if ((id & (Frame::kExtended | Frame::kError)) != 0) return fmt::format("{:08X}", id & ~kFlags);
  return fmt::format("{:03X}", id & Frame::kStandardIds);
}

std::string text_of(const Frame& frame) {
  auto text = id_text(frame.id) + '#';
  if ((frame.id & Frame::kRemote) != 0) return text + 'R';
  for (std::size_t i = 0; i < frame.size; ++i) text += fmt::format("{:02X}", frame.data[i]);
  return text;
}

std::vector<std::uint8_t> captured(const Frame& frame) {
  std::vector<std::uint8_t> bytes(kHead + frame.size);
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(frame.id >> (24 - 8 * i));
  bytes[4] = frame.size;
  std::copy_n(frame.data.begin(), frame.size, bytes.begin() + kHead);
  return bytes;
}

std::optional<Frame> from_capture(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHead || bytes[4] > Frame::kMostBytes || bytes.size() != kHead + bytes[4]) return std::nullopt;
  Frame frame;
  for (std::size_t i = 0; i < 4; ++i) frame.id = frame.id << 8 | bytes[i];
  frame.size = bytes[4];
  std::copy_n(bytes.begin() + kHead, frame.size, frame.data.begin());
  return frame;
}

}  // namespace ferrule::drivers::can
