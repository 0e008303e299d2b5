// Dialogues in the shape of captures from the field, their answers cut at every point, over the clients themselves.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "drivers/modbus/client.hpp"
#include "drivers/modbus/decode.hpp"
#include "drivers/modbus/framer.hpp"
#include "fake_slave.hpp"

namespace ferrule::drivers::modbus {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kNobodys = 0x1000;  // the first address that the slave refuses

/// What it is asked is a frame from the unit on, without transaction id, CRC or characters; and so is the answer.
Bytes answer_to(const Bytes& request) {
  const Asked asked{request[0], request[1], static_cast<std::uint16_t>(request[2] << 8 | request[3]),
                    static_cast<std::uint16_t>(request[4] << 8 | request[5])};
  if (asked.address >= kNobodys) return refuse(asked, 2);
  if (asked.function > 2) return *answer_addresses(asked);
  Bytes bits{asked.unit, asked.function, static_cast<std::uint8_t>((asked.count + 7) / 8)};
  for (int i = 0; i < bits[2]; ++i) bits.push_back(static_cast<std::uint8_t>(0xA5 + i));
  return bits;
}

/// Its wire: where a request ends, and what is around it.
struct Form {
  std::string_view name;
  std::function<std::unique_ptr<Client>(Port&, const StopSignal&)> client;
  std::function<std::optional<Bytes>(const Bytes& received)> request;  ///< nothing while it is not whole
  std::function<Bytes(const Bytes& received, const Bytes& answer)> wrap;
};

const Timing kTiming{500ms, 1ms, 1us};

std::vector<Form> forms() {
  const auto tcp = [](Port& port, const StopSignal& stop) { return make_tcp_client(port, stop, kTiming); };
  const auto rtu = [](Port& port, const StopSignal& stop) { return make_rtu_client(port, stop, kTiming); };
  const auto ascii = [](Port& port, const StopSignal& stop) { return make_ascii_client(port, stop, kTiming); };
  return {{"TCP", tcp,
           [](const Bytes& got) {
             return got.size() < 12 ? std::nullopt : std::optional(Bytes(got.begin() + 6, got.end()));
           },
           [](const Bytes& got, const Bytes& answer) {
             Bytes frame{got[0], got[1], 0, 0, 0, static_cast<std::uint8_t>(answer.size())};
             frame.insert(frame.end(), answer.begin(), answer.end());
             return frame;
           }},
          {"RTU", rtu,
           [](const Bytes& got) {
             return got.size() < 8 ? std::nullopt : std::optional(Bytes(got.begin(), got.end() - 2));
           },
           [](const Bytes&, const Bytes& answer) { return make_rtu_framer()->image(answer); }},
          {"ASCII", ascii,
           [](const Bytes& got) {
             const auto frame = make_ascii_framer()->frames_in(got);
             return frame.empty() ? std::nullopt : std::optional(Bytes(frame.begin(), frame.end() - 2));
           },
           [](const Bytes&, const Bytes& answer) { return make_ascii_framer()->image(answer); }}};
}

/// Answers every request in two parts, on a thread of its own.
class CuttingSlave {
 public:
  CuttingSlave(int descriptor, const Form& form) : descriptor_(descriptor), form_(form), thread_([this] { serve(); }) {}
  ~CuttingSlave() {
    done_ = true;
    thread_.join();
  }
  CuttingSlave(const CuttingSlave&) = delete;
  CuttingSlave& operator=(const CuttingSlave&) = delete;

  std::atomic<std::size_t> cut = 0;   ///< bytes in the first part, if the answer has more
  std::atomic<std::size_t> size = 0;  ///< of the last answer

 private:
  void serve() {
    Bytes got;
    while (!done_) {
      pollfd wanted{descriptor_, POLLIN, 0};
      if (::poll(&wanted, 1, 5) <= 0) continue;
      Bytes bytes(256);
      const auto length = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
      if (length <= 0) return;
      got.insert(got.end(), bytes.begin(), bytes.begin() + length);
      if (const auto request = form_.request(got)) {
        reply(form_.wrap(got, answer_to(*request)));
        got.clear();
      }
    }
  }

  void reply(const Bytes& answer) {
    size = answer.size();
    const auto first = std::min(cut.load(), answer.size());
    ::send(descriptor_, answer.data(), first, MSG_NOSIGNAL);
    std::this_thread::sleep_for(200us);  // time to look at the first part alone
    ::send(descriptor_, answer.data() + first, answer.size() - first, MSG_NOSIGNAL);
  }

  const int descriptor_;
  const Form& form_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

/// What a read gives, its failure in brackets. On a busy machine the slave may take a break in the middle of a frame
/// that is long enough to end it: that costs a failure, which is no wrong value, and is asked again.
std::string read(Client& client, const Request& request) {
  for (int i = 0;; ++i) {
    const auto answer = client.read(request);
    if (answer) return to_hex(Bytes(answer->begin(), answer->end()));
    const bool cut = answer.error().failure != Failure::PointRejected;
    if (!cut || i == 20) return "[" + std::string(name(answer.error().failure)) + "]";
  }
}

// FAULTS 32
TEST(ReframedAnswers, AreReadWhereverTheyAreCut) {
  const std::pair<Request, const char*> dialogue[] = {
      {{1, Table::Holding, 100, 2}, "00 64 00 65"},           {{17, Table::Input, 8, 1}, "00 08"},
      {{3, Table::Coil, 19, 37}, "a5 a6 a7 a8 a9"},           {{200, Table::Discrete, 196, 22}, "a5 a6 a7"},
      {{1, Table::Holding, kNobodys, 2}, "[point-rejected]"},
  };
  for (const auto& form : forms()) {
    const StopSignal stop;
    PairPort port(stop);
    const auto client = form.client(port, stop);
    ASSERT_TRUE(client->opened());
    CuttingSlave slave(port.peer, form);
    for (const auto& [request, wanted] : dialogue) {
      slave.cut = slave.size = 0;
      for (std::size_t cut = 0; cut <= slave.size; ++cut) {
        slave.cut = cut;
        EXPECT_EQ(read(*client, request), wanted) << form.name << ", cut after " << cut << " bytes";
      }
    }
  }
}

}  // namespace
}  // namespace ferrule::drivers::modbus
