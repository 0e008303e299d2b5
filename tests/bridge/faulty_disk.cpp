#include "tests/bridge/faulty_disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ferrule::bridge::testing {

namespace {

constexpr std::int64_t kSector = 512;

/// What may be on the disk of one file.
struct Contents {
  using Versions = std::map<std::int64_t, std::vector<std::string>>;
  Versions versions;  ///< by sector: at the last sync, and after each write
  Versions given_up;  ///< of sectors whose sync failed, and that were not written again: no later one brings them there
  std::int64_t synced_size = 0;
};

}  // namespace

struct FaultyDisk::Impl {
  sqlite3_vfs* below = nullptr;
  sqlite3_vfs vfs{};
  std::mutex mutex;
  Fails fails;
  std::chrono::milliseconds slower{0};
  std::atomic<std::uint64_t> operations{0}, dead_from{UINT64_MAX};
  std::map<std::string, Contents> files;
};

namespace {

FaultyDisk::Impl* disk = nullptr;

/// SQLite allocates it with the file below behind it.
struct File {
  sqlite3_file base;
  std::string* path;  ///< null: one that has no name
  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

bool fails(FaultyDisk::Operation operation, File& file, sqlite3_int64 offset) {
  if (operation != FaultyDisk::Operation::Read && ++disk->operations >= disk->dead_from) return true;
  const std::lock_guard lock(disk->mutex);
  return disk->fails && file.path != nullptr && disk->fails(operation, *file.path, offset);
}

std::string sector_of(File& file, std::int64_t sector) {
  std::string bytes(kSector, '\0');
  file.below()->pMethods->xRead(file.below(), bytes.data(), kSector, sector * kSector);  // zeros behind the end
  return bytes;
}

int close(sqlite3_file* file) {
  delete of(file).path;
  return of(file).below()->pMethods->xClose(of(file).below());
}

int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  if (fails(FaultyDisk::Operation::Read, of(file), offset)) return SQLITE_IOERR_READ;
  return of(file).below()->pMethods->xRead(of(file).below(), to, size, offset);
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  if (fails(FaultyDisk::Operation::Write, of(file), offset)) return SQLITE_IOERR_WRITE;
  const auto write_below = [&] { return of(file).below()->pMethods->xWrite(of(file).below(), from, size, offset); };
  if (of(file).path == nullptr) return write_below();
  const std::lock_guard lock(disk->mutex);
  auto& contents = disk->files[*of(file).path];
  auto& versions = contents.versions;
  const auto first = offset / kSector, last = (offset + size - 1) / kSector;
  for (auto sector = first; sector <= last; ++sector) {
    auto& known = versions[sector];
    if (auto lost = contents.given_up.extract(sector)) known = std::move(lost.mapped());
    if (known.empty()) known.push_back(sector_of(of(file), sector));
  }
  const int result = write_below();
  for (auto sector = first; sector <= last; ++sector) versions[sector].push_back(sector_of(of(file), sector));
  return result;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (fails(FaultyDisk::Operation::Write, of(file), size)) return SQLITE_IOERR_TRUNCATE;
  return of(file).below()->pMethods->xTruncate(of(file).below(), size);
}

/// As Linux does it: what could not be written counts as clean from then on.
int fail_sync(File& file) {
  const std::lock_guard lock(disk->mutex);
  if (file.path != nullptr) {
    auto& contents = disk->files[*file.path];
    contents.given_up.merge(contents.versions);
    contents.versions.clear();
  }
  return SQLITE_IOERR_FSYNC;
}

int sync(sqlite3_file* file, int) {
  if (fails(FaultyDisk::Operation::Sync, of(file), 0)) return fail_sync(of(file));
  std::chrono::milliseconds slower{};
  {
    const std::lock_guard lock(disk->mutex);
    slower = disk->slower;
    if (of(file).path != nullptr) {
      auto& contents = disk->files[*of(file).path];
      contents.versions.clear();
      sqlite3_int64 size = 0;
      of(file).below()->pMethods->xFileSize(of(file).below(), &size);
      contents.synced_size = size;
    }
  }
  std::this_thread::sleep_for(slower);
  return SQLITE_OK;  // for this disk it is what was noted; the real one may take its time
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return of(file).below()->pMethods->xFileSize(of(file).below(), size);
}
int lock(sqlite3_file* file, int level) { return of(file).below()->pMethods->xLock(of(file).below(), level); }
int unlock(sqlite3_file* file, int level) { return of(file).below()->pMethods->xUnlock(of(file).below(), level); }
int check_lock(sqlite3_file* file, int* held) {
  return of(file).below()->pMethods->xCheckReservedLock(of(file).below(), held);
}
int control(sqlite3_file* file, int operation, void* argument) {
  return of(file).below()->pMethods->xFileControl(of(file).below(), operation, argument);
}
int sector_size(sqlite3_file*) { return kSector; }
int characteristics(sqlite3_file*) { return 0; }  // nothing is atomic, nothing in order

/// Version 1: no shared memory, which `locking_mode = EXCLUSIVE` does without, and no mapping.
constexpr sqlite3_io_methods kMethods = {
    1,           close,           read,    write,   truncate, sync,    file_size, lock,   unlock, check_lock, control,
    sector_size, characteristics, nullptr, nullptr, nullptr,  nullptr, nullptr,   nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* made = new (file) File{};
  const int result = disk->below->xOpen(disk->below, name, made->below(), flags, out);
  if (made->below()->pMethods != nullptr) made->base.pMethods = &kMethods;
  if (name != nullptr) made->path = new std::string(name);
  if (result == SQLITE_OK && made->path != nullptr) {
    const std::lock_guard lock(disk->mutex);
    if (!disk->files.contains(*made->path)) {
      sqlite3_int64 size = 0;
      file_size(file, &size);
      disk->files[*made->path].synced_size = size;
    }
  }
  return result;
}

int remove(sqlite3_vfs*, const char* name, int sync_directory) {
  if (disk->operations >= disk->dead_from) return SQLITE_IOERR_DELETE;
  {
    const std::lock_guard lock(disk->mutex);
    disk->files.erase(name);
  }
  return disk->below->xDelete(disk->below, name, sync_directory);
}

}  // namespace

FaultyDisk::FaultyDisk() : impl_(std::make_unique<Impl>()) {
  impl_->below = sqlite3_vfs_find(nullptr);
  impl_->vfs = *impl_->below;
  impl_->vfs.zName = "faulty";
  impl_->vfs.szOsFile = static_cast<int>(sizeof(File)) + impl_->below->szOsFile;
  impl_->vfs.xOpen = open;
  impl_->vfs.xDelete = remove;
  disk = impl_.get();
  if (sqlite3_vfs_register(&impl_->vfs, 1) != SQLITE_OK) throw std::runtime_error("no such VFS can be had");
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(&impl_->vfs);
  sqlite3_vfs_register(impl_->below, 1);
  disk = nullptr;
}

void FaultyDisk::fail_if(Fails fails) {
  const std::lock_guard lock(impl_->mutex);
  impl_->fails = std::move(fails);
}

void FaultyDisk::slow_down(std::chrono::milliseconds by) {
  const std::lock_guard lock(impl_->mutex);
  impl_->slower = by;
}

void FaultyDisk::lose_power_at(std::uint64_t operation) { impl_->dead_from = operation; }
bool FaultyDisk::lost_power() const { return impl_->operations >= impl_->dead_from; }
std::uint64_t FaultyDisk::operations() const { return impl_->operations; }

void FaultyDisk::restore_power(std::mt19937& random) {
  const auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  for (auto& [path, contents] : impl_->files) {
    if (!std::filesystem::exists(path)) continue;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    contents.versions.merge(contents.given_up);
    for (const auto& [sector, versions] : contents.versions) {
      auto bytes = versions[below(versions.size())];
      if (below(4) == 0) bytes.replace(kSector / 2, kSector / 2, versions[below(versions.size())], kSector / 2);
      file.seekp(sector * kSector).write(bytes.data(), kSector);
    }
    file.close();
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
    if (size > contents.synced_size && below(2) == 0) {
      std::filesystem::resize_file(path, static_cast<std::uintmax_t>(contents.synced_size));
    }
  }
  impl_->files.clear();
  impl_->operations = 0;
  impl_->dead_from = UINT64_MAX;
}

}  // namespace ferrule::bridge::testing
