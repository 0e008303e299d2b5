#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <numeric>
#include <optional>
#include <string_view>

#include "drivers/modbus/framer.hpp"
#include "drivers/modbus/owed.hpp"

namespace ferrule::drivers::modbus {

namespace {

// Frame (Modbus over serial line V1.02 2.5.2.1): ':' | unit, function, data and LRC, two hexadecimal digits for each
// byte, the high one first | CR LF
constexpr std::size_t kMostCharacters = 513;
constexpr std::size_t kLeastBytes = 4;  // unit, function, exception code, LRC
constexpr std::chrono::milliseconds kReceiveTime{60};

int value_of(std::uint8_t digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/// Over a frame and its LRC the sum comes out as 0 (Modbus over serial line V1.02 6.2.1).
std::uint8_t sum(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint8_t>(std::accumulate(bytes.begin(), bytes.end(), 0U));
}

/// Unit, function and data of what stands between ':' and CR; nothing when it is no frame.
std::optional<std::vector<std::uint8_t>> decode(std::span<const std::uint8_t> digits) {
  if (digits.size() % 2 != 0 || digits.size() < 2 * kLeastBytes || digits.size() > kMostCharacters) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = value_of(digits[i]);
    const int low = value_of(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  if (sum(bytes) != 0) return std::nullopt;
  bytes.pop_back();
  return bytes;
}

/// The last whole line's digits in `text`, which ends with LF: what stands before its last ':' is noise.
std::optional<std::vector<std::uint8_t>> decode_line(std::span<const std::uint8_t> text) {
  if (text.size() < 3 || text[text.size() - 2] != '\r') return std::nullopt;
  const auto colon = std::find(text.rbegin(), text.rend(), ':');
  if (colon == text.rend()) return std::nullopt;
  return decode(std::span(colon.base(), text.end() - 2));
}

void append_crc(std::vector<std::uint8_t>& bytes) {
  const auto crc = crc16(bytes);
  bytes.push_back(static_cast<std::uint8_t>(crc));
  bytes.push_back(static_cast<std::uint8_t>(crc >> 8));
}

class AsciiFramer final : public Framer {
 public:
  tl::expected<void, Fault> attach(int descriptor) override {
    descriptor_ = descriptor;
    return {};
  }
  int send(std::span<const std::uint8_t> request) override;
  Received receive() override;
  std::vector<std::uint8_t> image(std::span<const std::uint8_t> request) const override;
  // Without the CRC's two bytes and with an LRC of one, each of two digits; and ':', CR, LF.
  std::size_t wire_size(std::size_t rtu) const override { return 2 * (rtu - 1) + 3; }
  std::vector<std::uint8_t> frames_in(std::span<const std::uint8_t> bytes) const override;
  std::vector<std::uint8_t> taken() const override { return taken_; }

 private:
  Received nonsense(std::string why);

  int descriptor_ = -1;
  std::uint8_t unit_ = 0;
  std::vector<std::uint8_t> taken_;
};

std::vector<std::uint8_t> AsciiFramer::image(std::span<const std::uint8_t> request) const {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::vector<std::uint8_t> text{':'};
  const auto put = [&](std::uint8_t byte) {
    text.push_back(static_cast<std::uint8_t>(kDigits[byte >> 4]));
    text.push_back(static_cast<std::uint8_t>(kDigits[byte & 0xF]));
  };
  std::ranges::for_each(request, put);
  put(static_cast<std::uint8_t>(-sum(request)));
  text.push_back('\r');
  text.push_back('\n');
  return text;
}

int AsciiFramer::send(std::span<const std::uint8_t> request) {
  unit_ = request[0];
  const auto text = image(request);
  const auto written = ::write(descriptor_, text.data(), text.size());
  if (written == std::ssize(text)) return 0;
  return written >= 0 ? EAGAIN : errno;
}

Framer::Received AsciiFramer::receive() {
  size = 0;
  auto& text = taken_;
  text.clear();
  const auto deadline = std::chrono::steady_clock::now() + kReceiveTime;
  while (text.empty() || text.back() != '\n') {
    std::uint8_t byte = 0;
    const auto got = ::read(descriptor_, &byte, 1);  // no more than this frame
    if (got == 1) {
      text.push_back(byte);
      if (text.size() > kMostCharacters) return nonsense("too long an answer");
      continue;
    }
    if (got == 0 || errno != EAGAIN) {
      error = got == 0 ? "connection closed by the peer" : std::strerror(errno);
      return Received::Lost;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd poll{descriptor_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) == 0) {
      return nonsense("incomplete answer");
    }
  }
  auto bytes = decode_line(text);
  if (!bytes || bytes->size() + 2 > frame.size()) return nonsense("no ASCII frame, or a wrong LRC");
  append_crc(*bytes);
  std::ranges::copy(*bytes, frame.begin());
  if (frame[0] != unit_ && frame[0] != 0) return Received::OtherUnit;
  size = bytes->size();
  return Received::Frame;
}

Framer::Received AsciiFramer::nonsense(std::string why) {
  error = std::move(why);
  return Received::Nonsense;
}

std::vector<std::uint8_t> AsciiFramer::frames_in(std::span<const std::uint8_t> bytes) const {
  std::vector<std::uint8_t> frames;
  while (!bytes.empty()) {
    const auto end = std::ranges::find(bytes, std::uint8_t{'\n'});
    if (end == bytes.end()) break;
    if (auto one = decode_line(std::span(bytes.begin(), end + 1))) {
      append_crc(*one);
      frames.insert(frames.end(), one->begin(), one->end());
    }
    bytes = std::span(end + 1, bytes.end());
  }
  return frames;
}

}  // namespace

std::unique_ptr<Framer> make_ascii_framer() { return std::make_unique<AsciiFramer>(); }

}  // namespace ferrule::drivers::modbus
