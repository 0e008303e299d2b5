// CAN databases (DBC files): what the messages of a bus mean.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "drivers/can/signal.hpp"

namespace ferrule::drivers::can {

struct DbcSignal {
  std::string name;
  Signal signal;
  double min = 0;  ///< of the scaled value; both 0: not said
  double max = 0;
  std::string unit;
  std::map<std::int64_t, std::string> words;  ///< of raw values (VAL_)
};

struct DbcMessage {
  std::string name;
  std::uint32_t id = 0;   ///< with Frame::kExtended
  std::uint8_t size = 8;  ///< bytes; above 8 it is CAN FD
  bool j1939 = false;
  std::chrono::milliseconds cycle{0};  ///< GenMsgCycleTime; 0: not said
  std::string sender;
  std::vector<DbcSignal> signals;
};

struct Dbc {
  std::vector<DbcMessage> messages;  ///< in the order of the file
  std::size_t hash = 0;              ///< of the text
};

struct DbcMistake {
  int line = 0;    ///< from 1
  int column = 0;  ///< characters from 1; both 0: the file as a whole
  std::string message;
};

/// Reads BO_, SG_ with multiplexing (M, mN, mNM, SG_MUL_VAL_), VAL_, SIG_VALTYPE_ and the attributes GenMsgCycleTime,
/// VFrameFormat and ProtocolType; passes over all other statements. Text that is not UTF-8 is read as ISO 8859-1. Ends
/// at the first mistake: a signal beyond its message, an identifier that none can be, a selector that is not there ...
/// At most 16 MiB, 65,536 messages and 1,024 signals a message.
tl::expected<Dbc, DbcMistake> parse_dbc(std::string_view text);

/// The same of a file. One that cannot be read is a mistake of line 0.
tl::expected<Dbc, DbcMistake> load_dbc(const std::filesystem::path& file);

}  // namespace ferrule::drivers::can
