// What the readers ask a configuration for: by it a test holds the table of keys (config/schema.hpp) against them.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::config {

class Node;

/// One question to a key, whether it is there or not.
struct Question {
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  std::string path;       ///< `devices.boiler.points.flow.type`, `uplinks.hq.out[0].from`
  std::string_view kind;  ///< as in SchemaKey::shape; empty: whether there is such a key, or what is below it
  std::string fallback;   ///< as one would write it; `required`
  double min = -kNone;    ///< milliseconds, bytes or as it is
  double max = kNone;
  std::vector<std::string_view> words{};  ///< of a closed list
};

/// Gathers the questions that are asked on its thread while it lives. One at a time.
class Questions {
 public:
  Questions();
  ~Questions();
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;

  const std::vector<Question>& all() const { return all_; }

 private:
  friend void ask(const Node& node, Question question);
  std::vector<Question> all_;
};

/// Whether somebody gathers them: making a question costs time.
bool anybody_gathers();
/// Adds the path of `node` and keeps the question.
void ask(const Node& node, Question question);

}  // namespace ferrule::config
