// A request of HTTP/1.1 as it came (RFC 9112). Does no I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace ferrule::gateway {

/// Hostile until checked.
struct HttpRequest {
  static constexpr std::size_t kLongestHead = 8 * 1024;   ///< bytes of the request line and the fields
  static constexpr std::size_t kLongestBody = 64 * 1024;  ///< bytes

  std::string method;
  std::string path;                                         ///< as sent: percent signs are left alone
  std::string query;                                        ///< what follows the question mark
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in small letters
  std::string body;
  std::string address;     ///< the client's, without port; empty: a Unix socket
  bool encrypted = false;  ///< it came over TLS

  /// The first field of that name, which is in small letters; empty when there is none.
  std::string_view field(std::string_view name) const;
  /// Of the query, decoded; nothing when it is not there or is not well formed.
  std::optional<std::string> parameter(std::string_view name) const;
  std::string_view cookie(std::string_view name) const;  ///< empty: there is none
};

/// `head`: the request line and the fields, without the empty line behind them. The error is the status to answer.
tl::expected<HttpRequest, int> parse_http_head(std::string_view head);

/// How many bytes of body follow the head; the error is the status to answer.
tl::expected<std::size_t, int> http_body_size(const HttpRequest& request);

}  // namespace ferrule::gateway
