#include "gateway/http_access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "mqtt/address_key.hpp"
#include "mqtt/crypto.hpp"
#include "mqtt/log_limit.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view kCookie = "ferrule-session";
constexpr std::string_view kBearer = "Bearer ";
constexpr std::size_t kMostSessions = 64;
constexpr std::size_t kMostAddresses = 1024;  // whose rate is watched
constexpr auto kSession = 12h;
constexpr double kRate = 50;  // requests a second
constexpr double kBurst = 200;
constexpr std::size_t kLongestPassword = 1024;
constexpr std::ptrdiff_t kMostLogins = 8;  // whose password is being checked
constexpr std::ptrdiff_t kMostLoginsOfAddress = 2;

HttpDenial denial(int status, std::string code, std::string message) {
  return {status, std::move(code), std::move(message)};
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

/// Whose it is, without the password that it holds.
HttpRequest without_content(const HttpRequest& request) {
  HttpRequest from;
  from.address = request.address;
  from.encrypted = request.encrypted;
  return from;
}

/// Nothing when there is no memory for it.
std::optional<bool> is_right(const mqtt::Credentials& credentials, std::string& password) {
  std::optional<bool> right;
  try {
    right = credentials.verify(password);
  } catch (const std::bad_alloc&) {  // Argon2 takes 19 MiB
  }
  mqtt::wipe(password);
  return right;
}

/// Whether the request was sent to a name that is this machine's, whoever owns the domain of the page behind it.
bool is_for_this_machine(std::string_view host) {
  const auto name = host.starts_with('[') ? host.substr(1, host.find(']') - 1) : host.substr(0, host.rfind(':'));
  return name == "localhost" || (!name.empty() && mqtt::is_loopback_address(name));
}

}  // namespace

HttpAccess::HttpAccess(HttpSettings settings, mqtt::PasswordChecker& passwords, mqtt::Clock& clock, Note note)
    : settings_(std::make_shared<const HttpSettings>(std::move(settings))),
      passwords_(passwords),
      clock_(clock),
      note_(std::move(note)),
      bans_(settings_->bans),
      sessions_(kMostSessions),
      buckets_(kMostAddresses) {}

std::optional<HttpDenial> HttpAccess::too_fast(const std::string& address) {
  const auto now = clock_.now();
  const auto key = mqtt::address_key(address);
  const bool fresh = buckets_.find(key) == nullptr;
  auto& bucket = buckets_.touch(key);
  const auto passed = std::chrono::duration<double>(now - bucket.at).count();
  bucket.left = fresh ? kBurst : std::min(kBurst, bucket.left + passed * kRate);
  bucket.at = now;
  if (bucket.left < 1) return denial(429, "too-fast", "too many requests from this address; wait a second");
  --bucket.left;
  return std::nullopt;
}

/// To whoever asks.
std::optional<HttpDenial> HttpAccess::objection(const HttpRequest& request) {
  if (auto why = too_fast(request.address)) return why;
  const auto site = request.field("sec-fetch-site");  // as browsers send it, whatever the page says
  if (!site.empty() && site != "same-origin" && site != "none") {
    return denial(403, "cross-site", "a page of another site asks");
  }
  return std::nullopt;
}

tl::expected<HttpGrant, HttpDenial> HttpAccess::admit(const HttpRequest& request) {
  if (auto why = objection(request)) return tl::unexpected(std::move(*why));
  if (settings_->without_users()) {
    if (!mqtt::is_loopback_address(request.address) || !is_for_this_machine(request.field("host"))) {
      return tl::unexpected(denial(403, "no-users",
                                   "there is no password yet: only this machine itself gets in, as localhost or "
                                   "127.0.0.1; gateway.http.users lets others in"));
    }
    return HttpGrant{{}, HttpRole::Read, fmt::format("reader ({})", request.address), {}, {}};
  }
  const auto authorization = request.field("authorization");
  if (authorization.starts_with(kBearer)) return admit_token(request, authorization.substr(kBearer.size()));
  return admit_session(request);
}

tl::expected<HttpGrant, HttpDenial> HttpAccess::admit_token(const HttpRequest& request, std::string_view token) {
  if (bans_.address_shut_out(request.address, clock_.now())) {
    return tl::unexpected(denial(429, "shut-out", "too many wrong logins from this address; wait"));
  }
  const auto found = settings_->tokens.find(mqtt::sha256(token));
  if (found == settings_->tokens.end()) return tl::unexpected(failed(request, {}));
  const auto& [name, role] = found->second;
  return HttpGrant{name, role, fmt::format("token {} ({})", name, request.address), {}, {}};
}

tl::expected<HttpGrant, HttpDenial> HttpAccess::admit_session(const HttpRequest& request) {
  const auto cookie = request.cookie(kCookie);
  const auto key = mqtt::sha256(cookie);
  const auto* session = cookie.empty() ? nullptr : sessions_.find(key);
  if (session == nullptr || clock_.now() >= session->until) {
    if (session != nullptr) sessions_.erase(key);
    return tl::unexpected(denial(401, "log-in", "log in first, or bring a token"));
  }
  const auto& used = sessions_.touch(key);
  return HttpGrant{used.user, used.role, fmt::format("user {} ({})", used.user, request.address), key, used.csrf};
}

void HttpAccess::log_in(const HttpRequest& request, const std::string& user, std::string password, Done done) {
  const auto refuse = [&](int status, const char* code, const char* message) {
    done(tl::unexpected(denial(status, code, message)));
  };
  if (auto why = objection(request)) return done(tl::unexpected(std::move(*why)));
  if (settings_->users.empty()) return refuse(403, "no-users", "gateway.http has no users");
  if (password.size() > kLongestPassword) return refuse(400, "bad-request", "the password is too long");
  const auto now = clock_.now();
  if (bans_.address_shut_out(request.address, now) || bans_.user_shut_out(request.address, user, now)) {
    return refuse(429, "shut-out", "too many wrong logins; wait");
  }
  const auto key = mqtt::address_key(request.address);
  if (std::ssize(checking_) >= kMostLogins || std::ranges::count(checking_, key) >= kMostLoginsOfAddress) {
    return refuse(429, "too-fast", "other logins are being checked; try again");
  }
  const auto known = settings_->users.find(user);
  const bool exists = known != settings_->users.end();
  // A wrong name takes as long as a wrong password.
  const auto* credentials = exists ? &known->second.credentials : &settings_->users.begin()->second.credentials;
  const auto shared = std::make_shared<const Done>(std::move(done));
  checking_.push_back(key);
  const bool taken = passwords_.submit(
      [settings = settings_, credentials, password = std::move(password)]() mutable {
        return is_right(*credentials, password);
      },
      [this, alive = std::weak_ptr(alive_), from = without_content(request), user, exists,
       shared](std::optional<bool> right) {
        if (alive.expired()) return;
        no_longer_checking(from.address);
        if (!right) return (*shared)(tl::unexpected(denial(503, "busy", "there is no memory to check a password now")));
        if (!*right || !exists) return (*shared)(tl::unexpected(failed(from, user)));
        bans_.succeeded(from.address, user);
        note_(true, user, fmt::format("from {} by the page", from.address));
        (*shared)(begin_session(from, user));
      });
  if (taken) return;
  no_longer_checking(request.address);
  (*shared)(tl::unexpected(denial(503, "busy", "too many passwords wait to be checked; try again")));
}

/// One login fewer of this address.
void HttpAccess::no_longer_checking(const std::string& address) {
  const auto one = std::ranges::find(checking_, mqtt::address_key(address));
  if (one != checking_.end()) checking_.erase(one);
}

HttpDenial HttpAccess::failed(const HttpRequest& request, const std::string& user) {
  const auto wait = bans_.failed(request.address, user, clock_.now());
  note_(false, user, fmt::format("from {} by the page: wrong {}", request.address, user.empty() ? "token" : "login"));
  auto answer = denial(401, "wrong", user.empty() ? "this token is not known" : "wrong name or password");
  if (wait > 0s) answer.message += fmt::format("; wait {} s before the next try", wait.count());
  return answer;
}

HttpAccess::LoggedIn HttpAccess::begin_session(const HttpRequest& request, const std::string& user) {
  const auto secret = hex(mqtt::random_bytes(32));
  const auto key = mqtt::sha256(secret);
  auto& session = sessions_.touch(key);
  session = {user, settings_->users.find(user)->second.role, hex(mqtt::random_bytes(16)), clock_.now() + kSession};
  const auto cookie = fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kCookie, secret,
                                  std::chrono::seconds(kSession).count(), request.encrypted ? "; Secure" : "");
  return {cookie, {user, session.role, fmt::format("user {} ({})", user, request.address), key, session.csrf}};
}

std::string HttpAccess::log_out(const HttpGrant& grant) {
  sessions_.erase(grant.session);
  return fmt::format("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", kCookie);
}

bool HttpAccess::holds(const HttpGrant& grant) const {
  if (grant.session.empty()) return true;
  const auto* session = sessions_.find(grant.session);
  return session != nullptr && clock_.now() < session->until;
}

}  // namespace ferrule::gateway
