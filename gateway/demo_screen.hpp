// What the demo shows: a live table on a terminal, plain lines in a pipe and where the table has no room.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "bridge/uplink.hpp"
#include "gateway/demo_ledger.hpp"
#include "mapping/mapper.hpp"

namespace ferrule::gateway {

/// In characters; both 0 when what is printed goes to no terminal.
struct Window {
  std::size_t rows = 0;
  std::size_t columns = 0;
};

/// Standard output's, now.
Window terminal_window();

class DemoScreen {
 public:
  explicit DemoScreen(Window (*window)() = terminal_window) : window_(window) {}

  void say(const std::string& line);  ///< stays on the screen, above the table
  /// Shows the plant now: redrawn in place in a window large enough; else one line about the queue, and the table now
  /// and then.
  void show(std::chrono::milliseconds elapsed, const std::vector<mapping::PointStatus>& points,
            const bridge::UplinkStatus& uplink, const DemoLedger& ledger);
  void show_verdict(const Verdict& verdict);

 private:
  void erase_table();

  Window (*const window_)();
  std::size_t table_lines_ = 0;  // to be redrawn in place, below the last said line
  std::size_t shown_ = 0;
};

}  // namespace ferrule::gateway
