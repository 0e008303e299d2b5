#include "gateway/run.hpp"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>
#include <span>

#include "gateway/gateway.hpp"
#include "gateway/operation.hpp"
#include "gateway/reload.hpp"
#include "gateway/remote_configuration.hpp"
#include "gateway/service_manager.hpp"

namespace ferrule::gateway {

namespace {

using namespace std::chrono_literals;

constexpr auto kLookPeriod = 5s;  // at the threads, where no service manager says how often

/// An arena per bus thread costs hundreds of megabytes of address space and several of memory; one in all lets the
/// buses use what reading the configuration left behind. Measured with 500 buses: no more processor time.
void limit_malloc_arenas() { mallopt(M_ARENA_MAX, 1); }

/// The buses' descriptors stay below 1024, where libmodbus's select() reaches; the broker's go above it, if they may.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Has the kernel's table of descriptors reach where the broker's begin. With several threads its growth waits for
/// every processor (synchronize_rcu), which the first client felt as 11 ms; with one thread it costs nothing.
void grow_descriptor_table() {
  if (const int high = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FD_SETSIZE); high >= 0) close(high);
}

/// Unmaps the pages of code and constants that only the start needed, of the program and its libraries: half of the
/// resident memory. What is used again is mapped again from the page cache. None of it was changed in memory: the
/// service may not (MemoryDenyWriteExecute=).
void forget_start() {
  const auto forget = [](dl_phdr_info* object, std::size_t, void*) {
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    for (const auto& part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
      if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;  // written ones are nowhere else
      const auto begin = (object->dlpi_addr + part.p_vaddr) / page * page;
      const auto end = (object->dlpi_addr + part.p_vaddr + part.p_memsz + page - 1) / page * page;
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
  };
  dl_iterate_phdr(forget, nullptr);
}

}  // namespace

int run(const std::filesystem::path& file) {
  ::umask(0077);  // queues and sessions hold what clients published
  limit_malloc_arenas();
  raise_descriptor_limit();
  grow_descriptor_table();
  std::signal(SIGPIPE, SIG_IGN);
  const ServiceManager service_manager;
  mqtt::Loop loop;
  std::optional<Gateway> running;
  // Before the gateway opens anything: a signal that comes meanwhile is answered as soon as the loop runs.
  loop.on_signal({SIGTERM, SIGINT}, [&](int signal) {
    spdlog::info("{} received", strsignal(signal));
    service_manager.stopping();
    running->stop();
  });
  auto& gateway = running.emplace(load_settings(file), loop);
  for (const auto& warning : gateway.settings().warnings) spdlog::warn("{}", warning.text());
  malloc_trim(0);  // the configuration's tree is gone
  Operation operation(loop, gateway);
  Reload reload(
      loop, file, [&](Settings fresh, Reload::Done done) { gateway.renew(std::move(fresh), std::move(done)); },
      [&](const ReloadResult& result) { operation.reloaded(result); });
  operation.reload_by(reload);
  std::optional<RemoteConfiguration> remote;
  if (gateway.settings().remote) remote.emplace(*gateway.settings().remote, file, loop, gateway, reload);
  loop.on_signal({SIGHUP}, [&](int) { reload.request(); });
  gateway.start();
  spdlog::info("ferrule {} runs {}: {} buses, {} devices, {} points, {} uplinks", FERRULE_VERSION, file.string(),
               gateway.settings().buses.size(), gateway.settings().device_count, gateway.settings().point_count,
               gateway.settings().uplinks.size());
  service_manager.ready(gateway.status_line());
  forget_start();
  loop.every(5s, [&] { service_manager.status(gateway.status_line()); });
  const auto period = service_manager.watchdog_period();
  loop.every(period.count() > 0 ? period : kLookPeriod, [&] {
    if (gateway.all_threads_move()) return service_manager.alive();
    service_manager.status(gateway.status_line());  // what is read where a unit was killed
  });
  loop.run();
  return 0;
}

}  // namespace ferrule::gateway
