#include "gateway/ask.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "gateway/control_client.hpp"
#include "gateway/status.hpp"

namespace ferrule::gateway {

namespace {

using nlohmann::json;

constexpr int kProblems = 1;  // exit code

tl::expected<ControlClient, ControlFailure> connect(const AskOptions& options) {
  return ControlClient::connect(options.socket.empty() ? default_control_socket() : options.socket);
}

int report(const ControlFailure& failure) {
  fmt::print(stderr, "ferrule: {}\n", failure.message);
  return failure.exit_code;
}

}  // namespace

int print_status(const AskOptions& options) {
  auto client = connect(options);
  if (!client) return report(client.error());
  const auto status = client->call({{"command", "status"}});
  if (!status) return report(status.error());
  fmt::print("{}", options.json ? status->dump(2) + '\n' : status_text(*status));
  return status->value("problems", json::array()).empty() ? EX_OK : kProblems;
}

}  // namespace ferrule::gateway
