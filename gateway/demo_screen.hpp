// What the demo shows: a live table on a terminal, plain lines in a pipe.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "gateway/demo_ledger.hpp"
#include "gateway/mapping.hpp"

namespace ferrule::gateway {

class DemoScreen {
 public:
  DemoScreen();

  void say(const std::string& line);  ///< stays on the screen, above the table
  /// Shows the plant now: redrawn in place on a terminal; in a pipe one line about the queue, and the table now and
  /// then.
  void show(std::chrono::milliseconds elapsed, const std::vector<PointStatus>& points,
            const bridge::UplinkStatus& uplink, const DemoLedger& ledger);
  void show_verdict(const Verdict& verdict);

 private:
  void erase_table();

  const bool terminal_;
  std::size_t table_lines_ = 0;  // on the terminal, below the last said line
  std::size_t shown_ = 0;
};

}  // namespace ferrule::gateway
