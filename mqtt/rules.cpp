#include "mqtt/rules.hpp"

#include <algorithm>
#include <optional>

namespace ferrule::mqtt {

namespace {

/// A topic or filter level by level; an empty text is one empty level.
struct Levels {
  std::string_view rest;
  bool done = false;

  std::string_view next() {
    const auto slash = rest.find('/');
    const auto level = rest.substr(0, slash);
    done = slash == std::string_view::npos;
    rest.remove_prefix(done ? rest.size() : slash + 1);
    return level;
  }
};

bool has_name(std::string_view level) {
  return level.find("%c") != std::string_view::npos || level.find("%u") != std::string_view::npos;
}

/// Whether `level` is `text` with its `%c` and `%u` replaced.
bool is_named(std::string_view level, std::string_view text, const RuleNames& names) {
  while (!text.empty()) {
    const bool client = text.starts_with("%c");
    if (!client && !text.starts_with("%u")) {
      if (level.empty() || level.front() != text.front()) return false;
      level.remove_prefix(1);
      text.remove_prefix(1);
      continue;
    }
    const auto name = client ? names.client_id : names.user;
    if (name.empty() || !level.starts_with(name)) return false;  // a level has none of + # /, so such a name differs
    level.remove_prefix(name.size());
    text.remove_prefix(2);
  }
  return level.empty();
}

/// The filter with its names filled in; nullopt when one does not fit.
std::optional<std::string> filled_in(const std::string& filter, const RuleNames& names) {
  std::string result;
  result.reserve(filter.size() + names.client_id.size() + names.user.size());
  for (std::size_t i = 0; i < filter.size(); ++i) {
    const bool client = filter.compare(i, 2, "%c") == 0;
    if (!client && filter.compare(i, 2, "%u") != 0) {
      result.push_back(filter[i]);
      continue;
    }
    const auto name = client ? names.client_id : names.user;
    if (!fits_a_level(name)) return std::nullopt;
    result.append(name);
    ++i;
  }
  if (result.starts_with('$') && !filter.starts_with('$')) return std::nullopt;  // a name must not open `$SYS`
  return result;
}

/// Wildcards at the first level do not match topics that begin with `$` [MQTT-4.7.2-1].
bool wildcard_meets_dollar(std::string_view wildcard, std::string_view other, bool first) {
  return first && (wildcard == "#" || wildcard == "+") && other.starts_with('$');
}

/// Whether there is a topic that both filters match.
bool overlap(std::string_view a, std::string_view b) {
  Levels left{a}, right{b};
  for (bool first = true;; first = false) {
    const auto one = left.next(), other = right.next();
    if (wildcard_meets_dollar(one, other, first) || wildcard_meets_dollar(other, one, first)) return false;
    if (one == "#" || other == "#") return true;
    if (one != "+" && other != "+" && one != other) return false;
    if (left.done && right.done) return true;
    if (left.done) return right.rest == "#";
    if (right.done) return left.rest == "#";
  }
}

/// Whether `wide` matches every topic that `narrow` matches.
bool cover(std::string_view wide, std::string_view narrow) {
  Levels outer{wide}, inner{narrow};
  for (bool first = true;; first = false) {
    const auto one = outer.next(), other = inner.next();
    if (wildcard_meets_dollar(one, other, first)) return false;
    if (one == "#") return true;
    if (other == "#" || (one != "+" && one != other)) return false;
    if (inner.done) return outer.done || outer.rest == "#";
    if (outer.done) return false;
  }
}

}  // namespace

bool fits_a_level(std::string_view name) {
  return !name.empty() && name.find_first_of("+#/") == std::string_view::npos;
}

// RuleList

RuleList::RuleList(std::vector<Rule> rules) : rules_(std::move(rules)), nodes_(1) {
  for (const Rule& rule : rules_) add(rule);
}

void RuleList::add(const Rule& rule) {
  names_client_ = names_client_ || rule.filter.find("%c") != std::string::npos;
  names_user_ = names_user_ || rule.filter.find("%u") != std::string::npos;
  const std::uint8_t verdict = rule.allow ? kAllow : kDeny;
  std::uint32_t node = 0;
  for (Levels levels{rule.filter}; !levels.done;) {
    const auto level = levels.next();
    if (level == "#") {
      nodes_[node].below |= verdict;
      return;
    }
    node = child(node, level);
  }
  nodes_[node].here |= verdict;
}

std::uint32_t RuleList::child(std::uint32_t node, std::string_view level) {
  const auto fresh = static_cast<std::uint32_t>(nodes_.size());
  Node& parent = nodes_[node];
  std::uint32_t id = fresh;
  if (level == "+") {
    if (parent.plus == kNone) parent.plus = fresh;
    id = parent.plus;
  } else {
    auto& children = has_name(level) ? parent.named : parent.words;
    const auto place =
        std::ranges::lower_bound(children, level, {}, [](const auto& entry) { return std::string_view(entry.first); });
    if (place != children.end() && place->first == level) {
      id = place->second;
    } else {
      children.emplace(place, std::string(level), fresh);
    }
  }
  if (id == fresh) nodes_.emplace_back();
  return id;
}

RuleList::Verdict RuleList::decide(std::string_view topic, const RuleNames& names) const {
  const std::uint8_t verdicts = walk(nodes_.front(), topic, false, true, names);
  if ((verdicts & kDeny) != 0) return Verdict::Deny;
  return verdicts != 0 ? Verdict::Allow : Verdict::Nothing;
}

/// The verdicts of all rules below `node` that match what is left of the topic. As deep as the rules are, not the
/// topic.
std::uint8_t RuleList::walk(const Node& node, std::string_view topic, bool consumed, bool first,
                            const RuleNames& names) const {
  const bool dollar = first && topic.starts_with('$');  // [MQTT-4.7.2-1]
  std::uint8_t verdicts = dollar ? std::uint8_t{0} : node.below;
  if (consumed) return verdicts | node.here;
  Levels levels{topic};
  const auto level = levels.next();
  const auto visit = [&](std::uint32_t id) { verdicts |= walk(nodes_[id], levels.rest, levels.done, false, names); };
  if (!node.words.empty()) {
    const auto place = std::ranges::lower_bound(node.words, level, {},
                                                [](const auto& entry) { return std::string_view(entry.first); });
    if (place != node.words.end() && place->first == level) visit(place->second);
  }
  if (node.plus != kNone && !dollar) visit(node.plus);
  for (const auto& [text, id] : node.named) {
    if (dollar && !text.starts_with('$')) continue;  // a name must not open `$SYS`
    if (is_named(level, text, names)) visit(id);
  }
  return verdicts;
}

// Rights

bool Rights::decide(std::string_view topic) const {
  for (const RuleList* list : lists_) {
    if (list == nullptr) continue;
    const auto verdict = list->decide(topic, names_);
    if (verdict != RuleList::Verdict::Nothing) return verdict == RuleList::Verdict::Allow;
  }
  return false;
}

Coverage Rights::coverage(std::string_view filter) const {
  if (!restricted_) return Coverage::All;
  Coverage most = Coverage::All;  // Some: one of the lists so far takes part of it away
  Coverage found = Coverage::None;
  for (const RuleList* list : lists_) {
    if (list == nullptr) continue;
    bool touched = false, covered = false, denied = false;
    for (const Rule& rule : list->rules()) {
      const auto text = filled_in(rule.filter, names_);
      if (!text || !overlap(*text, filter)) continue;
      const bool whole = cover(*text, filter);
      if (rule.allow) {
        touched = true;
        covered = covered || whole;
      } else {
        most = Coverage::Some;
        denied = denied || whole;
      }
    }
    if (denied) return found;
    if (covered) return most;
    // Denials of this list may still take back all of what touches it; each delivery finds out.
    if (touched) found = most = Coverage::Some;
  }
  return found;
}

}  // namespace ferrule::mqtt
