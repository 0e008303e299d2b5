#include "bridge/gzip.hpp"

#include <zlib.h>

#include <limits>

namespace ferrule::bridge {

namespace {

constexpr int kGzip = 16 + MAX_WBITS;
constexpr int kMemory = 8;

}  // namespace

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

}  // namespace ferrule::bridge
