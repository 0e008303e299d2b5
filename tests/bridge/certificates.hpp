// Certificates made for a test.
#pragma once

#include <openssl/types.h>

#include <filesystem>
#include <memory>
#include <string>

namespace ferrule::bridge::testing {

class Certificates {
 public:
  /// A CA of its own, whose certificate is `<directory>/<name>.pem`.
  explicit Certificates(std::filesystem::path directory, const std::string& name = "ca");
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::filesystem::path ca() const;
  /// Writes `<directory>/<name>.pem` and `.key`, for `names` ("DNS:localhost,IP:127.0.0.1"), valid between the days
  /// `from` and `to` from today.
  void issue(const std::string& name, const std::string& names, int from = -1, int to = 1) const;

 private:
  struct Authority;
  const std::filesystem::path directory_;
  const std::string name_;
  const std::unique_ptr<Authority> authority_;
};

}  // namespace ferrule::bridge::testing
