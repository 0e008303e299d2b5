// What a link keeps of its QoS 2 exchanges is on disk when it says so.
#include "bridge/row_state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "mqtt/store.hpp"
#include "tests/bridge/desk.hpp"

namespace ferrule::bridge {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RowStateTest : public ::testing::Test {
 protected:
  RowStateTest() { open(); }
  ~RowStateTest() override { store_.reset(); }

  void open() {
    store_.reset();
    state_.reset();
    file_.reset();
    file_ = std::make_unique<OutboxFile>(directory_.path() / "outbox.db");
    state_ = std::make_unique<RowState>(*file_, *store());
  }
  mqtt::Store* store() {
    store_ = std::make_unique<mqtt::Store>(
        desk_.post(), [](mqtt::Ticket) {}, [](mqtt::StoreFile&, const std::string&) {});
    return store_.get();
  }
  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    for (const auto& record : state_->restore()) keys.push_back(std::to_string(record.seq) + " " + record.key);
    return keys;
  }

  testing::Directory directory_;
  testing::Desk desk_;
  std::unique_ptr<OutboxFile> file_;
  std::unique_ptr<mqtt::Store> store_;
  std::unique_ptr<RowState> state_;
};

TEST_F(RowStateTest, KeepsWhatTheCloudHasNotReleasedBesideWhatGoesToIt) {
  state_->put({{LinkState::kNoRow, "r5-1", {}}, {LinkState::kNoRow, "r5-2", {}}, {7, "s5-1", "packet"}});
  open();
  EXPECT_THAT(keys(), ElementsAre("0 r5-1", "0 r5-2", "7 s5-1"));
  state_->released("r5-1");
  state_->put({});
  open();
  EXPECT_THAT(keys(), ElementsAre("0 r5-2", "7 s5-1"));
}

TEST_F(RowStateTest, APacketIdentifierThatIsReleasedAndUsedAgainInOneTurnIsKept) {
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  state_->released("r5-1");
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  open();
  EXPECT_THAT(keys(), ElementsAre("0 r5-1"));
}

Row row(Seq seq) {
  Row row;
  row.seq = seq;
  row.topic = "t";
  row.payload = "payload " + std::to_string(seq);
  return row;
}

TEST_F(RowStateTest, KnowsWhatWentTogetherUntilItEnds) {
  state_->prepare({{row(3)}, {row(5)}, {row(6)}});
  state_->put({{3, "s5-1", "a batch of three"}});
  open();
  EXPECT_THAT(keys(), ElementsAre("3 s5-1"));
  EXPECT_THAT(state_->under_way().seqs, ElementsAre(3, 5, 6));
  EXPECT_EQ(state_->under_way().followers, 2U);
  EXPECT_EQ(file_->rows(), 3U);
  state_->done(3, true);
  EXPECT_THAT(state_->take_followers(3), ElementsAre(5, 6));
  EXPECT_THAT(state_->take_followers(3), IsEmpty());
  EXPECT_THAT(state_->under_way().seqs, IsEmpty());
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  open();
  EXPECT_EQ(state_->under_way().followers, 0U);
  EXPECT_EQ(file_->rows(), 0U);
}

TEST_F(RowStateTest, WhatWentTogetherAndWasRefusedStaysInTheQueue) {
  state_->prepare({{row(3)}, {row(5)}});
  state_->put({{3, "s5-1", "a batch"}});
  state_->done(3, false);
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  open();
  EXPECT_THAT(keys(), ElementsAre("0 r5-1"));
  EXPECT_THAT(state_->under_way().seqs, IsEmpty());
  EXPECT_EQ(file_->rows(), 2U);
}

TEST_F(RowStateTest, APacketIsTheSameAfterAKillThoughItsPayloadIsWrittenOnce) {
  auto big = row(7);
  big.payload = std::string(10'000, 'x');
  state_->prepare({{big}});
  state_->put({{7, "s5-1", "head " + big.payload}});
  open();
  const auto restored = state_->restore();
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_EQ(restored.front().packet, "head " + big.payload);
  EXPECT_LT(file_->size_on_disk(), 80'000U);
}

TEST_F(RowStateTest, WhatEndsWhileARecordIsOnItsWayToTheDiskGoesWithTheNext) {
  std::string written;
  state_->write({{7, "s5-1", "packet 7"}}, [&](const std::string& error) { written += "7" + error; });
  state_->done(7, false);
  state_->write({{8, "s5-1", "packet 8"}}, [&](const std::string& error) { written += "8" + error; });
  EXPECT_THAT(keys(), ElementsAre("8 s5-1"));
  open();
  EXPECT_EQ(written, "78");
  EXPECT_THAT(keys(), ElementsAre("8 s5-1"));
}

TEST_F(RowStateTest, WhatCouldNotBeWrittenIsAsIfItHadNeverBeen) {
  state_->put({{7, "s5-1", "packet 7"}, {LinkState::kNoRow, "r5-1", {}}});
  store_->write(*file_, [] { throw std::runtime_error("disk full"); });
  state_->done(7, true);
  state_->released("r5-1");
  state_->prepare({{row(8)}, {row(9)}});
  EXPECT_THROW(state_->put({{8, "s5-2", "a batch"}, {LinkState::kNoRow, "r5-2", {}}}), std::runtime_error);
  EXPECT_THAT(state_->under_way().seqs, IsEmpty());
  EXPECT_EQ(state_->under_way().followers, 0U);
  EXPECT_THAT(keys(), IsEmpty());
  store_->resume(*file_);
  state_->put({{8, "s5-2", "a batch"}});  // with its rows, and with what ended
  open();
  EXPECT_THAT(keys(), ElementsAre("8 s5-2"));
  EXPECT_THAT(state_->under_way().seqs, ElementsAre(8, 9));
  EXPECT_EQ(file_->rows(), 2U);
}

TEST_F(RowStateTest, ForgetsWhatCameWithTheSession) {
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  state_->clear();
  open();
  EXPECT_THAT(keys(), IsEmpty());
}

}  // namespace
}  // namespace ferrule::bridge
