#include "drivers/can/dbc_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "drivers/can/dbc_lexer.hpp"
#include "drivers/can/dbc_multiplexing.hpp"

namespace ferrule::drivers::can {

namespace {

using Result = tl::expected<void, DbcMistake>;

constexpr std::size_t kMostMessages = 65'536;
constexpr std::size_t kMostSignals = 1024;  // of a message
constexpr unsigned kMostBytes = 64;         // of a message: CAN FD's
// What the editor of these files puts signals into that no message has.
constexpr std::uint32_t kNoMessage = 0xC000'0000;
constexpr double kLongestCycle = 86'400'000;  // ms
constexpr const char* kUnclosed = "a text without its closing quote";
constexpr int kJ1939Format = 3;  // of the attribute VFrameFormat

constexpr std::string_view kStatements =
    " VERSION NS_ BS_ BU_ VAL_TABLE_ BO_ SG_ BO_TX_BU_ EV_ ENVVAR_DATA_ SGTYPE_ CM_ BA_DEF_ BA_DEF_REL_ BA_ BA_REL_ "
    "BA_DEF_DEF_ BA_DEF_DEF_REL_ VAL_ SIG_GROUP_ SIG_VALTYPE_ SIGTYPE_VALTYPE_ SG_MUL_VAL_ BU_SG_REL_ SIG_TYPE_REF_ "
    "BU_BO_REL_ CAT_DEF_ ";

bool is_statement(const Token& token) {
  return token.kind == Token::Kind::Word && token.text.ends_with("_")
             ? kStatements.find(fmt::format(" {} ", token.text)) != std::string_view::npos
             : token.is_word("VERSION");
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    plain += text[i];
  }
  return plain;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  tl::expected<Dbc, DbcMistake> parse() {
    while (lexer_.peek().kind != Token::Kind::End) {
      if (auto read = statement(); !read) return tl::unexpected(read.error());
    }
    if (lexer_.is_unclosed()) return lexer_.mistake(lexer_.peek(), kUnclosed);
    finish();
    for (std::size_t i = 0; i < dbc_.messages.size(); ++i) {
      if (auto resolved = resolve_multiplexing(dbc_.messages[i], multiplexing_[i], lexer_); !resolved) {
        return tl::unexpected(resolved.error());
      }
    }
    return std::move(dbc_);
  }

 private:
  Result statement() {
    const auto word = lexer_.take();
    if (word.kind != Token::Kind::Word) return lexer_.mistake(word, "a statement begins with a word, such as BO_");
    if (word.text == "BO_") return message();
    if (word.text == "SG_") return signal(word);
    if (word.text == "VAL_") return words();
    if (word.text == "SIG_VALTYPE_") return value_type();
    if (word.text == "SG_MUL_VAL_") return selection();
    if (word.text == "BA_") return attribute();
    if (word.text == "BA_DEF_DEF_") return attribute_default();
    if (word.text == "VERSION") {
      lexer_.take();
      return {};
    }
    if (word.text == "NS_") return skip_symbols();
    if (word.text == "BU_" || word.text == "BS_") return skip_to_statement();
    return skip();
  }

  // The symbols that a file may use are words of statements too.
  Result skip_symbols() {
    for (const auto* token = &lexer_.peek(); token->kind != Token::Kind::End; token = &lexer_.peek()) {
      if (token->is_word("BS_") || token->is_word("BU_") || token->is_word("BO_")) break;
      lexer_.take();
    }
    return {};
  }
  Result skip_to_statement() {
    while (lexer_.peek().kind != Token::Kind::End && !is_statement(lexer_.peek())) lexer_.take();
    return {};
  }
  /// To the end of the statement.
  Result skip() {
    for (;;) {
      const auto token = lexer_.take();
      if (token.is(';')) return {};
      if (token.kind != Token::Kind::End) continue;
      return lexer_.mistake(token, lexer_.is_unclosed() ? kUnclosed : "a statement ends with ;");
    }
  }

  Result message();
  Result signal(const Token& begin);
  Result layout(DbcSignal& signal);
  Result meaning(DbcSignal& signal);
  Result multiplexing(Multiplexed& role);
  Result words();
  Result value_type();
  Result selection();
  Result attribute();
  Result attribute_default();
  void take_attribute(const std::string& name, std::uint32_t id, const Token& value);
  void finish();

  DbcMessage* find(std::uint32_t id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &dbc_.messages[found->second];
  }
  static DbcSignal* find(DbcMessage& message, std::string_view name) {
    const auto found = std::find_if(message.signals.begin(), message.signals.end(),
                                    [&](const auto& signal) { return signal.name == name; });
    return found == message.signals.end() ? nullptr : &*found;
  }

  DbcLexer lexer_;
  Dbc dbc_;
  std::vector<std::vector<Multiplexed>> multiplexing_;  // by message and signal
  std::unordered_map<std::uint32_t, std::size_t> by_id_;
  enum class Under : std::uint8_t { Nothing, Message, NoMessage };
  Under under_ = Under::Nothing;  // to what the next signals belong
  std::optional<std::chrono::milliseconds> default_cycle_;
  bool default_j1939_ = false;
  std::unordered_map<std::uint32_t, std::chrono::milliseconds> cycles_;
  std::unordered_map<std::uint32_t, bool> j1939_;
};

// BO_ 2364540158 EEC1: 8 Engine
Result Parser::message() {
  const auto at = lexer_.peek();
  const auto id = lexer_.whole("an identifier", 0xFFFF'FFFF);
  if (!id) return tl::unexpected(id.error());
  auto name = lexer_.word("the message's name");
  if (!name) return tl::unexpected(name.error());
  if (auto colon = lexer_.expect(':'); !colon) return colon;
  const auto size = lexer_.whole("the message's size in bytes", kMostBytes);
  if (!size) return tl::unexpected(size.error());
  auto sender = lexer_.word("the sender's name");
  if (!sender) return tl::unexpected(sender.error());
  under_ = *id == kNoMessage ? Under::NoMessage : Under::Message;
  if (under_ == Under::NoMessage) return {};
  const auto bits = static_cast<std::uint32_t>(*id);
  const bool extended = (bits & Frame::kExtended) != 0;
  if ((bits & ~Frame::kExtended) > (extended ? Frame::kExtendedIds : Frame::kStandardIds)) {
    return lexer_.mistake(at, "no identifier: up to 2047, or up to 536870911 plus 2147483648");
  }
  if (dbc_.messages.size() >= kMostMessages) return lexer_.mistake(at, "too many messages");
  if (!by_id_.emplace(bits, dbc_.messages.size()).second) {
    return lexer_.mistake(at, fmt::format("another message has the identifier {}", id_text(bits)));
  }
  auto& message = dbc_.messages.emplace_back();
  multiplexing_.emplace_back();
  message.name = std::move(*name);
  message.id = bits;
  message.size = static_cast<std::uint8_t>(*size);
  message.sender = std::move(*sender);
  return {};
}

// SG_ EngineSpeed m1 : 24|16@1+ (0.125,0) [0|8031.875] "rpm" Display,Logger
Result Parser::signal(const Token& begin) {
  if (under_ == Under::Nothing) return lexer_.mistake(begin, "a signal stands under its message");
  DbcSignal signal;
  Multiplexed role;
  role.at = lexer_.peek();
  auto name = lexer_.word("the signal's name");
  if (!name) return tl::unexpected(name.error());
  signal.name = std::move(*name);
  if (auto read = multiplexing(role); !read) return read;
  if (auto read = layout(signal); !read) return read;
  if (auto read = meaning(signal); !read) return read;
  if (auto receivers = skip_to_statement(); !receivers) return receivers;
  if (under_ == Under::NoMessage) return {};
  auto& message = dbc_.messages.back();
  if (message.signals.size() >= kMostSignals) return lexer_.mistake(role.at, "too many signals in one message");
  const bool fits = message.size > Frame::kMostBytes || bytes_for(signal.signal.place) <= message.size;
  if (!fits) return lexer_.mistake(role.at, fmt::format("ends beyond the {} bytes of its message", message.size));
  message.signals.push_back(std::move(signal));
  multiplexing_.back().push_back(role);
  return {};
}

Result Parser::multiplexing(Multiplexed& role) {
  if (lexer_.peek().kind == Token::Kind::Word) {
    const auto token = lexer_.take();
    auto text = token.text;
    if (text.ends_with('M')) {
      role.is_selector = true;
      text.remove_suffix(1);
    }
    if (text.starts_with('m')) {
      std::uint64_t value = 0;
      const auto [rest, error] = std::from_chars(text.data() + 1, text.data() + text.size(), value);
      if (error == std::errc{}) role.value = value;
      text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    }
    if (!text.empty() || (!role.is_selector && !role.value)) {
      return lexer_.mistake(token, "here stands M, m and a number, or nothing");
    }
  }
  return lexer_.expect(':');
}

// 24|16@1+
Result Parser::layout(DbcSignal& signal) {
  const auto start = lexer_.whole("the first bit", 8 * kMostBytes - 1);
  if (!start) return tl::unexpected(start.error());
  if (auto bar = lexer_.expect('|'); !bar) return bar;
  const auto at = lexer_.peek();
  const auto length = lexer_.whole("the number of bits", 8 * kMostBytes);
  if (!length) return tl::unexpected(length.error());
  if (*length == 0) return lexer_.mistake(at, "a signal has at least one bit");
  const bool classic = under_ == Under::Message && dbc_.messages.back().size <= Frame::kMostBytes;
  if (classic && (*length > 64 || *start > 63)) return lexer_.mistake(at, "a classic frame has 64 bits");
  signal.signal.place.start = static_cast<std::uint8_t>(*start);
  signal.signal.place.length = static_cast<std::uint8_t>(*length);
  if (auto sign = lexer_.expect('@'); !sign) return sign;
  const auto order = lexer_.whole("the byte order", 1);
  if (!order) return tl::unexpected(order.error());
  signal.signal.place.big_endian = *order == 0;
  const auto sign = lexer_.take();
  if (!sign.is('+') && !sign.is('-')) return lexer_.mistake(sign, "here stands + (unsigned) or - (signed)");
  signal.signal.number = sign.is('-') ? Number::Signed : Number::Unsigned;
  return {};
}

// (0.125,0) [0|8031.875] "rpm"
Result Parser::meaning(DbcSignal& signal) {
  const auto pair = [&](char open, double& first, char between, double& second, char close) -> Result {
    if (auto sign = lexer_.expect(open); !sign) return sign;
    const auto one = lexer_.number();
    if (!one) return tl::unexpected(one.error());
    if (auto sign = lexer_.expect(between); !sign) return sign;
    const auto other = lexer_.number();
    if (!other) return tl::unexpected(other.error());
    first = *one;
    second = *other;
    return lexer_.expect(close);
  };
  const auto at = lexer_.peek();
  if (auto read = pair('(', signal.signal.scale, ',', signal.signal.offset, ')'); !read) return read;
  if (signal.signal.scale == 0) return lexer_.mistake(at, "a factor of 0 would make every value the same");
  if (auto read = pair('[', signal.min, '|', signal.max, ']'); !read) return read;
  const auto unit = lexer_.take();
  if (unit.kind != Token::Kind::Text) return lexer_.mistake(unit, "here stands the unit, in quotes");
  signal.unit = unescaped(unit.text);
  return {};
}

// VAL_ 100 Gear 0 "P" 1 "R" ;
Result Parser::words() {
  if (lexer_.peek().kind != Token::Kind::Number) return skip();  // of an environment variable
  const auto id = lexer_.whole("an identifier", 0xFFFF'FFFF);
  if (!id) return tl::unexpected(id.error());
  const auto name = lexer_.word("the signal's name");
  if (!name) return tl::unexpected(name.error());
  auto* message = find(static_cast<std::uint32_t>(*id));
  auto* signal = message == nullptr ? nullptr : find(*message, *name);
  while (!lexer_.peek().is(';')) {
    const auto value = lexer_.number();
    if (!value) return tl::unexpected(value.error());
    const auto text = lexer_.take();
    if (text.kind != Token::Kind::Text) return lexer_.mistake(text, "here stands a word, in quotes");
    const bool countable = *value == std::floor(*value) && std::abs(*value) < 9.2e18;
    if (signal != nullptr && countable) {
      signal->words.insert_or_assign(static_cast<std::int64_t>(*value), unescaped(text.text));
    }
  }
  return lexer_.expect(';');
}

// SIG_VALTYPE_ 100 Temperature : 1;
Result Parser::value_type() {
  const auto id = lexer_.whole("an identifier", 0xFFFF'FFFF);
  if (!id) return tl::unexpected(id.error());
  const auto at = lexer_.peek();
  const auto name = lexer_.word("the signal's name");
  if (!name) return tl::unexpected(name.error());
  if (lexer_.peek().is(':')) lexer_.take();
  const auto type = lexer_.whole("0 (integer), 1 (float) or 2 (double)", 3);
  if (!type) return tl::unexpected(type.error());
  auto* message = find(static_cast<std::uint32_t>(*id));
  auto* signal = message == nullptr ? nullptr : find(*message, *name);
  if (signal != nullptr && (*type == 1 || *type == 2)) {
    const unsigned bits = *type == 1 ? 32 : 64;
    if (signal->signal.place.length != bits) {
      return lexer_.mistake(at, fmt::format("a floating point number of {} bits, but the signal has {}", bits,
                                            signal->signal.place.length));
    }
    signal->signal.number = *type == 1 ? Number::Float32 : Number::Float64;
  }
  return lexer_.expect(';');
}

// SG_MUL_VAL_ 100 Pressure Page 0-0, 4-6;
Result Parser::selection() {
  const auto id = lexer_.whole("an identifier", 0xFFFF'FFFF);
  if (!id) return tl::unexpected(id.error());
  const auto at = lexer_.peek();
  const auto name = lexer_.word("the signal's name");
  if (!name) return tl::unexpected(name.error());
  const auto selector = lexer_.word("the selecting signal's name");
  if (!selector) return tl::unexpected(selector.error());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  while (!lexer_.peek().is(';')) {
    const auto from = lexer_.whole("a value", ~std::uint64_t{0});
    if (!from) return tl::unexpected(from.error());
    // "0-3" is 0 and -3 to a reader of numbers.
    const auto to = lexer_.take();
    std::uint64_t last = 0;
    const auto* end = to.text.data() + to.text.size();
    const bool dashed = to.kind == Token::Kind::Number && to.text.starts_with('-');
    if (!dashed || std::from_chars(to.text.data() + 1, end, last).ptr != end || last < *from) {
      return lexer_.mistake(to, "here stands a range, such as 0-3");
    }
    ranges.emplace_back(*from, last);
    if (lexer_.peek().is(',')) lexer_.take();
  }
  lexer_.take();
  if (ranges.empty()) return lexer_.mistake(at, "selected by no value");
  auto* message = find(static_cast<std::uint32_t>(*id));
  const auto* signal = message == nullptr ? nullptr : find(*message, *name);
  if (signal == nullptr) return {};
  const auto which = static_cast<std::size_t>(signal - message->signals.data());
  auto& role = multiplexing_[static_cast<std::size_t>(message - dbc_.messages.data())][which];
  role.selector = *selector;
  role.ranges = std::move(ranges);
  return {};
}

// BA_ "GenMsgCycleTime" BO_ 100 20;
Result Parser::attribute() {
  const auto name = lexer_.take();
  if (name.kind != Token::Kind::Text) return lexer_.mistake(name, "here stands the attribute's name, in quotes");
  if (name.text == "ProtocolType") default_j1939_ = lexer_.peek().text == "J1939";
  const bool known = name.text == "GenMsgCycleTime" || name.text == "VFrameFormat";
  if (!known || !lexer_.peek().is_word("BO_")) return skip();
  lexer_.take();
  const auto id = lexer_.whole("an identifier", 0xFFFF'FFFF);
  if (!id) return tl::unexpected(id.error());
  const auto value = lexer_.peek();
  if (value.kind == Token::Kind::Text) {
    lexer_.take();
    j1939_[static_cast<std::uint32_t>(*id)] = value.text == "J1939PG";
    return lexer_.expect(';');
  }
  const auto read = lexer_.number();
  if (!read) return tl::unexpected(read.error());
  if (name.text == "VFrameFormat") {
    j1939_[static_cast<std::uint32_t>(*id)] = *read == kJ1939Format;
  } else if (*read >= 0 && *read <= kLongestCycle) {
    cycles_[static_cast<std::uint32_t>(*id)] = std::chrono::milliseconds(std::llround(*read));
  }
  return lexer_.expect(';');
}

// BA_DEF_DEF_ "GenMsgCycleTime" 100;
Result Parser::attribute_default() {
  const auto name = lexer_.take();
  if (name.kind != Token::Kind::Text) return lexer_.mistake(name, "here stands the attribute's name, in quotes");
  if (name.text == "VFrameFormat") default_j1939_ = default_j1939_ || lexer_.peek().text == "J1939PG";
  if (name.text == "GenMsgCycleTime" && lexer_.peek().kind == Token::Kind::Number) {
    const auto read = lexer_.number();
    if (!read) return tl::unexpected(read.error());
    if (*read >= 0 && *read <= kLongestCycle) default_cycle_ = std::chrono::milliseconds(std::llround(*read));
  }
  return skip();
}

void Parser::finish() {
  for (auto& message : dbc_.messages) {
    const auto cycle = cycles_.find(message.id);
    message.cycle = cycle != cycles_.end() ? cycle->second : default_cycle_.value_or(message.cycle);
    const auto j1939 = j1939_.find(message.id);
    message.j1939 = (message.id & Frame::kExtended) != 0 && (j1939 != j1939_.end() ? j1939->second : default_j1939_);
    for (auto& signal : message.signals) signal.signal.j1939 = message.j1939;
  }
}

}  // namespace

tl::expected<Dbc, DbcMistake> parse_dbc_text(std::string_view text) { return Parser(text).parse(); }

}  // namespace ferrule::drivers::can
