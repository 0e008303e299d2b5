// Modbus slaves that cost next to nothing, in processes of their own: what is measured is the master.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ferrule::bench {

/// A child process that ends with this object.
class Child {
 public:
  explicit Child(pid_t process) : process_(process) {}
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t process_;
};

/// Devices on TCP ports of the loopback. They answer every read of registers at once; each register holds a number that
/// grows with each request.
class TcpSlaves {
 public:
  explicit TcpSlaves(std::size_t count);  ///< throws std::runtime_error when they cannot be had
  const std::vector<std::uint16_t>& ports() const { return started_.ports; }

 private:
  struct Started {
    pid_t process;
    std::vector<std::uint16_t> ports;
  };
  static Started start(std::size_t count);
  Started started_;
  Child child_;
};

/// Units 1 to `units` of a serial line, on a pseudo-terminal. Bytes take the time that they take at the line's rate
/// (8E1: eleven bits) in both directions; a unit answers 3.5 characters (above 19,200 baud: 1.75 ms) after the request.
/// Of the units the last `dead` never answer.
class LineSlaves {
 public:
  LineSlaves(int baud, int units, int dead);
  const std::string& path() const { return started_.path; }

 private:
  struct Started {
    pid_t process;
    std::string path;
  };
  static Started start(int baud, int units, int dead);
  Started started_;
  Child child_;
};

/// Seconds that reading so many registers takes at best: both frames, and the silence before each.
double ideal_transaction(int baud, int registers);

}  // namespace ferrule::bench
