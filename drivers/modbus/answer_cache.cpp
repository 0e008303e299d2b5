#include "drivers/modbus/answer_cache.hpp"

#include <algorithm>

#include "drivers/modbus/decode.hpp"

namespace ferrule::drivers::modbus {

namespace {

bool same(const Request& one, const Request& other) {
  return one.unit == other.unit && one.table == other.table && one.address == other.address && one.count == other.count;
}

bool covers(const Request& whole, const Request& part) {
  return whole.unit == part.unit && whole.table == part.table && whole.address <= part.address &&
         whole.address + whole.count >= part.address + part.count;
}

std::vector<std::uint8_t> part_of(std::span<const std::uint8_t> data, const Request& whole, const Request& part) {
  const auto first = static_cast<std::size_t>(part.address - whole.address);
  if (!is_bits(part.table)) {
    const auto bytes = data.subspan(2 * first, std::size_t{2} * part.count);
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::uint8_t> bits((part.count + 7U) / 8U);
  for (std::size_t i = 0; i < part.count; ++i) {
    const auto at = first + i;
    if ((data[at / 8] >> at % 8 & 1) != 0) bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | 1U << i % 8);
  }
  return bits;
}

}  // namespace

void AnswerCache::keep(const Request& request, std::span<const std::uint8_t> data, TimePoint now) {
  if (!wanted_) return;
  const std::lock_guard lock(mutex_);
  auto place = std::ranges::find_if(answers_, [&](const Answer& answer) { return same(answer.request, request); });
  if (place == answers_.end() && answers_.size() >= kMost) place = std::ranges::min_element(answers_, {}, &Answer::at);
  if (place == answers_.end()) place = answers_.insert(place, Answer{});
  place->request = request;
  place->at = now;
  place->data.assign(data.begin(), data.end());
}

std::optional<std::vector<std::uint8_t>> AnswerCache::find(const Request& request, TimePoint since) {
  wanted_ = true;
  const std::lock_guard lock(mutex_);
  const Answer* best = nullptr;
  for (const auto& answer : answers_) {
    if (answer.at < since || !covers(answer.request, request)) continue;
    if (best == nullptr || answer.at > best->at) best = &answer;
  }
  if (best == nullptr) return std::nullopt;
  return part_of(best->data, best->request, request);
}

void AnswerCache::forget(std::uint8_t unit) {
  const std::lock_guard lock(mutex_);
  std::erase_if(answers_, [&](const Answer& answer) { return unit == 0 || answer.request.unit == unit; });
}

}  // namespace ferrule::drivers::modbus
