// A client that speaks TLS, with OpenSSL's other half.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "live_broker.hpp"

struct ssl_st;
struct ssl_session_st;

namespace ferrule::mqtt::testing {

struct TlsOptions {
  std::string certificate = {};  ///< a name that tests/certificates/make.sh knows; empty: none
  std::string server_name = "localhost";
  int version = 0;                    ///< of OpenSSL; 0: any
  ssl_session_st* session = nullptr;  ///< to be resumed
};

class TlsClient final : public SocketClient {
 public:
  explicit TlsClient(std::uint16_t port, const TlsOptions& options = {});
  ~TlsClient() override;

  bool connected() const { return connected_; }  ///< the handshake succeeded and the server's certificate is of our CA
  std::string server() const;                    ///< common name of its certificate
  bool resumed() const;
  ssl_session_st* session();  ///< after the first byte came; owned by the caller
  void send_bytes(std::string_view bytes) override;
  std::string receive(std::size_t n) override;

 private:
  ssl_st* ssl_;
  bool connected_;
};

}  // namespace ferrule::mqtt::testing
