#include "mqtt/framer.hpp"

#include <algorithm>

#include "mqtt/wire_reader.hpp"

namespace ferrule::mqtt {
namespace {

/// A peer that announces a large packet gets room for it as its bytes come, not for its word.
constexpr std::size_t kMaxReserve = 64 * 1024;

void put_frame(std::optional<Frame>& place, std::string_view packet, std::size_t header_size) {
  Frame& frame = place.emplace();
  frame.first = static_cast<std::uint8_t>(packet[0]);
  frame.body = packet.substr(header_size);
}

}  // namespace

// Fixed header: packet type (4 bits) and flags (4 bits) | Remaining Length: 1 to 4 bytes, 7 bits each, lowest first
Decoded<Framer::Header> Framer::read_header(std::string_view bytes) const {
  if (bytes.empty()) return Header{};
  if (static_cast<std::uint8_t>(bytes[0]) >> 4 == 0) {
    return tl::unexpected(Refusal{Reason::MalformedPacket, "MQTT5 2.1.2", "packet type 0"});
  }
  const VarInt length = read_varint(bytes.substr(1));
  switch (length.state) {
    case VarInt::State::Incomplete:
      return Header{};
    case VarInt::State::TooLong:
      return tl::unexpected(
          Refusal{Reason::MalformedPacket, "MQTT5 1.5.5", "Remaining Length of more than four bytes"});
    case VarInt::State::NotMinimal:
      return tl::unexpected(
          Refusal{Reason::MalformedPacket, "MQTT-1.5.5-1", "Remaining Length is not in its shortest form"});
    case VarInt::State::Complete:
      break;
  }
  const Header header{std::size_t{1} + length.size, std::size_t{1} + length.size + length.value};
  if (header.total > max_packet_size_) {
    return tl::unexpected(Refusal{Reason::PacketTooLarge, "MQTT-3.2.2-15", "packet larger than allowed"});
  }
  return header;
}

Decoded<std::optional<Frame>> Framer::next() {
  Decoded<std::optional<Frame>> frame;  // filled in place: see decode_publish
  if (partial_read_ != 0 && partial_read_ == partial_.size()) release_partial();
  const Decoded<void> read = failed_            ? Decoded<void>(tl::unexpected(*failed_))
                             : partial_.empty() ? next_from_input(*frame)
                                                : next_from_partial(*frame);
  if (!read) frame = tl::unexpected(read.error());
  return frame;
}

Decoded<void> Framer::next_from_input(std::optional<Frame>& frame) {
  const auto header = read_header(input_);
  if (!header) return tl::unexpected(fail(header.error()));
  if (header->size == 0 || header->total > input_.size()) {
    if (header->size != 0) partial_.reserve(std::min(header->total, kMaxReserve));
    keep();
    return {};
  }
  put_frame(frame, input_.substr(0, header->total), header->size);
  input_.remove_prefix(header->total);
  return {};
}

Decoded<void> Framer::next_from_partial(std::optional<Frame>& frame) {
  if (partial_read_ != 0) partial_.erase(0, partial_read_);
  partial_read_ = 0;
  auto header = read_header(partial_);
  while (header && header->size == 0 && fill_partial(partial_.size() + 1)) header = read_header(partial_);
  if (!header) return tl::unexpected(fail(header.error()));
  if (header->size == 0) return {};
  if (header->total > partial_.capacity()) partial_.reserve(std::min(header->total, kMaxReserve));
  if (!fill_partial(header->total)) return {};
  partial_read_ = header->total;
  put_frame(frame, std::string_view(partial_).substr(0, header->total), header->size);
  return {};
}

bool Framer::fill_partial(std::size_t size) {
  if (partial_.size() < size) {
    const std::size_t n = std::min(size - partial_.size(), input_.size());
    partial_.append(input_.substr(0, n));
    input_.remove_prefix(n);
  }
  return partial_.size() >= size;
}

void Framer::keep() {
  partial_.erase(0, partial_read_);
  partial_read_ = 0;
  partial_.append(input_);
  input_ = {};
  if (partial_.empty()) release_partial();
}

Refusal Framer::fail(Refusal refusal) {
  failed_ = std::make_unique<const Refusal>(refusal);
  input_ = {};
  release_partial();
  return refusal;
}

void Framer::release_partial() {
  std::string().swap(partial_);
  partial_read_ = 0;
}

}  // namespace ferrule::mqtt
