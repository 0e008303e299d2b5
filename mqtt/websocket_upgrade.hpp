// The HTTP request with which a WebSocket begins (RFC 6455 section 4.2), and our answer. Does no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ferrule::mqtt {

/// What a server answers to a Sec-WebSocket-Key (RFC 6455 4.2.2).
std::string websocket_accept(std::string_view key);

class WebSocketUpgrade {
 public:
  static constexpr std::size_t kMost = 8192;  ///< bytes of a request

  enum class Outcome : std::uint8_t { Incomplete, Accepted, Refused };

  /// `path`: the only one that is served; empty: any. `origins`: of the pages that may connect; empty: any. Programs
  /// other than browsers send no origin. Both outlive the upgrade.
  WebSocketUpgrade(const std::string& path, const std::vector<std::string>& origins) : path_(path), origins_(origins) {}

  /// Takes the request's bytes from the front: what stays are frames.
  Outcome feed(std::string_view& bytes);
  const std::string& answer() const { return answer_; }    ///< to be sent when not Incomplete
  const std::string& mistake() const { return mistake_; }  ///< when Refused

 private:
  struct Request;
  Outcome judge(std::string_view text);
  Outcome accept(const Request& request);
  Outcome refuse(std::string_view status, std::string mistake, std::string_view header = {});
  bool may_come_from(std::string_view origin) const;

  const std::string& path_;
  const std::vector<std::string>& origins_;
  std::string request_, answer_, mistake_;
};

}  // namespace ferrule::mqtt
