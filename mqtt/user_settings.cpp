#include "mqtt/user_settings.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "mqtt/password_file.hpp"

namespace ferrule::mqtt {

std::map<std::string, Credentials> read_password_file(const config::Node& node) {
  std::map<std::string, Credentials> users;
  if (!node.present()) return users;
  const std::filesystem::path path(node.required_text());
  if (path.empty()) return users;
  auto file = PasswordFile::load(std::filesystem::path(node.where().file).parent_path() / path);
  if (!file) {
    node.mistake(fmt::format("{}: {}", path.string(), file.error()));
    return users;
  }
  for (const auto& fault : file->faults) {
    node.mistake(fmt::format("{}:{}:{}: {}", path.string(), fault.line, fault.column, fault.message));
  }
  for (auto& line : file->lines) users[line.user] = std::move(line.credentials);
  return users;
}

Credentials read_credentials(const config::Node& node) {
  Credentials credentials;
  const auto secret = node["password"], hash = node["password_hash"];
  if (secret.present()) {
    const std::string password = secret.required_secret();
    if (!password.empty()) credentials = Credentials::of_secret(password);
  }
  if (hash.present()) {
    auto parsed = PasswordHash::parse(hash.required_secret());
    if (secret.present()) {
      hash.mistake("stands beside password", "keep one of the two");
    } else if (!parsed) {
      hash.mistake(parsed.error());
    } else {
      credentials.hash = std::move(*parsed);
    }
  }
  return credentials;
}

}  // namespace ferrule::mqtt
