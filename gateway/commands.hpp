// Commands: publications to `<topic of a point>/set` become writes, and what became of each is published.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "drivers/clock.hpp"
#include "drivers/settings.hpp"
#include "drivers/write.hpp"
#include "mqtt/consumer.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

using EnumWords = std::map<std::int64_t, std::string>;  ///< by code; empty: no enum

/// A point that may be written, and where.
struct WritablePoint {
  std::string topic;  ///< of its commands: `<topic>/set`; answers go to `<topic>/set/result`
  std::size_t bus = 0;
  drivers::PointIndex point = 0;
  drivers::WriteSettings limits{};
  EnumWords words{};  ///< an enum's: nothing else may be written
  std::string device{}, name{};
  int digits = 0;  ///< of its values: see mapping::append_json
  drivers::Type type = drivers::Type::Uint16;
};

/// Takes commands from the broker and gives each to its bus at most once. A command is a JSON number, boolean or
/// string, or an object that has it as "v", or what wanted_value takes for the point's type. Its answer
/// `{"ts":..,"result":"ok|rejected|timeout|uncertain","why":"..","v":..}`, with the value that was read back, goes to
/// the publication's Response Topic with its Correlation Data [MQTT-3.3.2-15] [MQTT-3.3.2-16] if its publisher might
/// publish there itself, else to `<topic>/set/result`. A client's command under the gateway's name to a point that is
/// not there or not writable is rejected. A command that was published with RETAIN is rejected: it would be carried out
/// again by whoever subscribes later. Belongs to the broker thread.
class Commands final : public mqtt::Consumer {
 public:
  /// `submit` gives a write to a bus, false when that has no room; what it reads back is as the point shows it.
  /// `publish` is called on the broker thread, never from within `append`; `post` runs a function there, from any
  /// thread.
  struct Way {
    std::function<bool(std::size_t bus, drivers::WriteRequest&&)> submit;
    std::function<void(mqtt::PublicationPtr)> publish;
    std::function<void(std::function<void()>)> post;
    /// Whether who published the command might publish to that topic.
    std::function<bool(std::string_view client_id, std::string_view topic)> may_publish;
    /// What was last read of a point, as it shows it.
    std::function<drivers::Reading(std::size_t bus, drivers::PointIndex point)> current;
    /// Who wrote, and what became of it, for the audit; broker thread, never from within `append`. May be empty.
    std::function<void(std::string_view who, std::string_view what)> note = {};
  };

  using Done = std::function<void(const drivers::WriteResult&)>;

  Commands(std::string gateway_id, Way way, const drivers::Clock& clock);

  /// These take commands from now on, and no others; what was taken before is answered all the same.
  void take_for(std::vector<WritablePoint> points);

  tl::expected<mqtt::Ticket, mqtt::Reason> append(const mqtt::PublicationPtr& publication, bool durable) override;
  bool subscribes(std::string_view topic) const override;
  /// A command from elsewhere than MQTT, under the same limits and in the same audit, to the point that takes commands
  /// from `topic`. For an enum a code of it. `done` is called once, on the broker thread, never from within `write`.
  void write(std::string_view topic, const drivers::Value& value, std::string_view who, Done done);
  /// Those that take commands, by device and name.
  std::vector<const WritablePoint*> writable() const;
  std::uint64_t received() const { return received_; }

 private:
  struct Target {
    WritablePoint point;
    std::deque<drivers::TimePoint> recent;  // when it was written to during the last minute
  };
  /// A command on its way.
  struct Order {
    WritablePoint point;  ///< of one that is not there the topic alone
    std::string who;
    std::string change;  ///< for the audit: `7 -> 5`
  };
  /// Where the answer goes.
  struct Reply {
    std::string topic;
    std::string properties;
  };

  bool is_command(const mqtt::Publication& publication) const;
  Reply reply_to(const mqtt::Publication& publication) const;
  /// Why a command is not carried out; nothing when it is.
  std::optional<std::string> objection(Target& target, const tl::expected<drivers::Value, std::string>& value);
  Order order(const WritablePoint& point, std::string who, const drivers::Value& wanted) const;
  /// What tells a result to the audit and to `done`, on the broker thread, whoever calls it.
  Done later(Order order, Done done);
  void refuse(Order order, Done done);  ///< there is no such point
  void carry_out(Target& target, tl::expected<drivers::Value, std::string>&& value, drivers::TimePoint latest,
                 const Done& told);
  void report(const Order& order, const drivers::WriteResult& result);
  void answer(const Reply& reply, const WritablePoint& point, const drivers::WriteResult& result);

  // Constant after construction.
  const std::string own_prefix_;  // of the gateway's topics
  const Way way_;
  const drivers::Clock& clock_;
  // Owned by the broker thread.
  std::unordered_map<std::string, Target> targets_;  // by the topic of their commands
  mqtt::LogLimit log_limit_;
  std::uint64_t received_ = 0;
};

/// JSON of a point's value: a word of an enum where there is one for it.
std::string value_json(const drivers::Value& value, const EnumWords& words, int digits);

/// The value in a command's payload; nothing when there is none.
std::optional<drivers::Value> command_value(std::string_view payload);

/// What is to be written of a command for a point, which may be an enum; else why nothing. A boolean may also be called
/// `on` or `off`, 1 or 0, and a string needs no quotes.
tl::expected<drivers::Value, std::string> wanted_value(std::string_view payload, const EnumWords& words,
                                                       drivers::Type type);

/// Which of the limits a value violates; nothing when none.
std::optional<std::string> violated_limit(const drivers::Value& value, const drivers::WriteSettings& limits);

}  // namespace ferrule::gateway
