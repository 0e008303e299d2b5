#include "drivers/modbus/responder.hpp"

#include <modbus.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>
#include <system_error>

namespace ferrule::drivers::modbus {

struct RegisterImage::Mapping {
  explicit Mapping(modbus_mapping_t* allocated) : tables(allocated) {
    if (tables == nullptr) throw std::bad_alloc();
  }
  ~Mapping() { modbus_mapping_free(tables); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  modbus_mapping_t* const tables;
};

RegisterImage::RegisterImage(std::span<const Range, 4> ranges) {
  const auto first = [&](Table table) { return ranges[static_cast<std::size_t>(table)].address; };
  const auto count = [&](Table table) { return ranges[static_cast<std::size_t>(table)].count; };
  mapping_ = std::make_unique<Mapping>(modbus_mapping_new_start_address(
      first(Table::Coil), count(Table::Coil), first(Table::Discrete), count(Table::Discrete), first(Table::Holding),
      count(Table::Holding), first(Table::Input), count(Table::Input)));
}

RegisterImage::~RegisterImage() = default;
RegisterImage::RegisterImage(RegisterImage&&) noexcept = default;

std::span<std::uint16_t> RegisterImage::registers(Table table, std::uint16_t address, std::uint16_t count) {
  const auto& tables = *mapping_->tables;
  const bool input = table == Table::Input;
  const int first = address - (input ? tables.start_input_registers : tables.start_registers);
  if (first < 0 || first + count > (input ? tables.nb_input_registers : tables.nb_registers)) return {};
  return {(input ? tables.tab_input_registers : tables.tab_registers) + first, count};
}

void RegisterImage::set_bit(Table table, std::uint16_t address, bool value) {
  const auto& tables = *mapping_->tables;
  const bool coil = table == Table::Coil;
  const int index = address - (coil ? tables.start_bits : tables.start_input_bits);
  if (index < 0 || index >= (coil ? tables.nb_bits : tables.nb_input_bits)) return;
  (coil ? tables.tab_bits : tables.tab_input_bits)[index] = value ? 1 : 0;
}

struct Responder::Context {
  modbus_t* modbus = nullptr;
  int server = -1;  // libmodbus's end
  int client = -1;  // ours
  std::array<std::uint8_t, MODBUS_TCP_MAX_ADU_LENGTH> request{};
  int request_length = 0;

  ~Context() {
    modbus_free(modbus);
    if (server >= 0) close(server);
    if (client >= 0) close(client);
  }
};

Responder::Responder(Framing framing) : framing_(framing), context_(std::make_unique<Context>()) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  context_->server = ends[0];
  context_->client = ends[1];
  // libmodbus puts the descriptor into an fd_set.
  if (context_->server >= FD_SETSIZE) throw std::system_error(EMFILE, std::generic_category(), "socketpair");
  context_->modbus = framing == Framing::Tcp ? modbus_new_tcp("127.0.0.1", 1502) : modbus_new_rtu("/", 9600, 'N', 8, 1);
  if (context_->modbus == nullptr) throw std::system_error(errno, std::generic_category(), "modbus_new");
  modbus_set_socket(context_->modbus, context_->server);
  // A frame is complete before libmodbus sees it. What it takes for incomplete must not block the simulator, nor the
  // pause (a response timeout) before it refuses a request for too many registers.
  modbus_set_indication_timeout(context_->modbus, 0, 1000);
  modbus_set_byte_timeout(context_->modbus, 0, 1000);
  modbus_set_response_timeout(context_->modbus, 0, 1);
}

Responder::~Responder() = default;

std::optional<std::vector<std::uint8_t>> Responder::answer(std::span<const std::uint8_t> request, std::uint8_t unit,
                                                           RegisterImage& image) {
  if (!receive(request, unit)) return std::nullopt;
  modbus_reply(context_->modbus, context_->request.data(), context_->request_length, image.mapping_->tables);
  return sent();
}

std::vector<std::uint8_t> Responder::refuse(std::span<const std::uint8_t> request, std::uint8_t unit,
                                            std::uint8_t exception) {
  if (!receive(request, unit)) return {};
  modbus_reply_exception(context_->modbus, context_->request.data(), exception);
  return sent();
}

bool Responder::receive(std::span<const std::uint8_t> request, std::uint8_t unit) {
  if (request.size() > context_->request.size()) return false;
  // Over TCP libmodbus answers for whatever unit a request names.
  if (framing_ == Framing::Rtu && modbus_set_slave(context_->modbus, unit) != 0) return false;
  if (send(context_->client, request.data(), request.size(), MSG_NOSIGNAL) != std::ssize(request)) return false;
  context_->request_length = modbus_receive(context_->modbus, context_->request.data());
  // Bytes that libmodbus left would begin the next request.
  std::array<std::uint8_t, MODBUS_TCP_MAX_ADU_LENGTH> rest;
  while (recv(context_->server, rest.data(), rest.size(), MSG_DONTWAIT) > 0) continue;
  return context_->request_length > 0;
}

std::vector<std::uint8_t> Responder::sent() {
  std::vector<std::uint8_t> bytes(MODBUS_TCP_MAX_ADU_LENGTH);
  const auto length = recv(context_->client, bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return bytes;
}

}  // namespace ferrule::drivers::modbus
