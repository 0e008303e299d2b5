#include "gateway/demo_ledger.hpp"

#include <algorithm>

namespace ferrule::gateway {

DemoLedger::DemoLedger(std::string prefix, std::string cloud_prefix)
    : prefix_(std::move(prefix)), cloud_prefix_(std::move(cloud_prefix)) {}

tl::expected<mqtt::Ticket, mqtt::Reason> DemoLedger::append(const mqtt::PublicationPtr& publication, bool /*durable*/) {
  if (publication->topic.starts_with(prefix_)) published_.push_back(publication->topic + ' ' + publication->payload);
  return 0;
}

void DemoLedger::arrived(const mqtt::Publication& publication) {
  const auto skip = publication.topic.starts_with(cloud_prefix_) ? cloud_prefix_.size() : 0;
  arrived_.push_back(publication.topic.substr(skip) + ' ' + publication.payload);
}

Verdict DemoLedger::judge() const {
  Verdict verdict;
  verdict.published = published_.size();
  verdict.arrived = arrived_.size();
  std::unordered_map<std::string_view, std::vector<std::size_t>> positions;  // of each entry, last first
  for (std::size_t i = published_.size(); i-- > 0;) positions[published_[i]].push_back(i);
  std::size_t last = 0;
  for (const auto& entry : arrived_) {
    const auto found = positions.find(entry);
    if (found == positions.end()) {
      ++verdict.foreign;
    } else if (found->second.empty()) {
      ++verdict.repeated;
    } else {
      verdict.in_order = verdict.in_order && found->second.back() >= last;
      last = std::max(last, found->second.back());
      found->second.pop_back();
    }
  }
  for (const auto& [entry, left] : positions) verdict.missing += left.size();
  return verdict;
}

}  // namespace ferrule::gateway
