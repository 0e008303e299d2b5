#include "drivers/serial/parser.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace ferrule::drivers::serial {

namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// A field, counted from 0; nothing when there are fewer.
std::optional<std::string_view> field(std::string_view text, std::string_view separator, std::size_t index) {
  for (;; --index) {
    const auto end = text.find(separator);
    if (index == 0) return text.substr(0, end);
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + separator.size());
  }
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<std::string_view> value_of(std::string_view text, const PointRule& rule) {
  for (;;) {
    const auto end = text.find(rule.separator);
    const auto pair = text.substr(0, end);
    const auto assigned = pair.find(rule.assign);
    if (assigned != std::string_view::npos && without_blanks(pair.substr(0, assigned)) == rule.from) {
      return pair.substr(assigned + rule.assign.size());
    }
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + rule.separator.size());
  }
}

}  // namespace

/// Parsed when the first point asks.
class Parser::Document {
 public:
  explicit Document(std::string_view text) : text_(text) {}

  /// What stands at a pointer, as text: numbers as they are, true and false, nothing of null, lists and objects.
  std::optional<std::string> at(const std::string& pointer) {
    if (!parsed_) parsed_ = nlohmann::json::parse(text_, nullptr, false);
    if (parsed_->is_discarded()) return std::nullopt;
    try {
      const nlohmann::json::json_pointer place(pointer);
      if (!parsed_->contains(place)) return std::nullopt;
      const auto& value = parsed_->at(place);
      if (value.is_string()) return value.get<std::string>();
      return value.is_primitive() && !value.is_null() ? value.dump() : std::string();
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;  // the pointer does not suit the document: an index into an object, and the like
    }
  }

 private:
  std::string_view text_;
  std::optional<nlohmann::json> parsed_;
};

Parser::Parser(const SensorSettings& sensor, const std::vector<PointSettings>& encodings) {
  points_.reserve(sensor.points.size());
  for (std::size_t i = 0; i < sensor.points.size(); ++i) {
    const auto& rule = sensor.points[i];
    Point point{rule, encodings[i], kNone, kNone};
    if (rule.form == Form::Match) {
      point.match = pattern_of(rule.match);
      if (point.match != kNone) point.group = patterns_[point.match].group(rule.from).value_or(0);
    }
    if (!rule.only.empty()) point.only = pattern_of(rule.only);
    points_.push_back(std::move(point));
  }
  matched_.resize(patterns_.size());
}

std::size_t Parser::pattern_of(const std::string& text) {
  if (const auto known = by_text_.find(text); known != by_text_.end()) return known->second;
  auto pattern = Pattern::compile(text);
  if (!pattern) return kNone;  // the settings were checked
  patterns_.push_back(std::move(*pattern));
  return by_text_.emplace(text, patterns_.size() - 1).first->second;
}

bool Parser::matches(std::size_t pattern, std::string_view text) {
  auto& known = matched_[pattern];
  if (!std::exchange(known.tried, true)) known.matches = patterns_[pattern].match(text);
  return known.matches;
}

const std::vector<Parser::Found>& Parser::parse(const Frame& frame) {
  found_.clear();
  matched_.assign(patterns_.size(), {});
  Document document(frame.text);
  for (std::size_t i = 0; i < points_.size(); ++i) {
    const auto& point = points_[i];
    if (point.only != kNone && !matches(point.only, frame.text)) continue;
    if (point.rule.form != Form::Bytes) {
      parse_text(point, i, frame.text, document);
    } else if (const auto size = size_of(point.encoding); point.rule.index + size <= frame.whole.size()) {
      found_.push_back({i, decode_bytes(frame.whole.substr(point.rule.index, size), point.encoding)});
    }
  }
  return found_;
}

void Parser::parse_text(const Point& point, std::size_t number, std::string_view text, Document& document) {
  std::optional<std::string_view> written;
  switch (point.rule.form) {
    case Form::Match:
      if (point.match == kNone || !matches(point.match, text)) return;
      written = patterns_[point.match].group_text(point.group).value_or("");
      break;
    case Form::Split:
      written = field(text, point.rule.separator, point.rule.index);
      break;
    case Form::Pairs:
      written = value_of(text, point.rule);
      break;
    case Form::Json:
      if (const auto value = document.at(point.rule.from)) add(number, point, *value);
      return;
    case Form::Bytes:
      return;
  }
  if (written) add(number, point, *written);
}

void Parser::add(std::size_t number, const Point& point, std::string_view written) {
  found_.push_back({number, decode_text(written, point.encoding, point.rule.comma, point.rule.hex)});
}

}  // namespace ferrule::drivers::serial
