// A Modbus RTU slave by libmodbus's own server: reads `UNIT TABLE ADDRESS VALUE` lines, then serves them on a serial
// device.
//
// Usage: rtu_slave DEVICE UNIT
#include <modbus.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

namespace {

constexpr int kTableSize = 1000;
// After a request to another unit libmodbus takes whatever comes for that unit's answer, for as long as this: longer
// than a master's timeout, and a unit that is dead would make this one deaf to its next request.
constexpr std::uint32_t kForeignAnswerMicroseconds = 40'000;

using Mapping = std::unique_ptr<modbus_mapping_t, decltype(&modbus_mapping_free)>;
using Context = std::unique_ptr<modbus_t, decltype(&modbus_free)>;

bool store(modbus_mapping_t& mapping, const std::string& table, std::size_t address, int value) {
  if (address >= kTableSize) return false;
  if (table == "coil") {
    mapping.tab_bits[address] = static_cast<std::uint8_t>(value);
  } else if (table == "discrete") {
    mapping.tab_input_bits[address] = static_cast<std::uint8_t>(value);
  } else if (table == "input") {
    mapping.tab_input_registers[address] = static_cast<std::uint16_t>(value);
  } else if (table == "holding") {
    mapping.tab_registers[address] = static_cast<std::uint16_t>(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return EXIT_FAILURE;
  const int own_unit = std::atoi(argv[2]);
  const Mapping mapping(modbus_mapping_new(kTableSize, kTableSize, kTableSize, kTableSize), &modbus_mapping_free);
  int unit = 0;
  std::string table;
  std::size_t address = 0;
  int value = 0;
  while (std::cin >> unit >> table >> address >> value) {
    if (unit == own_unit && !store(*mapping, table, address, value)) return EXIT_FAILURE;
  }
  const Context context(modbus_new_rtu(argv[1], 9600, 'N', 8, 1), &modbus_free);
  if (!context || modbus_set_slave(context.get(), own_unit) != 0 || modbus_connect(context.get()) != 0 ||
      modbus_set_response_timeout(context.get(), 0, kForeignAnswerMicroseconds) != 0) {
    std::cerr << argv[1] << ": " << modbus_strerror(errno) << '\n';
    return EXIT_FAILURE;
  }
  std::cout << "serving" << std::endl;
  std::array<std::uint8_t, MODBUS_RTU_MAX_ADU_LENGTH> request{};
  while (true) {  // until it is killed
    const int length = modbus_receive(context.get(), request.data());
    if (length > 0) modbus_reply(context.get(), request.data(), length, mapping.get());
  }
}
