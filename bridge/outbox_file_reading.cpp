// What an outbox's file has besides rows, and how all of it is read.
#include <SQLiteCpp/SQLiteCpp.h>
#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <bit>
#include <utility>

#include "bridge/exchange_record.hpp"
#include "bridge/outbox_database.hpp"

namespace ferrule::bridge {

using mqtt::bind_bytes;
using mqtt::bytes_of;

void OutboxFile::put_record(Seq seq, const std::string& key, std::string_view packet, std::size_t cut) {
  guarded([&](Database& database) {
    const bool is_exchange = seq != LinkState::kNoRow && parse_record_key(key).kind != "sc";
    auto& put = database.statement(is_exchange ? "INSERT OR REPLACE INTO exchange VALUES (?, ?, ?, ?, NULL)"
                                   : seq != LinkState::kNoRow ? "INSERT OR REPLACE INTO release VALUES (?, ?, ?)"
                                                              : "INSERT OR REPLACE INTO record VALUES (?, ?, ?)");
    put.bind(1, number(seq));
    put.bindNoCopy(2, key);
    bind_bytes(put, 3, packet.substr(0, packet.size() - cut));
    if (is_exchange) put.bind(4, number(cut));
    put.exec();
  });
}

void OutboxFile::put_follower(Seq seq, Seq leader) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO exchange VALUES (?, '', '', 0, ?)");
    put.bind(1, number(seq));
    put.bind(2, number(leader));
    put.exec();
  });
}

void OutboxFile::erase_records(Seq seq) {
  guarded([&](Database& database) {
    for (const auto* sql : {"DELETE FROM exchange WHERE seq = ?", "DELETE FROM release WHERE seq = ?"}) {
      auto& remove = database.statement(sql);
      remove.bind(1, number(seq));
      remove.exec();
    }
  });
}

void OutboxFile::erase_received(const std::string& key) {
  guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM record WHERE seq = ? AND key = ?");
    remove.bind(1, number(LinkState::kNoRow));
    remove.bindNoCopy(2, key);
    remove.exec();
  });
}

void OutboxFile::clear_records() {
  guarded([](Database& database) {
    for (const auto* sql : {"DELETE FROM exchange", "DELETE FROM release", "DELETE FROM record"}) {
      database.statement(sql).exec();
    }
  });
}

void OutboxFile::put_receipt(const std::string& session, const mqtt::Receipt& receipt) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?)");
    put.bindNoCopy(1, session);
    put.bind(2, receipt.packet_id);
    put.bind(3, number(receipt.number));
    put.bind(4, std::bit_cast<std::int64_t>(receipt.digest));
    put.exec();
  });
}

void OutboxFile::erase_receipts(std::uint64_t last) {
  guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM receipt WHERE number <= ?");
    remove.bind(1, number(last));
    remove.exec();
  });
}

void OutboxFile::hold_receipts() {
  guarded([](Database& database) {
    auto& update = database.statement("UPDATE receipt SET number = ?");
    update.bind(1, number(kHeldReceipt));
    update.exec();
  });
}

std::vector<OutboxFile::Received> OutboxFile::receipts() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT session, packet_id, number, digest FROM receipt");
    std::vector<Received> received;
    while (select.executeStep()) {
      const auto digest = std::bit_cast<std::uint64_t>(select.getColumn(3).getInt64());
      received.push_back({select.getColumn(0).getString(),
                          {.number = count(select.getColumn(2).getInt64()),
                           .digest = digest,
                           .packet_id = static_cast<std::uint16_t>(select.getColumn(1).getInt())}});
    }
    select.reset();
    return received;
  });
}

void OutboxFile::note_time(const Noted& now) {
  guarded([&](Database& database) {
    auto& put = database.statement("INSERT OR REPLACE INTO time VALUES (1, ?, ?)");
    put.bind(1, now.calendar);
    put.bind(2, now.clock);
    put.exec();
  });
}

std::optional<OutboxFile::Noted> OutboxFile::last_noted() {
  return guarded([](Database& database) -> std::optional<Noted> {
    auto& select = database.statement("SELECT calendar, clock FROM time");
    if (!select.executeStep()) return std::nullopt;
    const Noted noted{select.getColumn(0).getInt64(), select.getColumn(1).getInt64()};
    select.reset();
    return noted;
  });
}

void OutboxFile::reserve(Seq end) {
  guarded([&](Database& database) { database.meta.reserved = end; });
}

namespace {

/// Of seq, topic, flags, payload, properties, published, expires.
Row row_of(SQLite::Statement& select) {
  Row row;
  row.seq = count(select.getColumn(0).getInt64());
  row.topic = select.getColumn(1).getString();
  const auto flags = select.getColumn(2).getInt();
  row.qos = static_cast<mqtt::Qos>(std::clamp(flags & 3, 0, 2));
  row.retain = (flags & 4) != 0;
  row.priority = priority_of(flags);
  row.payload = bytes_of(select.getColumn(3));
  row.properties = bytes_of(select.getColumn(4));
  row.published = select.getColumn(5).getInt64();
  if (!select.getColumn(6).isNull()) row.expires = select.getColumn(6).getInt64();
  return row;
}

}  // namespace

OutboxFile::Page OutboxFile::load(Seq after, std::size_t rows, std::uint64_t bytes) {
  return guarded([&](Database& database) {
    auto& select = database.statement(
        R"(SELECT seq, coalesce((SELECT name FROM topic WHERE id = queue.topic), topic), flags, payload,
        properties, published, expires FROM queue WHERE seq > ? ORDER BY seq)");
    select.bind(1, number(after));
    Page page;
    std::uint64_t loaded = 0;
    while (page.rows.size() < rows && (loaded < bytes || page.rows.empty())) {
      try {
        page.complete = !select.executeStep();
        if (page.complete) break;
        page.rows.push_back(row_of(select));
      } catch (const SQLite::Exception& error) {
        if (page.rows.empty() || error.getErrorCode() != SQLITE_IOERR) throw;
        break;  // those before it can be sent
      }
      loaded += cost_of(page.rows.back());
    }
    select.tryReset();  // an open read would keep the log from being written back
    return page;
  });
}

OutboxFile::Page OutboxFile::load_readable(Seq after, std::size_t rows, std::uint64_t bytes) {
  const auto try_load = [this](Seq from, std::size_t most, std::uint64_t size) -> std::optional<Page> {
    try {
      return load(from, most, size);
    } catch (const std::runtime_error&) {
      return std::nullopt;
    }
  };
  if (auto page = try_load(after, rows, bytes)) return *page;
  constexpr Seq kFarthest = Seq{1} << 40;
  Seq step = 1;
  while (step < kFarthest && !try_load(after + step, 1, 1)) step *= 2;
  Seq unreadable = after + step / 2;
  for (Seq readable = after + step; readable - unreadable > 1;) {
    const auto middle = unreadable + (readable - unreadable) / 2;
    (try_load(middle, 1, 1) ? readable : unreadable) = middle;
  }
  auto page = load(unreadable + 1, rows, bytes);  // nothing at all can be read: throws
  page.skipped = true;
  spdlog::error("outbox {}: messages {} to {} cannot be read from the disk and are left there",
                database_->file.path().string(), after + 1, unreadable + 1);
  return page;
}

namespace {

/// Of a row; empty when it is not there or the disk cannot read it.
std::string payload_of(SQLite::Statement& select, Seq seq) {
  std::string payload;
  try {
    select.bind(1, number(seq));
    if (select.executeStep()) payload = bytes_of(select.getColumn(0));
  } catch (const SQLite::Exception&) {  // the outbox, which reads it too, says so
  }
  select.tryReset();
  return payload;
}

}  // namespace

std::vector<LinkState::InFlight> OutboxFile::records() {
  return guarded([&](Database& database) {
    auto& select = database.statement(R"(SELECT seq, key, packet, cut FROM exchange WHERE leader IS NULL
                                         UNION ALL SELECT seq, key, packet, 0 FROM release
                                         UNION ALL SELECT seq, key, packet, 0 FROM record ORDER BY seq, key)");
    std::vector<LinkState::InFlight> records;
    while (select.executeStep()) {
      LinkState::InFlight record{count(select.getColumn(0).getInt64()), select.getColumn(1).getString(),
                                 bytes_of(select.getColumn(2))};
      const auto cut = count(select.getColumn(3).getInt64());
      const auto payload = cut == 0
                               ? std::string()
                               : payload_of(database.statement("SELECT payload FROM queue WHERE seq = ?"), record.seq);
      if (payload.size() != cut) {
        spdlog::error("outbox {}: the payload of message {}, which was under way, is gone",
                      database.file.path().string(), record.seq);
        continue;
      }
      record.packet += payload;
      records.push_back(std::move(record));
    }
    select.reset();
    return records;
  });
}

std::map<Seq, std::vector<Seq>> OutboxFile::followers() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT leader, seq FROM exchange WHERE leader IS NOT NULL ORDER BY seq");
    std::map<Seq, std::vector<Seq>> followers;
    while (select.executeStep()) {
      followers[count(select.getColumn(0).getInt64())].push_back(count(select.getColumn(1).getInt64()));
    }
    select.reset();
    return followers;
  });
}

Seq OutboxFile::reserved() const { return std::max<Seq>(database_->meta.reserved, 1); }
std::uint64_t OutboxFile::rows() const { return database_->meta.rows; }
std::uint64_t OutboxFile::rows(Priority priority) const {
  const auto& meta = database_->meta;
  if (priority == Priority::Normal) return meta.rows - std::min(meta.rows, meta.low + meta.high);
  return priority == Priority::Low ? meta.low : meta.high;
}
std::uint64_t OutboxFile::bytes() const { return database_->meta.bytes; }

std::uint64_t OutboxFile::parked() {
  return guarded([](Database& database) {
    auto& select = database.statement("SELECT count(*) FROM parked");
    select.executeStep();
    const auto rows = count(select.getColumn(0).getInt64());
    select.reset();
    return rows;
  });
}

std::vector<OutboxFile::Parked> OutboxFile::parked_rows(Seq after, std::size_t rows) {
  return guarded([&](Database& database) {
    auto& select = database.statement("SELECT * FROM parked WHERE seq > ? ORDER BY seq LIMIT ?");
    select.bind(1, number(after));
    select.bind(2, number(rows));
    std::vector<Parked> found;
    while (select.executeStep()) {
      const auto reason = static_cast<mqtt::Reason>(select.getColumn(7).getInt());
      found.push_back({row_of(select), reason, select.getColumn(8).getInt64()});
    }
    select.reset();
    return found;
  });
}

std::uint64_t OutboxFile::unpark(Seq seq, Seq as) {
  const auto found = seq == 0 ? std::vector<Parked>() : parked_rows(seq - 1, 1);
  if (found.empty() || found.front().row.seq != seq) return 0;
  Row row = found.front().row;
  row.seq = as;
  insert(row);
  erase_parked(seq);
  return cost_of(row);
}

bool OutboxFile::erase_parked(Seq seq) {
  return guarded([&](Database& database) {
    auto& remove = database.statement("DELETE FROM parked WHERE seq = ?");
    remove.bind(1, number(seq));
    database.parked.reset();
    return remove.exec() > 0;
  });
}

}  // namespace ferrule::bridge
