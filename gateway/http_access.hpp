// Who may use the API and the page: logins, sessions, tokens, and how fast.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "gateway/http_request.hpp"
#include "gateway/http_settings.hpp"
#include "mqtt/bans.hpp"
#include "mqtt/clock.hpp"
#include "mqtt/password_checks.hpp"
#include "mqtt/recent_map.hpp"

namespace ferrule::gateway {

/// Why somebody does not get in, as HTTP says it.
struct HttpDenial {
  int status = 401;
  std::string code;     ///< a word for programs
  std::string message;  ///< a sentence for people
};

/// Somebody who got in.
struct HttpGrant {
  std::string user;  ///< empty: nobody has to say who they are here
  HttpRole role = HttpRole::Read;
  std::string who;      ///< for the audit: "user anna (10.0.0.7)"
  std::string session;  ///< its key; empty: not by a login
  std::string csrf;     ///< what changes have to bring along in X-CSRF-Token; empty: nothing
};

/// Without users and tokens, this machine gets in to read: by a name that is this machine's, so that no page of a
/// stranger's domain that points here does. Else a token, or the cookie of a login. Wrong tokens and passwords count as
/// the broker counts them (see mqtt::Bans). A browser that says that a page of elsewhere asks is refused. At most 64
/// sessions, of twelve hours each: the one used longest ago gives way. At most 50 requests a second from an address,
/// 200 at once, and two logins of an address, eight in all, whose password is being checked. IPv6 addresses count by
/// their /64. Broker thread.
class HttpAccess {
 public:
  /// Somebody came in under a name, or did not, and why.
  using Note = std::function<void(bool ok, std::string_view user, std::string_view what)>;
  struct LoggedIn {
    std::string cookie;  ///< the value of a Set-Cookie field
    HttpGrant grant;
  };
  using Done = std::function<void(tl::expected<LoggedIn, HttpDenial>)>;

  /// All outlive it but the settings.
  HttpAccess(HttpSettings settings, mqtt::PasswordChecker& passwords, mqtt::Clock& clock, Note note);

  tl::expected<HttpGrant, HttpDenial> admit(const HttpRequest& request);
  /// `done` is called once, now or later; not when this is gone by then.
  void log_in(const HttpRequest& request, const std::string& user, std::string password, Done done);
  std::string log_out(const HttpGrant& grant);  ///< the value of a Set-Cookie field that removes the cookie
  bool holds(const HttpGrant& grant) const;     ///< whether its session still lasts
  /// Counts a request of this address, as every admit does; why it is one too many, if so.
  std::optional<HttpDenial> too_fast(const std::string& address);
  bool has_users() const { return !settings_->users.empty(); }

 private:
  struct Session {
    std::string user;
    HttpRole role = HttpRole::Read;
    std::string csrf;
    std::chrono::steady_clock::time_point until;
  };
  struct Bucket {
    double left = 0;
    std::chrono::steady_clock::time_point at;
  };

  std::optional<HttpDenial> objection(const HttpRequest& request);
  tl::expected<HttpGrant, HttpDenial> admit_token(const HttpRequest& request, std::string_view token);
  tl::expected<HttpGrant, HttpDenial> admit_session(const HttpRequest& request);
  LoggedIn begin_session(const HttpRequest& request, const std::string& user);
  HttpDenial failed(const HttpRequest& request, const std::string& user);
  void no_longer_checking(const std::string& address);

  // Constant after construction.
  const std::shared_ptr<const HttpSettings> settings_;  // shared with password checks
  mqtt::PasswordChecker& passwords_;
  mqtt::Clock& clock_;
  const Note note_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // for checks under way
  // Thread: broker.
  mqtt::Bans bans_;
  mqtt::RecentMap<Session> sessions_;  // by the SHA-256 of their cookie
  mqtt::RecentMap<Bucket> buckets_;    // by address
  std::vector<std::string> checking_;  // the addresses of logins whose password is being checked
};

}  // namespace ferrule::gateway
