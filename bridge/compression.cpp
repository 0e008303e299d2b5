#include "bridge/compression.hpp"

#include <zlib.h>
#include <zstd.h>

#include <limits>

namespace ferrule::bridge {

namespace {

constexpr int kGzip = 16 + MAX_WBITS;
constexpr int kMemory = 8;

std::optional<std::string> gzipped(std::string_view payload) {
  if (payload.empty() || payload.size() > std::numeric_limits<uInt>::max()) return {};
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string result(payload.size() - 1, '\0');  // what does not fit there saves nothing
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(payload.data()));
  stream.avail_in = static_cast<uInt>(payload.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const int done = deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return done == Z_STREAM_END ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<std::string> zstandard(std::string_view payload) {
  if (payload.empty()) return {};
  std::string result(payload.size() - 1, '\0');
  const auto size = ZSTD_compress(result.data(), result.size(), payload.data(), payload.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) return {};
  result.resize(size);
  return result;
}

}  // namespace

std::string_view name(Compression compression) {
  switch (compression) {
    case Compression::None:
      break;
    case Compression::Gzip:
      return "gzip";
    case Compression::Zstd:
      return "zstd";
  }
  return "identity";
}

std::optional<std::string> compressed(Compression compression, std::string_view payload) {
  if (compression == Compression::Gzip) return gzipped(payload);
  return compression == Compression::Zstd ? zstandard(payload) : std::nullopt;
}

}  // namespace ferrule::bridge
