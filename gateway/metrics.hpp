// The gateway's numbers in the text format of Prometheus 0.0.4, for /metrics.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/http_server.hpp"

namespace ferrule::gateway {

class Gateway;

/// Writes families one after the other: first its head, then all of its samples.
class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  void counter(std::string_view name, std::string_view help) { family(name, help, "counter"); }
  void gauge(std::string_view name, std::string_view help) { family(name, help, "gauge"); }
  void histogram(std::string_view name, std::string_view help) { family(name, help, "histogram"); }
  void sample(Labels labels, double value) { sample("", labels, value); }
  /// `suffix`: `_bucket`, `_sum` or `_count` of a histogram.
  void sample(std::string_view suffix, Labels labels, double value);
  const std::string& text() const { return text_; }

 private:
  void family(std::string_view name, std::string_view help, std::string_view type);

  std::string text_;
  std::string name_;  // of the family under way
};

/// What the gateway's parts do not count themselves.
struct OperationCounters {
  std::uint64_t reloads = 0, failed_reloads = 0;
  HttpCounters http{};
};

/// All of them, as docs/metrics.md lists them. Labels are names of the configuration and words of ours, never of
/// clients.
std::string metrics_of(const Gateway& gateway, const OperationCounters& operation);

}  // namespace ferrule::gateway
