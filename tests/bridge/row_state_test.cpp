// What a link keeps of its QoS 2 exchanges is on disk when it says so.
#include "bridge/row_state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

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

TEST_F(RowStateTest, ForgetsWhatCameWithTheSession) {
  state_->put({{LinkState::kNoRow, "r5-1", {}}});
  state_->clear();
  open();
  EXPECT_THAT(keys(), IsEmpty());
}

}  // namespace
}  // namespace ferrule::bridge
