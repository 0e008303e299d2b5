// libFuzzer: hostile bytes as a password file, as SCRAM messages, and as lists of rules. A file that was read is
// written and read again; rules decide as their filters match, one by one.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/password_file.hpp"
#include "mqtt/rules.hpp"
#include "mqtt/scram.hpp"
#include "mqtt/topic.hpp"
#include "require.hpp"

namespace {

using namespace ferrule::mqtt;
using ferrule::fuzz::require;

void read_password_file(std::string_view text) {
  const auto file = PasswordFile::parse(text);
  std::string again;
  for (const auto& line : file.lines) {
    require(fault_in_user_name(line.user).empty(), "a user that was read has a valid name");
    again += line.user + ":" + line.credentials.hash->text();
    if (line.credentials.scram) again += ":" + line.credentials.scram->text();
    again += "\n";
  }
  const auto reread = PasswordFile::parse(again);
  require(reread.faults.empty(), "what was read is written without a fault");
  require(reread.lines.size() == file.lines.size(), "every line that was read is read again");
  for (const auto& fault : file.faults) {
    require(fault.line > 0 && fault.column > 0 && !fault.message.empty(), "a fault has a place and a message");
  }
}

void answer_scram(std::string_view text) {
  const auto cut = text.find('\n');
  auto exchange = ScramExchange::begin(text.substr(0, cut));
  if (!exchange) return;
  ScramKeys keys;
  keys.iterations = 4096;
  keys.salt = std::string(16, 's');
  keys.stored_key = keys.server_key = std::string(32, 'k');
  exchange->challenge(keys, "nonce");
  // Nothing hashes to the stored key.
  require(!exchange->finish(cut == std::string_view::npos ? "" : text.substr(cut + 1)), "no proof fits");
}

/// Lines: rules ("!" in front denies), an empty one, then topics and filters.
void apply_rules(std::string_view text) {
  std::vector<Rule> rules;
  std::vector<std::string> asked;
  bool behind = false;
  while (!text.empty() && rules.size() < 50 && asked.size() < 50) {
    const auto end = text.find('\n');
    std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) {
      behind = true;
    } else if (behind) {
      asked.push_back(std::move(line));
    } else {
      const bool deny = line.front() == '!';
      if (deny) line.erase(0, 1);
      if (line.find('%') == std::string::npos && TopicFilter::parse(line)) rules.push_back({line, !deny});
    }
  }
  const RuleList list(rules);
  const Rights rights({&list, nullptr, nullptr}, {"client", "user"});
  for (const auto& topic : asked) {
    if (is_valid_topic_filter(topic)) rights.coverage(topic);
    if (!is_valid_topic_name(topic)) continue;
    bool allowed = false, denied = false;
    for (const Rule& rule : rules) {
      if (TopicFilter::parse(rule.filter)->matches(topic)) (rule.allow ? allowed : denied) = true;
    }
    require(rights.allow(topic) == (allowed && !denied), "rules decide as their filters match");
    // A topic is a filter that matches itself alone.
    const bool some = rights.coverage(topic) != Coverage::None;
    require(some == (allowed && !denied), "a topic covers itself");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      read_password_file(text);
      break;
    case 1:
      answer_scram(text);
      break;
    default:
      apply_rules(text);
  }
  return 0;
}
