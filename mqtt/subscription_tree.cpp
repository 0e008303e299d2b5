#include "mqtt/subscription_tree.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ferrule::mqtt {

// Matches

std::span<const std::uint32_t> Matches::identifiers(const Match& match) {
  if (match.identifier == 0) return {};
  if (match.more == Match::kLast) return {&match.identifier, 1};
  identifiers_.assign(1, match.identifier);
  for (auto i = match.more; i != Match::kLast; i = further_[i].next) identifiers_.push_back(further_[i].identifier);
  return identifiers_;
}

void Matches::clear() {
  matches_.clear();
  further_.clear();
}

// Entries

SubscriptionTree::Entries::Entries(Entries&& other) noexcept : one_() { *this = std::move(other); }

SubscriptionTree::Entries& SubscriptionTree::Entries::operator=(Entries&& other) noexcept {
  if (this == &other) return *this;
  if (capacity_ > 1) delete[] many_;
  if (other.capacity_ > 1) {
    many_ = other.many_;
  } else {
    one_ = other.one_;
  }
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 1);
  other.one_ = {};
  return *this;
}

SubscriptionTree::Entries::~Entries() {
  if (capacity_ > 1) delete[] many_;
}

void SubscriptionTree::Entries::move_to(std::uint32_t capacity) {
  Entry* const old = capacity_ > 1 ? many_ : nullptr;
  if (capacity > 1) {
    auto* const entries = new Entry[capacity];
    std::ranges::copy(all(), entries);
    many_ = entries;
  } else {
    one_ = size_ > 0 ? old[0] : Entry{};
  }
  capacity_ = capacity;
  delete[] old;
}

void SubscriptionTree::Entries::push(const Entry& entry) {
  if (size_ == capacity_) move_to(capacity_ * 2);
  ++size_;
  all().back() = entry;
}

void SubscriptionTree::Entries::remove(std::size_t index) {
  all()[index] = all().back();
  --size_;
  if (capacity_ > 1 && size_ <= capacity_ / 4) move_to(size_ <= 1 ? 1 : capacity_ / 2);
}

// Subscribing

SubscriptionTree::NodeId SubscriptionTree::node_of(std::string_view filter) {
  const auto path = tree_.split(filter);
  assert(!path.empty());
  const NodeId node = tree_.add(path);
  filters_.reach(tree_.end() - 1);
  for (NodeId at = node; at != TopicTree::kRoot; at = tree_.parent(at)) {
    if (tree_.text(at) == "+") filters_[tree_.parent(at)].plus = at;
    if (tree_.text(at) == "#") filters_[tree_.parent(at)].multi = at;
  }
  return node;
}

SubscriptionTree::NodeId SubscriptionTree::find(std::string_view filter) const {
  const auto path = tree_.split(filter);
  return path.empty() ? TopicTree::kNone : tree_.find(path);
}

SubscriptionTree::Group* SubscriptionTree::group_at(NodeId node, std::string_view name) {
  const auto groups = groups_.find(node);
  if (groups == groups_.end()) return nullptr;
  const auto found = std::ranges::find(groups->second, name, &Group::name);
  return found == groups->second.end() ? nullptr : &*found;
}

/// Of a subscription that exists.
SubscriptionTree::Entries& SubscriptionTree::entries_at(const Subscriber::Place& place) {
  if (place.group == 0) return filters_[place.node].entries;
  return std::ranges::find(groups_.at(place.node), place.group, &Group::number)->members;
}

const SubscriptionTree::Entries& SubscriptionTree::entries_at(const Subscriber::Place& place) const {
  if (place.group == 0) return filters_[place.node].entries;
  return std::ranges::find(groups_.at(place.node), place.group, &Group::number)->members;
}

SubscriptionTree::Entry SubscriptionTree::entry_of(Subscriber& subscriber, SubscriptionOptions options,
                                                   std::uint32_t identifier) {
  Entry entry;
  entry.subscriber = &subscriber;
  entry.identifier = identifier & 0x0FFFFFFF;
  entry.retain_handling = options.retain_handling & 3U;
  entry.no_local = options.no_local ? 1 : 0;
  entry.retain_as_published = options.retain_as_published ? 1 : 0;
  entry.qos = options.qos;
  return entry;
}

SubscriptionTree::Added SubscriptionTree::add(Subscriber& subscriber, std::string_view group, std::string_view filter,
                                              SubscriptionOptions options, std::uint32_t identifier) {
  matched_.clear();
  const NodeId node = node_of(filter);
  tree_.pin(node);
  Group* shared = nullptr;
  if (!group.empty()) {
    shared = group_at(node, group);
    if (shared == nullptr) {
      shared = &groups_[node].emplace_back();
      shared->name = group;
      shared->number = last_group_ = last_group_ % 0x3FFFFFFF + 1;  // fits 30 bits
    }
  }
  Entries& entries = shared != nullptr ? shared->members : filters_[node].entries;
  const Subscriber::Place place{node, shared != nullptr ? shared->number : 0};
  const Entry entry = entry_of(subscriber, options, identifier);
  // Whichever is shorter tells whether it is there already: a popular filter has many entries, a busy client many
  // places.
  const bool known = entries.all().size() <= subscriber.places_.size()
                         ? std::ranges::find(entries.all(), &subscriber, &Entry::subscriber) != entries.all().end()
                         : std::ranges::find(subscriber.places_, place) != subscriber.places_.end();
  if (known) {
    *std::ranges::find(entries.all(), &subscriber, &Entry::subscriber) = entry;
    release(node);
    return Added::Replaced;
  }
  entries.push(entry);
  subscriber.places_.push_back(place);
  ++size_;
  if (shared != nullptr) ++shared_;
  return Added::New;
}

bool SubscriptionTree::remove(Subscriber& subscriber, std::string_view group, std::string_view filter) {
  const NodeId node = find(filter);
  if (node == TopicTree::kNone) return false;
  Subscriber::Place place{node, 0};
  if (!group.empty()) {
    const Group* shared = group_at(node, group);
    if (shared == nullptr) return false;
    place.group = shared->number;
  }
  auto& places = subscriber.places_;
  const auto found = std::ranges::find(places, place);
  if (found == places.end()) return false;
  *found = places.back();
  places.pop_back();
  drop(place, subscriber);
  return true;
}

void SubscriptionTree::remove_all(Subscriber& subscriber) {
  for (const auto& place : std::exchange(subscriber.places_, {})) drop(place, subscriber);
}

void SubscriptionTree::suspend_shared(Subscriber& subscriber,
                                      const std::function<bool(std::string_view filter)>& is_suspended) {
  for (const auto& place : subscriber.places_) {
    if (place.group == 0) continue;
    Entry& entry = *std::ranges::find(entries_at(place).all(), &subscriber, &Entry::subscriber);
    entry.suspended = is_suspended(tree_.path(place.node));
  }
}

void SubscriptionTree::drop(const Subscriber::Place& place, const Subscriber& subscriber) {
  matched_.clear();
  Entries& entries = entries_at(place);
  const auto found = std::ranges::find(entries.all(), &subscriber, &Entry::subscriber);
  assert(found != entries.all().end());
  entries.remove(static_cast<std::size_t>(found - entries.all().begin()));
  --size_;
  if (place.group != 0) {
    --shared_;
    auto& groups = groups_.at(place.node);
    std::erase_if(groups, [](const Group& group) { return group.members.all().empty(); });
    if (groups.empty()) groups_.erase(place.node);
  }
  release(place.node);
}

/// Takes one pin back. A parent must not remember `+` and `#` children that are gone.
void SubscriptionTree::release(NodeId node) {
  while (node != TopicTree::kNone) {
    const NodeId above = tree_.unpin(node);
    if (above == TopicTree::kNone) return;
    if (filters_[above].plus == node) filters_[above].plus = TopicTree::kNone;
    if (filters_[above].multi == node) filters_[above].multi = TopicTree::kNone;
    node = above;
  }
}

// Matching

void SubscriptionTree::match(std::string_view topic, const Subscriber* publisher, Matches& out) {
  out.clear();
  if (size_ == 0) return;
  ++round_;
  if (topic != matched_) {  // publications often come several to a topic
    find_matching(topic);
    matched_ = topic;
  }
  for (const NodeId node : matching_) collect(node, publisher, out);
}

/// The nodes of all filters that match.
void SubscriptionTree::find_matching(std::string_view topic) {
  matching_.clear();
  const auto path = tree_.split(topic);
  if (path.empty()) return;
  const bool dollar = topic.front() == '$';
  frontier_.assign(1, TopicTree::kRoot);
  for (std::size_t depth = 0; depth < path.size() && !frontier_.empty(); ++depth) {
    next_frontier_.clear();
    for (const NodeId node : frontier_) {
      const Filters& filters = filters_[node];
      const bool wildcards = !(dollar && depth == 0);  // [MQTT-4.7.2-1]
      if (wildcards && filters.multi != TopicTree::kNone) matching_.push_back(filters.multi);
      if (wildcards && filters.plus != TopicTree::kNone) next_frontier_.push_back(filters.plus);
      const NodeId child = tree_.child(node, path[depth]);
      if (child != TopicTree::kNone) next_frontier_.push_back(child);
    }
    frontier_.swap(next_frontier_);
  }
  for (const NodeId node : frontier_) {
    matching_.push_back(node);
    const NodeId multi = filters_[node].multi;  // `a/#` matches `a` too
    if (multi != TopicTree::kNone) matching_.push_back(multi);
  }
}

void SubscriptionTree::collect(NodeId node, const Subscriber* publisher, Matches& out) {
  for (const Entry& entry : filters_[node].entries.all()) {
    if (entry.no_local != 0 && entry.subscriber == publisher) continue;  // [MQTT-3.8.3-3]
    merge(entry, out);
  }
  if (groups_.empty()) return;
  const auto groups = groups_.find(node);
  if (groups == groups_.end()) return;
  for (Group& group : groups->second) {
    const Match match = match_of(group);
    if (match.subscriber != nullptr) out.matches_.push_back(match);
  }
}

Match SubscriptionTree::match_of(Group& group) {
  const Entry* member = next_member(group);
  if (member == nullptr) return {};
  return {member->subscriber, member->qos,  member->retain_as_published != 0,
          member->identifier, Match::kLast, group.number};
}

/// Looks through all groups: this is for sessions that end with something of a group's in their hands.
Match SubscriptionTree::next_of_group(std::uint32_t number) {
  for (auto& [node, groups] : groups_) {
    const auto found = std::ranges::find(groups, number, &Group::number);
    if (found != groups.end()) return match_of(*found);
  }
  return {};
}

void SubscriptionTree::merge(const Entry& entry, Matches& out) {
  Subscriber& subscriber = *entry.subscriber;
  if (subscriber.round_ != round_) {
    subscriber.round_ = round_;
    subscriber.index_ = static_cast<std::uint32_t>(out.matches_.size());
    out.matches_.push_back({&subscriber, entry.qos, entry.retain_as_published != 0, entry.identifier, Match::kLast, 0});
    return;
  }
  Match& match = out.matches_[subscriber.index_];
  match.qos = std::max(match.qos, entry.qos);  // [MQTT-3.3.4-2]
  match.retain_as_published |= entry.retain_as_published != 0;
  if (entry.identifier == 0) return;
  if (match.identifier == 0) {
    match.identifier = entry.identifier;
    return;
  }
  out.further_.push_back({entry.identifier, match.more});  // [MQTT-3.3.4-4]
  match.more = static_cast<std::uint32_t>(out.further_.size() - 1);
}

/// Round robin over those who are best able to take it.
const SubscriptionTree::Entry* SubscriptionTree::next_member(Group& group) {
  const auto members = std::as_const(group.members).all();
  const auto turn_of = [&](auto&& suits) -> const Entry* {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t index = (group.turn + i) % members.size();
      if (members[index].suspended || !suits(*members[index].subscriber)) continue;
      group.turn = static_cast<std::uint32_t>(index + 1);
      return &members[index];
    }
    return nullptr;
  };
  if (const Entry* ready = turn_of([](const Subscriber& subscriber) { return subscriber.ready_; })) return ready;
  if (const Entry* online = turn_of([](const Subscriber& subscriber) { return subscriber.online_; })) return online;
  return turn_of([](const Subscriber&) { return true; });
}

std::vector<SubscriptionTree::Listed> SubscriptionTree::subscriptions_of(const Subscriber& subscriber) const {
  std::vector<Listed> list;
  for (const auto& place : subscriber.places_) {
    Listed listed;
    listed.filter = tree_.path(place.node);
    if (place.group != 0) {
      listed.group = std::ranges::find(groups_.at(place.node), place.group, &Group::number)->name;
    }
    const Entry& entry = *std::ranges::find(entries_at(place).all(), &subscriber, &Entry::subscriber);
    listed.options = {entry.qos, entry.no_local != 0, entry.retain_as_published != 0,
                      static_cast<std::uint8_t>(entry.retain_handling)};
    listed.identifier = entry.identifier;
    list.push_back(std::move(listed));
  }
  return list;
}

}  // namespace ferrule::mqtt
