#include "bridge/credentials.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "mqtt/crypto.hpp"

namespace ferrule::bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using WallTime = std::chrono::system_clock::time_point;

constexpr std::size_t kMostPassword = 65'535;  // bytes, as CONNECT can carry them
constexpr auto kLook = 5s;                     // between two looks at the files
constexpr auto kSoonest = 30s;                 // a short-lived password must not make us connect for ever

std::int64_t since_1970(WallTime time) { return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count(); }

std::string date(std::int64_t time) { return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(time)); }

tl::expected<std::string, std::string> read_password(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostPassword + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) return tl::unexpected(fmt::format("cannot read a password from {}", path.string()));
  if (text.size() > kMostPassword) return tl::unexpected(fmt::format("{} is too long for a password", path.string()));
  return text;
}

/// As encodeURIComponent: all but letters, digits, - . _ ~
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    encoded +=
        kPlain.find(c) != kPlain.npos ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

tl::expected<Credentials, std::string> from_file(const UplinkSettings& settings, WallTime now) {
  auto password = read_password(settings.password_file);
  if (!password) return tl::unexpected(password.error());
  const auto expiry = expiry_of_token(*password);
  if (!expiry) return Credentials{std::move(*password), {}};
  if (*expiry <= since_1970(now)) {
    return tl::unexpected(fmt::format("the token in {} has expired on {}; this machine's clock says {}",
                                      settings.password_file.string(), date(*expiry), date(since_1970(now))));
  }
  return Credentials{std::move(*password), seconds(*expiry - since_1970(now))};
}

}  // namespace

tl::expected<Credentials, std::string> make_credentials(const UplinkSettings& settings, WallTime now) {
  if (!settings.password_file.empty()) return from_file(settings, now);
  if (!settings.sas) return Credentials{settings.password, {}};
  const auto& sas = *settings.sas;
  const auto expires = since_1970(now) + sas.lifetime.count();
  const auto token = shared_access_signature(sas.resource, sas.key, sas.policy, expires);
  if (!token) return tl::unexpected<std::string>("the key of \"sas\" is not base64");
  return Credentials{*token, sas.lifetime};
}

std::optional<std::string> shared_access_signature(const std::string& resource, const std::string& key,
                                                   const std::string& policy, std::int64_t expires) {
  const auto secret = mqtt::from_base64(key);
  if (!secret || secret->empty()) return {};
  const auto scope = percent_encoded(resource);
  const auto signature = mqtt::hmac_sha256(*secret, fmt::format("{}\n{}", scope, expires));
  auto token = fmt::format("SharedAccessSignature sr={}&sig={}&se={}", scope,
                           percent_encoded(mqtt::to_base64(signature)), expires);
  if (!policy.empty()) token += "&skn=" + percent_encoded(policy);
  return token;
}

std::optional<std::int64_t> expiry_of_token(std::string_view token) {
  const auto first = token.find('.');
  const auto second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos) return {};
  std::string claims(token.substr(first + 1, second - first - 1));  // base64url (RFC 7515 section 2)
  std::ranges::replace(claims, '-', '+');
  std::ranges::replace(claims, '_', '/');
  claims.append((4 - claims.size() % 4) % 4, '=');
  const auto text = mqtt::from_base64(claims);
  if (!text) return {};
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.contains("exp") || !json["exp"].is_number()) return {};
  const auto expiry = json["exp"].get<double>();
  if (!(expiry > 0 && expiry < 1e11)) return {};
  return static_cast<std::int64_t>(expiry);
}

Renewal::Renewal(const UplinkSettings& settings, std::optional<seconds> lifetime, Time now) {
  for (const auto& file : {settings.password_file, settings.tls.ca, settings.tls.cert, settings.tls.key}) {
    if (!file.empty()) files_.push_back(file);
  }
  stamps_ = stamps();
  if (lifetime) ends_ = now + std::max<seconds>(*lifetime * 4 / 5, kSoonest);
  next_ = files_.empty() ? ends_ : std::min(ends_, now + kLook);
}

bool Renewal::due(Time now) {
  if (now < next_) return false;
  next_ = std::min(ends_, now + kLook);
  if (now < ends_ && stamps() == stamps_) return false;
  next_ = Time::max();
  return true;
}

/// A file that is being replaced and is not there for a moment has not changed.
std::vector<std::string> Renewal::stamps() const {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    struct stat file {};
    if (::stat(files_[i].c_str(), &file) == 0) {
      result.push_back(
          fmt::format("{} {} {}.{:09}", file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec));
    } else {
      result.push_back(i < stamps_.size() ? stamps_[i] : std::string());
    }
  }
  return result;
}

}  // namespace ferrule::bridge
