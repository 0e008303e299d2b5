// What of an Outbox has to do with ages and times of day.
#include <algorithm>

#include "bridge/outbox.hpp"

namespace ferrule::bridge {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNoteEvery{10'000};
constexpr milliseconds kThinEvery{10'000};
// A clock that is further ahead than this was set wrong: the time that we were off does not count then.
constexpr milliseconds kLongestOutage = std::chrono::hours(24 * 90);

template <class Time>
milliseconds since_epoch(Time time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch());
}

}  // namespace

void Outbox::begin_calendar() {
  const auto clock = since_epoch(clock_.utc());
  const auto last = file_.last_noted().value_or(OutboxFile::Noted{clock.count(), clock.count()});
  const milliseconds off = clock - milliseconds(last.clock);
  const bool believable = off >= milliseconds(0) && off <= kLongestOutage;
  offset_ = milliseconds(last.calendar) + (believable ? off : milliseconds(0)) - since_epoch(clock_.now());
}

std::int64_t Outbox::calendar(std::chrono::steady_clock::time_point time) const {
  return (since_epoch(time) + offset_).count();
}

std::chrono::steady_clock::time_point Outbox::monotonic(std::int64_t time) const {
  return std::chrono::steady_clock::time_point(milliseconds(time) - offset_);
}

/// With what is written anyway, now and then.
std::optional<OutboxFile::Noted> Outbox::time_to_note() {
  const auto now = clock_.now();
  if (noted_at_ && now - *noted_at_ < kNoteEvery) return std::nullopt;
  noted_at_ = now;
  return OutboxFile::Noted{calendar(now), since_epoch(clock_.utc()).count()};
}

bool Outbox::is_aged(const Entry& entry) const {
  return settings_.max_age > milliseconds(0) && clock_.now() - entry.publication->published > settings_.max_age;
}

/// Also while nothing is sent: the oldest, and page by page those on disk.
void Outbox::drop_aged() {
  if (settings_.max_age == milliseconds(0)) return;
  while (!head_.empty() && !head_.front().in_flight && is_aged(head_.front())) {
    ++counters_.dropped_aged;
    remove(head_, head_.begin());
  }
  if (backlog_ && head_.empty()) refill();
}

/// What is in memory at once, what is on disk some thousands at a time.
void Outbox::thin() {
  if (settings_.keep.interval == milliseconds(0) || clock_.now() < thin_at_) return;
  thin_at_ = clock_.now() + kThinEvery;
  thin_head();
  if (backlog_) thin_disk();
}

void Outbox::thin_head() {
  Thinner thinner;
  std::erase_if(head_, [&](const Entry& entry) {
    const auto published = entry.publication->published;
    if (entry.in_flight || entry.priority == Priority::High || clock_.now() - published <= settings_.keep.after ||
        thinner.keeps(entry.cloud_topic(), calendar(published), settings_.keep.interval)) {
      return false;
    }
    ++counters_.dropped_thinned;
    if (entry.maybe_on_disk) erasures_.push_back({entry.seq, entry.cost, {}});
    count_out(head_, entry);
    return true;
  });
}

void Outbox::thin_disk() {
  if (dropping_ || loading_ || !disk_error_.empty()) return;
  dropping_ = true;
  const auto removed = std::make_shared<OutboxFile::Removed>();
  post([this, removed, range = on_disk(), end = calendar(clock_.now() - settings_.keep.after)] {
    *removed = file_.thin(range, end, settings_.keep.interval);
  });
  store_.read([] {},
              [this, alive = std::weak_ptr(alive_), removed] {
                if (alive.expired()) return;
                dropping_ = false;
                if (!disk_error_.empty()) return;  // rolled back
                counters_.dropped_thinned += removed->seqs.size();
                gone_from_disk(*removed);
                if (!removed->complete) thin_at_ = {};
              });
}

Row Outbox::row_of(const Entry& entry) const {
  const auto& publication = *entry.publication;
  Row row{entry.seq,
          entry.cloud_topic(),
          entry.qos,
          publication.retain,
          entry.priority,
          publication.payload,
          publication.properties,
          calendar(publication.published),
          {}};
  if (publication.expires) row.expires = calendar(*publication.expires);
  return row;
}

Outbox::Entry Outbox::entry_of(Row row) const {
  auto publication = std::make_shared<mqtt::Publication>();
  Entry entry;
  entry.cost = row_cost(row.topic.size(), row.payload.size(), row.properties.size());
  publication->topic = std::move(row.topic);
  publication->payload = std::move(row.payload);
  publication->properties = std::move(row.properties);
  publication->qos = row.qos;
  publication->retain = row.retain;
  publication->published = monotonic(row.published);
  if (row.expires) publication->expires = monotonic(*row.expires);
  entry.seq = row.seq;
  entry.publication = std::move(publication);
  entry.qos = row.qos;
  entry.priority = row.priority;
  entry.unwritten = false;
  entry.maybe_on_disk = true;
  entry.added = clock_.now();
  return entry;
}

}  // namespace ferrule::bridge
