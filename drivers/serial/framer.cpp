#include "drivers/serial/framer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace ferrule::drivers::serial {

namespace {

std::optional<std::uint32_t> number_in(std::string_view bytes, bool hex, bool little) {
  std::uint32_t value = 0;
  const std::size_t step = hex ? 2 : 1;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    const auto at = little ? bytes.size() - step - i : i;
    std::uint32_t byte = static_cast<std::uint8_t>(bytes[at]);
    if (hex) {
      const auto* end = bytes.data() + at + 2;
      const auto [rest, error] = std::from_chars(bytes.data() + at, end, byte, 16);
      if (error != std::errc{} || rest != end) return std::nullopt;
    }
    value = value << 8 | byte;
  }
  return value;
}

}  // namespace

Framer::Framer(const FrameRule& rule)
    : rule_(rule),
      crc_(rule.checksum.kind == ChecksumRule::Kind::Crc ? std::optional<Crc>(*rule.checksum.crc) : std::nullopt) {}

void Framer::reset() {
  buffer_.clear();
  spent_ = 0;
  skipping_ = false;
}

std::optional<Frame> Framer::next(std::string_view& bytes) {
  buffer_.erase(0, std::exchange(spent_, 0));
  // A counted frame that was damaged may have left whole ones behind.
  if (rule_.counted()) {
    if (auto frame = check_counted()) return frame;
  }
  while (!bytes.empty()) {
    const char byte = bytes.front();
    bytes.remove_prefix(1);
    if (auto frame = push(byte)) return frame;
  }
  return std::nullopt;
}

std::optional<Frame> Framer::push(char byte) {
  buffer_ += byte;
  if (rule_.counted()) return check_counted();
  if (skipping_) {
    // Only as much is kept as it takes to know the end.
    if (rule_.gap.count() == 0 && buffer_.ends_with(rule_.end)) {
      reset();
    } else if (buffer_.size() >= std::max<std::size_t>(rule_.end.size(), 1)) {
      buffer_.erase(0, 1);
    }
    return std::nullopt;
  }
  align();
  if (rule_.gap.count() == 0) {
    if (auto frame = check_terminated()) return frame;
  }
  if (buffer_.size() >= rule_.max_length) endless();
  return std::nullopt;
}

std::optional<Frame> Framer::check_terminated() {
  if (buffer_.size() < rule_.start.size() + rule_.end.size() || !buffer_.ends_with(rule_.end)) return std::nullopt;
  auto frame = accept(buffer_);
  if (!frame && !rule_.start.empty()) {
    // The end of the frame before it may be missing.
    const auto last = buffer_.rfind(rule_.start);
    if (last != std::string::npos && last > 0) frame = accept(std::string_view(buffer_).substr(last));
  }
  if (!frame) {
    buffer_.clear();
    return std::nullopt;
  }
  spent_ = buffer_.size();
  return frame;
}

std::optional<Frame> Framer::check_counted() {
  for (;;) {
    align();
    const auto length = announced_length();
    if (!length) return std::nullopt;
    if (*length == 0) {
      damaged("a length that no frame has");
    } else if (buffer_.size() < *length) {
      return std::nullopt;
    } else if (auto frame = accept(std::string_view(buffer_).substr(0, *length))) {
      spent_ = *length;
      return frame;
    }
    buffer_.erase(0, 1);
    ++counters_.noise;
  }
}

/// Of the frame that has begun; 0 when no frame has such a length, nothing when it is not there yet.
std::optional<std::size_t> Framer::announced_length() {
  if (buffer_.size() < std::max<std::size_t>(rule_.start.size(), 1)) return std::nullopt;
  if (!rule_.length_field) return rule_.length;
  const auto& field = *rule_.length_field;
  if (buffer_.size() < field.at + field.bytes) return std::nullopt;
  const auto value = number_in(std::string_view(buffer_).substr(field.at, field.bytes), false, field.little);
  const auto length = static_cast<std::int64_t>(*value) + field.add;
  const auto least = std::max(rule_.overhead(), field.at + field.bytes);
  if (length < static_cast<std::int64_t>(least) || length > static_cast<std::int64_t>(rule_.max_length)) return 0;
  return static_cast<std::size_t>(length);
}

std::optional<Frame> Framer::silence() {
  buffer_.erase(0, std::exchange(spent_, 0));
  std::optional<Frame> frame;
  if (rule_.gap.count() > 0 && !skipping_ && !buffer_.empty()) {
    if (buffer_.size() < rule_.overhead() || !buffer_.ends_with(rule_.end)) {
      damaged("it is cut off");
    } else {
      frame = accept(buffer_);
    }
  } else if (!buffer_.empty() && !skipping_) {
    damaged("it is cut off");
  }
  skipping_ = false;
  if (frame) {
    spent_ = buffer_.size();
  } else {
    buffer_.clear();
  }
  return frame;
}

/// Drops what cannot be the beginning of a frame.
void Framer::align() {
  std::size_t noise = 0;
  const std::string_view held = buffer_;
  const auto fits = [&] {
    const auto compared = std::min(rule_.start.size(), held.size() - noise);
    return held.substr(noise, compared) == std::string_view(rule_.start).substr(0, compared);
  };
  while (noise < held.size() && !fits()) ++noise;
  if (noise == 0) return;
  counters_.noise += noise;
  buffer_.erase(0, noise);
  if (counters_.noise - told_noise_ >= rule_.max_length && trouble_.empty()) {
    trouble_ = fmt::format("{} bytes that belong to no frame", counters_.noise - told_noise_);
    told_noise_ = counters_.noise;
  }
}

void Framer::endless() {
  ++counters_.endless;
  trouble_ = fmt::format("a frame without an end: {} bytes and more", rule_.max_length);
  if (const auto last = buffer_.rfind(rule_.start); !rule_.start.empty() && rule_.gap.count() == 0 && last > 0) {
    buffer_.erase(0, last);  // the next one has begun
    return;
  }
  // Its end may have begun.
  const auto kept = rule_.end.empty() ? 0 : std::min(rule_.end.size() - 1, buffer_.size());
  buffer_.erase(0, buffer_.size() - kept);
  skipping_ = true;
}

void Framer::damaged(std::string why) {
  ++counters_.damaged;
  trouble_ = "a damaged frame: " + std::move(why);
}

/// A candidate of the right length, with the right start.
std::optional<Frame> Framer::accept(std::string_view whole) {
  if (whole.size() < rule_.overhead() || !whole.ends_with(rule_.end)) {
    damaged(whole.size() < rule_.overhead() ? "it is too short" : "it does not end as it should");
    return std::nullopt;
  }
  const auto& rule = rule_.checksum;
  const auto inside = whole.substr(0, whole.size() - rule_.end.size());
  const auto text_end = inside.size() - rule.size();
  const auto text = inside.substr(0, text_end);
  if (rule.kind != ChecksumRule::Kind::None) {
    if (rule.from > text.size() || inside.substr(text_end, rule.after.size()) != rule.after) {
      damaged("its checksum is missing");
      return std::nullopt;
    }
    if (!checksum_is_right(text.substr(rule.from), inside.substr(text_end + rule.after.size()))) return std::nullopt;
  }
  ++counters_.frames;
  told_noise_ = counters_.noise;
  return Frame{whole, text.substr(rule_.start.size())};
}

bool Framer::checksum_is_right(std::string_view covered, std::string_view written) {
  const auto& rule = rule_.checksum;
  const auto said = number_in(written, rule.hex, rule.little);
  const auto is = checksum_of(covered);
  if (said == is) return true;
  const auto digits = rule.bytes() * 2;
  damaged(said ? fmt::format("its checksum says {:0{}X}, its bytes {:0{}X}", *said, digits, is, digits)
               : "its checksum has other characters than hexadecimal digits");
  return false;
}

std::uint32_t Framer::checksum_of(std::string_view covered) const {
  switch (rule_.checksum.kind) {
    case ChecksumRule::Kind::None:
      return 0;
    case ChecksumRule::Kind::Xor:
      return xor_of(covered);
    case ChecksumRule::Kind::Sum8:
      return sum_of(covered) & 0xFF;
    case ChecksumRule::Kind::Sum8Complement:
      return (0x100 - (sum_of(covered) & 0xFF)) & 0xFF;
    case ChecksumRule::Kind::Sum16:
      return sum_of(covered) & 0xFFFF;
    case ChecksumRule::Kind::Crc:
      return (*crc_)(covered);
  }
  return 0;
}

std::string Framer::take_trouble() { return std::exchange(trouble_, {}); }

}  // namespace ferrule::drivers::serial
