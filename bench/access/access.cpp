// What asking the rules costs for each publication and delivery, and what a password check costs.
#include <fmt/format.h>

#include <ctime>
#include <string>
#include <vector>

#include "mqtt/credentials.hpp"
#include "mqtt/password_hash.hpp"
#include "mqtt/rules.hpp"

namespace {

using namespace ferrule::mqtt;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Nanoseconds of processor time of one `allow`, over topics of four levels.
double nanoseconds(const Rights& rights) {
  std::vector<std::string> topics;
  for (int i = 0; i < 1000; ++i) {
    topics.push_back(fmt::format("plant1/line{}/machine{}/temperature", i % 10, i));
  }
  constexpr int kRounds = 2000;
  std::size_t allowed = 0;
  const double begin = cpu_seconds();
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& topic : topics) allowed += rights.allow(topic) ? 1 : 0;
  }
  const double took = cpu_seconds() - begin;
  if (allowed == 0) fmt::print("nothing was allowed\n");
  return took / (kRounds * static_cast<double>(topics.size())) * 1e9;
}

void report(const char* what, const std::vector<Rule>& own, const std::vector<Rule>& everyone) {
  const RuleList user(own), all(everyone);
  fmt::print("{:50} {:7.1f} ns\n", what, nanoseconds(Rights({&user, nullptr, &all}, {"press4", "hmi"})));
}

void report_login(const char* what, const Credentials& credentials) {
  constexpr int kLogins = 20;
  const double begin = cpu_seconds();
  for (int i = 0; i < kLogins; ++i) credentials.verify("wrong");
  fmt::print("{:50} {:7.2f} ms\n", what, (cpu_seconds() - begin) / kLogins * 1e3);
}

}  // namespace

int main() {
  fmt::print("{:50} {:7.1f} ns\n", "no rules", nanoseconds(Rights()));
  report("plant1/#", {{"plant1/#"}}, {});
  report("plant1/#, one denial, and two patterns of everyone", {{"plant1/#"}, {"plant1/pay/#", false}},
         {{"clients/%c/#"}, {"users/%u/#"}});
  std::vector<Rule> many;
  for (int i = 0; i < 1000; ++i) many.push_back({fmt::format("plant1/line{}/machine{}/#", i % 10, i)});
  report("1,000 rules, one for each machine", many, {});

  Credentials argon2;
  argon2.hash = PasswordHash::argon2id("right");
  report_login("login, Argon2id", argon2);
  report_login("login, a password from a secrets file", Credentials::of_secret("right"));
  return 0;
}
