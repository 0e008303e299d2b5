#include "gateway/queue.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "gateway/control_client.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/topic.hpp"

namespace ferrule::gateway {

namespace {

using bridge::OutboxFile;
using bridge::Seq;
using nlohmann::json;

constexpr std::size_t kPage = 200;             // rows in one answer, at most
constexpr std::uint64_t kPageBytes = 4 << 20;  // likewise, about

std::string time_text(std::int64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), milliseconds % 1000);
}

json row_json(const bridge::Row& row, const Withheld& withheld) {
  json object = {{"seq", row.seq},
                 {"topic", row.topic},
                 {"qos", static_cast<int>(row.qos)},
                 {"retain", row.retain},
                 {"published", time_text(row.published)},
                 {"bytes", row.payload.size()}};
  if (row.expires) object["expires"] = time_text(*row.expires);
  if (withheld.holds(row)) {
    object["withheld"] = true;
  } else if (mqtt::is_valid_utf8(row.payload)) {
    object["payload"] = row.payload;
  } else {
    object["payload_base64"] = mqtt::to_base64(row.payload);
  }
  return object;
}

/// One page: `{"rows": [...], "next": SEQ or null}`.
json page_of(OutboxFile& file, bool queued, Seq after, const Withheld& withheld) {
  json rows = json::array();
  json next = nullptr;
  if (queued) {
    const auto page = file.load(after, kPage, kPageBytes);
    for (const auto& row : page.rows) rows.push_back(row_json(row, withheld));
    if (!page.complete && !page.rows.empty()) next = page.rows.back().seq;
  } else {
    const auto parked = file.parked_rows(after, kPage);
    std::uint64_t bytes = 0;
    for (const auto& one : parked) {
      json object = row_json(one.row, withheld);
      object["parked"] = time_text(one.since);
      object["reason"] = fmt::format("{} (0x{:02X})", mqtt::name(one.reason), static_cast<unsigned>(one.reason));
      rows.push_back(std::move(object));
      next = one.row.seq;
      bytes += one.row.payload.size();
      if (bytes > kPageBytes) break;
    }
    if (rows.size() == parked.size() && parked.size() < kPage) next = nullptr;
  }
  return {{"rows", std::move(rows)}, {"next", std::move(next)}};
}

std::size_t drop(OutboxFile& file, const std::vector<Seq>& seqs) {
  return static_cast<std::size_t>(std::ranges::count_if(seqs, [&](Seq seq) { return file.erase_parked(seq); }));
}

// The gateway's side

struct Request {
  std::string action;
  std::string uplink;
  bool queued = false;
  Seq after = 0;
  std::vector<Seq> seqs;
};

/// Empty when a member is not what it has to be.
std::optional<Request> parse(const json& body) {
  try {
    return Request{body.value("action", ""), body.value("uplink", ""), body.value("queued", false),
                   body.value("after", Seq{0}), body.value("seqs", std::vector<Seq>())};
  } catch (const json::exception&) {
    return {};
  }
}

using Note = std::function<void(std::string_view who, std::string_view what)>;
using WithheldOf = std::function<Withheld(const std::string& uplink)>;

void serve(const UplinkList& uplinks, const WithheldOf& withheld_of, const Note& note, const ControlRequest& control,
           ControlReply reply) {
  const auto request = parse(control.body);
  if (!request) return reply.error("bad-request", "a member is not of the type it has to be");
  if (request->action == "uplinks") {
    json names = json::array();
    for (const auto& uplink : uplinks) names.push_back(uplink->status().name);
    return reply.result(names);
  }
  const auto found =
      std::ranges::find_if(uplinks, [&](const auto& uplink) { return uplink->status().name == request->uplink; });
  if (found == uplinks.end()) {
    return reply.error("bad-request", fmt::format("there is no uplink \"{}\"", request->uplink));
  }
  auto& uplink = **found;
  const auto answer = std::make_shared<json>();
  const auto noted = [note, who = control.who, name = request->uplink](std::size_t count, std::string_view what) {
    if (count > 0) note(who, fmt::format("{} parked messages of uplink {} {}", count, name, what));
  };
  if (request->action == "page") {
    const auto page = [answer, queued = request->queued, after = request->after,
                       withheld = withheld_of(request->uplink)](OutboxFile& file) {
      *answer = page_of(file, queued, after, withheld);
    };
    uplink.look(page, [answer, reply]() mutable {
      answer->is_null() ? reply.error("failed", "the outbox cannot be read") : reply.result(*answer);
    });
  } else if (request->action == "drop") {
    uplink.change([answer, seqs = request->seqs](OutboxFile& file) { *answer = drop(file, seqs); },
                  [answer, reply, noted]() mutable {
                    if (answer->is_null()) return reply.error("failed", "the outbox cannot be written");
                    noted(answer->get<std::size_t>(), "dropped");
                    reply.result(*answer);
                  });
  } else if (request->action == "retry") {
    uplink.retry_parked(request->seqs, [reply, noted](std::size_t retried) mutable {
      noted(retried, "sent again");
      reply.result(retried);
    });
  } else {
    reply.error("bad-request", "the action is one of uplinks, page, drop and retry");
  }
}

// The command line's side: the same on a running gateway and on the files of one that does not run.

class Source {
 public:
  virtual ~Source() = default;
  virtual std::vector<std::string> uplinks() = 0;
  virtual json page(const std::string& uplink, bool queued, Seq after) = 0;
  virtual std::size_t change(const std::string& action, const std::string& uplink, const std::vector<Seq>& seqs) = 0;
};

struct Failed {
  std::string message;
  int exit_code;
};

class RunningGateway final : public Source {
 public:
  explicit RunningGateway(ControlClient client) : client_(std::move(client)) {}

  std::vector<std::string> uplinks() override { return call({{"action", "uplinks"}}); }
  json page(const std::string& uplink, bool queued, Seq after) override {
    return call({{"action", "page"}, {"uplink", uplink}, {"queued", queued}, {"after", after}});
  }
  std::size_t change(const std::string& action, const std::string& uplink, const std::vector<Seq>& seqs) override {
    return call({{"action", action}, {"uplink", uplink}, {"seqs", seqs}});
  }

 private:
  json call(json request) {
    request["command"] = "queue";
    auto answer = client_.call(std::move(request));
    if (!answer) throw Failed{answer.error().message, answer.error().exit_code};
    return *answer;
  }

  ControlClient client_;
};

class StateDirectory final : public Source {
 public:
  explicit StateDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::vector<std::string> uplinks() override {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
      const auto name = entry.path().filename().string();
      if (name.starts_with("outbox-") && name.ends_with(".db")) names.push_back(name.substr(7, name.size() - 10));
    }
    if (error) throw Failed{fmt::format("{}: {}", path_.string(), error.message()), EX_NOINPUT};
    std::ranges::sort(names);
    return names;
  }
  json page(const std::string& uplink, bool queued, Seq after) override {
    return page_of(*open(uplink), queued, after, {});  // who reads the file has it all
  }
  std::size_t change(const std::string& action, const std::string& uplink, const std::vector<Seq>& seqs) override {
    const auto file = open(uplink);
    std::size_t changed = 0;
    file->begin();
    if (action == "drop") {
      changed = drop(*file, seqs);
    } else {
      Seq as = file->reserved();
      for (const Seq seq : seqs) changed += file->unpark(seq, as++) != 0 ? 1 : 0;
      file->reserve(as);
    }
    file->commit();
    return changed;
  }

 private:
  std::unique_ptr<OutboxFile> open(const std::string& uplink) const {
    const auto path = path_ / fmt::format("outbox-{}.db", uplink);
    if (!std::filesystem::exists(path)) throw Failed{fmt::format("there is no {}", path.string()), EX_NOINPUT};
    return std::make_unique<OutboxFile>(path);
  }

  const std::filesystem::path path_;
};

std::unique_ptr<Source> source_of(const QueueOptions& options) {
  if (!options.state_dir.empty()) return std::make_unique<StateDirectory>(options.state_dir);
  auto client = ControlClient::connect(options.ask.socket.empty() ? default_control_socket() : options.ask.socket);
  if (client) return std::make_unique<RunningGateway>(std::move(*client));
  throw Failed{client.error().message + "; of a gateway that does not run, --state-dir names the files",
               client.error().exit_code};
}

/// Calls `f` for each row that the options mean.
void each_row(const QueueOptions& options, Source& source,
              const std::function<void(const std::string&, const json&)>& f) {
  for (const auto& uplink : options.uplink.empty() ? source.uplinks() : std::vector{options.uplink}) {
    for (json next = Seq{0}; !next.is_null();) {
      const json page = source.page(uplink, options.queued, next);
      for (const auto& row : page["rows"]) {
        const bool wanted = options.seqs.empty() || std::ranges::count(options.seqs, row["seq"].get<Seq>()) > 0;
        if (wanted) f(uplink, row);
      }
      next = page["next"];
    }
  }
}

template <class F>
int guarded(const QueueOptions& options, F f) {
  try {
    const auto source = source_of(options);
    return f(*source);
  } catch (const Failed& failed) {
    fmt::print(stderr, "ferrule: {}\n", failed.message);
    return failed.exit_code;
  } catch (const std::runtime_error& error) {
    fmt::print(stderr, "ferrule: {}\n", error.what());
    return EX_TEMPFAIL;
  }
}

int change_parked(const QueueOptions& options, const std::string& action, const char* done) {
  if (options.seqs.empty() != options.all) {
    fmt::print(stderr, "ferrule: which ones? their numbers, or --all\n");
    return EX_USAGE;
  }
  return guarded(options, [&](Source& source) {
    std::map<std::string, std::vector<Seq>> meant;
    each_row(options, source, [&](const std::string& uplink, const json& row) { meant[uplink].push_back(row["seq"]); });
    std::size_t changed = 0;
    for (const auto& [uplink, seqs] : meant) {
      for (std::size_t begin = 0; begin < seqs.size(); begin += kPage) {
        const auto end = std::min(begin + kPage, seqs.size());
        changed += source.change(
            action, uplink,
            {seqs.begin() + static_cast<std::ptrdiff_t>(begin), seqs.begin() + static_cast<std::ptrdiff_t>(end)});
      }
    }
    fmt::print("{} {}\n", changed, done);
    return changed >= options.seqs.size() ? EX_OK : EX_NOINPUT;
  });
}

}  // namespace

void add_queue_commands(ControlCommands& commands, const UplinkList& uplinks, WithheldOf withheld_of, Note note) {
  commands.on("queue", [&uplinks, withheld_of = std::move(withheld_of), note = std::move(note)](
                           const ControlRequest& request, ControlReply reply) {
    serve(uplinks, withheld_of, note, request, std::move(reply));
  });
}

int list_queue(const QueueOptions& options) {
  return guarded(options, [&](Source& source) {
    each_row(options, source, [&](const std::string& uplink, const json& row) {
      if (options.ask.json) {
        json line = row;
        line["uplink"] = uplink;
        line.erase("payload");
        line.erase("payload_base64");
        fmt::print("{}\n", line.dump());
      } else {
        fmt::print("{} {} {} QoS {} {} bytes {}{}\n", uplink, row["seq"].get<Seq>(),
                   row["published"].get<std::string>(), row["qos"].get<int>(), row["bytes"].get<std::uint64_t>(),
                   row["topic"].get<std::string>(),
                   row.contains("reason") ? "  " + row["reason"].get<std::string>() : "");
      }
    });
    return EX_OK;
  });
}

int show_queue(const QueueOptions& options) {
  return guarded(options, [&](Source& source) {
    bool found = false;
    each_row(options, source, [&](const std::string& uplink, const json& row) {
      json object = row;
      object["uplink"] = uplink;
      fmt::print("{}\n", object.dump(2));
      found = true;
    });
    if (!found) fmt::print(stderr, "ferrule: there is no such message\n");
    return found ? EX_OK : EX_NOINPUT;
  });
}

int export_queue(const QueueOptions& options) {
  return guarded(options, [&](Source& source) {
    each_row(options, source, [&](const std::string& uplink, const json& row) {
      json object = row;
      object["uplink"] = uplink;
      fmt::print("{}\n", object.dump());
    });
    return EX_OK;
  });
}

int retry_parked(const QueueOptions& options) { return change_parked(options, "retry", "are sent again"); }

int drop_parked(const QueueOptions& options) { return change_parked(options, "drop", "dropped"); }

}  // namespace ferrule::gateway
