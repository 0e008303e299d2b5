// What a client may publish and receive: lists of topic filters, allowed and denied.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferrule::mqtt {

/// One line of a list: a valid topic filter, in which `%c` stands for the client id and `%u` for the user's name.
struct Rule {
  std::string filter;
  bool allow = true;
};

/// What `%c` and `%u` stand for. A name that is empty or has one of `+ # /` fits nowhere.
struct RuleNames {
  std::string_view client_id;
  std::string_view user;  ///< empty: anonymous
};

/// How much of a topic filter is allowed.
enum class Coverage : std::uint8_t { None, Some, All };

/// One list, compiled: about one look-up per level of the topic, however many rules there are. Immutable.
class RuleList {
 public:
  enum class Verdict : std::uint8_t { Nothing, Allow, Deny };

  explicit RuleList(std::vector<Rule> rules = {});

  /// A rule that denies wins, wherever it stands. `topic` is a valid topic name.
  Verdict decide(std::string_view topic, const RuleNames& names) const;

  const std::vector<Rule>& rules() const { return rules_; }
  bool names_client() const { return names_client_; }  ///< `%c` occurs
  bool names_user() const { return names_user_; }      ///< `%u` occurs

 private:
  static constexpr std::uint8_t kAllow = 1, kDeny = 2;
  static constexpr std::uint32_t kNone = 0;  // node 0 is the root, nobody's child
  struct Node {
    std::vector<std::pair<std::string, std::uint32_t>> words;  // children, sorted
    std::vector<std::pair<std::string, std::uint32_t>> named;  // children whose level has %c or %u
    std::uint32_t plus = kNone;
    std::uint8_t here = 0;   // verdicts of filters that end here
    std::uint8_t below = 0;  // and with a `#` behind
  };

  void add(const Rule& rule);
  std::uint32_t child(std::uint32_t node, std::string_view level);
  std::uint8_t walk(const Node& node, std::string_view topic, bool consumed, bool first, const RuleNames& names) const;

  std::vector<Rule> rules_;
  std::vector<Node> nodes_;
  bool names_client_ = false, names_user_ = false;
};

/// What one client may do: the lists that speak of it, the nearest one first (its user's, its client id's, everyone's).
/// The first list that says something about a topic decides; what no list mentions is denied. Borrows lists and names.
class Rights {
 public:
  Rights() = default;  ///< everything

  /// Each list may be null.
  Rights(std::array<const RuleList*, 3> nearest_first, RuleNames names)
      : lists_(nearest_first), names_(names), restricted_(true) {}

  bool restricted() const { return restricted_; }
  bool allow(std::string_view topic) const { return !restricted_ || decide(topic); }
  Coverage coverage(std::string_view filter) const;

 private:
  bool decide(std::string_view topic) const;

  std::array<const RuleList*, 3> lists_{};
  RuleNames names_;
  bool restricted_ = false;
};

/// Whether a name may stand where `%c` or `%u` does.
bool fits_a_level(std::string_view name);

}  // namespace ferrule::mqtt
