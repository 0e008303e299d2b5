// What waits to be sent: order, sharing, partial writes, memory.
#include "mqtt/output_buffer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <vector>

namespace ferrule::mqtt {
namespace {

PublicationPtr publication(std::string payload) {
  auto made = std::make_shared<Publication>();
  made->payload = std::move(payload);
  return made;
}

std::string gathered(const OutputBuffer& out, std::size_t pieces) {
  std::vector<iovec> room(pieces);
  std::string all;
  for (const iovec& piece : out.gather(room)) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  return all;
}

TEST(OutputBuffer, GathersSmallPacketsInOnePiece) {
  BlockPool pool;
  OutputBuffer out(pool);
  for (int i = 0; i < 20; ++i) out.append("packet");
  std::array<iovec, 4> room{};
  EXPECT_EQ(out.gather(room).size(), 1u);
  EXPECT_EQ(out.size(), 120u);
}

TEST(OutputBuffer, SharesALargePayloadAndLetsItGo) {
  BlockPool pool;
  OutputBuffer out(pool);
  const PublicationPtr shared = publication(std::string(5000, 'x'));
  out.append("head");
  out.append_shared(shared, shared->payload);
  out.append("tail");
  EXPECT_EQ(shared.use_count(), 2);
  std::array<iovec, 4> room{};
  const auto pieces = out.gather(room);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[1].iov_base, shared->payload.data());
  EXPECT_EQ(out.text(), "head" + shared->payload + "tail");
  out.consume(4 + 4999);
  EXPECT_EQ(shared.use_count(), 2);
  EXPECT_EQ(out.text(), "xtail");
  out.consume(1);
  EXPECT_EQ(shared.use_count(), 1);
  out.consume(4);
  EXPECT_TRUE(out.empty());
}

TEST(OutputBuffer, GathersNoMoreThanThereIsRoomFor) {
  BlockPool pool;
  OutputBuffer out(pool);
  const PublicationPtr shared = publication("payload");
  for (int i = 0; i < 10; ++i) out.append_shared(shared, shared->payload);
  EXPECT_EQ(gathered(out, 3), "payloadpayloadpayload");
  EXPECT_EQ(gathered(out, 0), "");
}

TEST(OutputBuffer, TakesAPacketLargerThanAnyBlock) {
  BlockPool pool;
  OutputBuffer out(pool);
  const std::string large(100'000, 'y');
  out.append("a");
  std::memcpy(out.extend(large.size()), large.data(), large.size());
  out.append("z");
  EXPECT_EQ(out.text(), "a" + large + "z");
}

TEST(OutputBuffer, ReturnsItsBlockToThePoolWhenEmpty) {
  BlockPool pool;
  OutputBuffer first(pool), second(pool);
  EXPECT_EQ(pool.cached_bytes(), 0u);
  first.append("x");
  first.consume(1);
  EXPECT_EQ(pool.cached_bytes(), 2048u);
  second.append("y");
  EXPECT_EQ(pool.cached_bytes(), 0u);
  EXPECT_EQ(second.text(), "y");
  second.clear();
  EXPECT_EQ(pool.cached_bytes(), 2048u);
}

TEST(OutputBuffer, LeavesThePoolBounded) {
  BlockPool pool;
  {
    std::vector<std::unique_ptr<OutputBuffer>> buffers;
    for (int i = 0; i < 2000; ++i) {
      buffers.push_back(std::make_unique<OutputBuffer>(pool));
      buffers.back()->append(std::string(10'000, 'x'));
      buffers.back()->append(std::string(10'000, 'x'));
    }
  }
  EXPECT_LE(pool.cached_bytes(), 768u * 1024);
}

TEST(OutputBuffer, BehavesLikeAStringUnderRandomUse) {
  std::mt19937 random(3);
  BlockPool pool;
  for (int round = 0; round < 50; ++round) {
    OutputBuffer out(pool);
    std::string model;
    for (int step = 0; step < 300; ++step) {
      const std::string bytes(random() % (random() % 10 == 0 ? 30'000 : 400), static_cast<char>('a' + random() % 26));
      switch (random() % 4) {
        case 0:
          out.append(bytes);
          model += bytes;
          break;
        case 1: {
          const PublicationPtr shared = publication(bytes);
          out.append_shared(shared, shared->payload);
          model += bytes;
          break;
        }
        case 2: {
          const std::size_t n = model.empty() ? 0 : random() % (model.size() + 1);
          out.consume(n);
          model.erase(0, n);
          break;
        }
        default: {
          const std::string front = gathered(out, 1 + random() % 8);
          ASSERT_EQ(front, model.substr(0, front.size()));
        }
      }
      ASSERT_EQ(out.size(), model.size());
    }
    ASSERT_EQ(out.text(), model);
  }
}

}  // namespace
}  // namespace ferrule::mqtt
