// A hostile Modbus TCP device: whatever it sends, a read ends in a failure or in exactly the data that was asked for.
// Input: the requests (1 byte) | all that the device ever sends
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>

#include "drivers/modbus/wire_client.hpp"
#include "tests/drivers/scripted_peer.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ferrule::drivers;
  using namespace ferrule::drivers::modbus;
  if (size == 0) return 0;
  constexpr std::size_t kMost = 64 * 1024;  // what a socket pair holds without anybody reading
  const StopSignal stop;
  PairPort port(stop);
  const auto client = make_tcp_client(port, stop, {.timeout = std::chrono::milliseconds(1)});
  if (!client->opened()) return 0;
  [[maybe_unused]] const auto sent =
      ::send(port.peer, data + 1, std::min(size - 1, kMost), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(port.peer, SHUT_WR);  // so that an answer which is cut off needs no waiting

  constexpr std::array kTables{Table::Coil, Table::Discrete, Table::Input, Table::Holding};
  for (int i = 0; i < 3 && port.is_open(); ++i) {
    Request request;
    request.table = kTables[(data[0] >> 2 * i) % 4];
    request.count = 1 + data[0] / 64;
    const auto answer = client->read(request);
    ferrule::fuzz::require(!answer || answer->size() == data_bytes(request), "an answer is as long as was asked for");
  }
  return 0;
}
