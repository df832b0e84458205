// Tasks that wait for results of their own process: released once, in order, or returned.

#include "core/engine/waiting_room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

namespace alnilam {
namespace {

TaskId id(std::uint32_t index) { return ObjectId::make(JobId{1}, index); }

// Task `index`, with inputs that are coming from these; a negative one is held already.
RunTask task(std::uint32_t index, std::vector<int> inputs, bool awaited = false) {
  RunTask made{id(index), Attempt{1}, 0, {}, {}, awaited};
  for (int input : inputs) {
    made.inputs.push_back({id(static_cast<std::uint32_t>(std::abs(input))), {}, false, input > 0});
  }
  return made;
}

RunInput result(std::uint32_t index, bool stored = false) {
  return {id(index), Blob::copyOf(std::as_bytes(std::span("result", 6))), stored};
}

// What a call led to: "5" released, "5..." released ahead of what it takes, "-5" returned, "=5"
// ended with its own end, "~5" void, "!5" recalled.
std::string show(const WaitingRoom::Outcome& out) {
  std::string text;
  for (const RunTask& one : out.released) {
    bool ahead = false;
    for (const RunInput& input : one.inputs) ahead = ahead || input.coming;
    text += std::to_string(one.id.index()) + (ahead ? "... " : " ");
  }
  for (const TaskDone& one : out.ended) {
    EXPECT_EQ(one.attempt, Attempt{1});
    text += (one.how == TaskDone::How::returned ? "-" : "=") + std::to_string(one.id.index()) + " ";
  }
  for (const TaskDone& one : out.voided) text += "~" + std::to_string(one.id.index()) + " ";
  for (const auto& [one, lane] : out.recalled) text += "!" + std::to_string(one.index()) + " ";
  return text;
}

std::string made(WaitingRoom& room, std::uint32_t index) {
  WaitingRoom::Outcome out;
  room.made(id(index), result(index), out);
  return show(out);
}
std::string unmade(WaitingRoom& room, std::uint32_t index) {
  WaitingRoom::Outcome out;
  room.unmade(id(index), out);
  return show(out);
}
std::string undone(WaitingRoom& room, std::uint32_t index) {
  WaitingRoom::Outcome out;
  room.undone(id(index), out);
  return show(out);
}

bool admit(WaitingRoom& room, RunTask task) {
  WaitingRoom::Outcome out;
  bool isIn = room.admit(task, false, out);
  EXPECT_TRUE(out.empty());
  return isIn;
}

TEST(WaitingRoom, ReleasesATaskWhenTheLastOfItsInputsIsMade) {
  WaitingRoom room;
  room.expect(id(1));
  room.expect(id(2));
  EXPECT_TRUE(admit(room, task(5, {1, -9, 2, 1})));
  EXPECT_EQ(room.size(), 1u);
  EXPECT_EQ(made(room, 1), "");
  WaitingRoom::Outcome out;
  room.made(id(2), result(2, true), out);
  ASSERT_EQ(out.released.size(), 1u);
  EXPECT_EQ(room.size(), 0u);
  const std::vector<RunInput>& inputs = out.released[0].inputs;
  for (const RunInput& input : inputs) EXPECT_FALSE(input.coming);
  EXPECT_EQ(inputs[0].held.size(), 6u);
  EXPECT_EQ(inputs[1].held.size(), 0u) << "it was held before";
  EXPECT_EQ(inputs[3].held.size(), 6u) << "named twice, filled twice";
  EXPECT_FALSE(inputs[0].stored);
  EXPECT_TRUE(inputs[2].stored);
}

TEST(WaitingRoom, ReleasesInTheOrderOfComing) {
  WaitingRoom room;
  room.expect(id(1));
  for (std::uint32_t i : {7u, 3u, 5u}) EXPECT_TRUE(admit(room, task(i, {1})));
  EXPECT_EQ(made(room, 1), "7 3 5 ");
  EXPECT_EQ(made(room, 1), "") << "once";
}

TEST(WaitingRoom, AChainIsReleasedLinkByLink) {
  WaitingRoom room;
  room.expect(id(1));
  for (std::uint32_t i = 2; i <= 1000; ++i) {
    EXPECT_TRUE(admit(room, task(i, {static_cast<int>(i) - 1}, i < 1000)));
  }
  for (std::uint32_t i = 1; i < 1000; ++i) EXPECT_EQ(made(room, i), std::to_string(i + 1) + " ");
  EXPECT_EQ(room.size(), 0u);
}

TEST(WaitingRoom, WhatIsNotExpectedIsNotAdmittedAndLeftAsItWas) {
  WaitingRoom room;
  room.expect(id(1));
  RunTask stranger = task(5, {1, 2});
  WaitingRoom::Outcome out;
  EXPECT_FALSE(room.admit(stranger, true, out));
  EXPECT_EQ(stranger.inputs.size(), 2u);
  EXPECT_EQ(made(room, 1), "");
  EXPECT_FALSE(admit(room, task(6, {1}))) << "it is made already";
  room.expect(id(3));
  EXPECT_TRUE(admit(room, task(7, {3})));
  EXPECT_FALSE(admit(room, task(8, {7}))) << "nobody was announced to wait for 7";
  EXPECT_FALSE(admit(room, task(7, {3}))) << "twice";
  EXPECT_EQ(made(room, 3), "7 ");
}

TEST(WaitingRoom, WhatWillNotBeMadeReturnsAllThatWaitedForItAtAnyDistance) {
  WaitingRoom room;
  room.expect(id(1));
  room.expect(id(2));
  EXPECT_TRUE(admit(room, task(3, {1, 1}, true)));
  EXPECT_TRUE(admit(room, task(4, {3, 2}, true)));
  EXPECT_TRUE(admit(room, task(5, {2})));
  EXPECT_TRUE(admit(room, task(6, {4, 3})));
  EXPECT_EQ(unmade(room, 1), "-3 -4 -6 ");
  EXPECT_EQ(room.size(), 1u);
  EXPECT_FALSE(admit(room, task(7, {4})));
  EXPECT_EQ(made(room, 2), "5 ") << "4 is gone from its ring";
  EXPECT_EQ(unmade(room, 99), "") << "unknown";
}

TEST(WaitingRoom, ATaskThatIsTakenOutIsNotReleased) {
  WaitingRoom room;
  room.expect(id(1));
  EXPECT_TRUE(admit(room, task(2, {1}, true)));
  EXPECT_TRUE(admit(room, task(3, {2})));
  RunTask taken;
  EXPECT_FALSE(room.take(id(1), taken)) << "it does not wait";
  EXPECT_FALSE(room.take(id(9), taken));
  EXPECT_TRUE(room.take(id(2), taken));
  EXPECT_EQ(taken.id, id(2));
  EXPECT_FALSE(room.take(id(2), taken));
  EXPECT_EQ(unmade(room, 2), "-3 ");
  room.expect(id(4));
  EXPECT_TRUE(admit(room, task(5, {4}))) << "in the place of another";
  EXPECT_EQ(made(room, 1), "");
  EXPECT_EQ(made(room, 4), "5 ");
}

// Tasks whose inputs are taken on devices, with what is released to the devices.
class WaitingRoomAhead : public testing::Test {
 protected:
  std::string admitAhead(RunTask task) {
    WaitingRoom::Outcome out;
    EXPECT_TRUE(room.admit(task, true, out));
    return take(out);
  }
  std::string enqueued(std::uint32_t index) {
    WaitingRoom::Outcome out;
    room.enqueued(id(index), Blob::copyOf(std::as_bytes(std::span("header", 6))), out);
    return take(out);
  }
  std::string made(std::uint32_t index) {
    WaitingRoom::Outcome out;
    room.made(id(index), result(index), out);
    return take(out);
  }
  std::string ended(std::uint32_t index, TaskDone::How how = TaskDone::How::held) {
    WaitingRoom::Outcome out;
    TaskDone done;
    done.id = id(index);
    done.attempt = Attempt{1};
    done.how = how;
    done.held = result(index).held;
    room.ended(out_.extract(index).mapped(), std::move(done), out);
    return take(out);
  }
  std::string cameBack(std::uint32_t index) {
    WaitingRoom::Outcome out;
    room.cameBack(out_.extract(index).mapped(), out);
    return take(out);
  }
  // Chain 1 <- 2 <- 3 <- 4, all on devices.
  void enqueueAll() {
    room.expect(id(1));
    EXPECT_EQ(admitAhead(task(2, {1}, true)), "");
    EXPECT_EQ(admitAhead(task(3, {2}, true)), "");
    EXPECT_EQ(admitAhead(task(4, {3})), "");
    EXPECT_EQ(enqueued(1), "2... ");
    EXPECT_EQ(enqueued(2), "3... ");
    EXPECT_EQ(enqueued(3), "4... ");
  }
  const RunTask& out(std::uint32_t index) const { return out_.at(index); }

  WaitingRoom room;

 private:
  std::string take(WaitingRoom::Outcome& out) {
    std::string text = show(out);
    for (RunTask& one : out.released) out_[one.id.index()] = std::move(one);
    return text;
  }
  std::map<std::uint32_t, RunTask> out_;
};

TEST_F(WaitingRoomAhead, AChainGoesToTheDevicesBeforeItsFirstLinkIsMade) {
  enqueueAll();
  EXPECT_EQ(out(2).inputs[0].held.size(), 6u);
  EXPECT_EQ(room.size(), 0u);
  EXPECT_EQ(made(1), "");
  EXPECT_EQ(ended(2), "=2 ");
  EXPECT_EQ(ended(3), "=3 ");
  EXPECT_EQ(ended(4), "=4 ");
  EXPECT_FALSE(admit(room, task(5, {3}))) << "nothing is left of it";
}

TEST_F(WaitingRoomAhead, AnEndIsHeldUntilAllThatItWasBuiltUponHasEndedWell) {
  enqueueAll();
  EXPECT_EQ(ended(4), "");
  EXPECT_EQ(ended(2, TaskDone::How::failed), "");
  EXPECT_EQ(ended(3), "");
  EXPECT_EQ(made(1), "=2 -3 -4 ~3 ~4 ") << "2 failed by itself";
}

TEST_F(WaitingRoomAhead, HeldEndsOfAWholeChainAreReportedInItsOrder) {
  enqueueAll();
  EXPECT_EQ(ended(4), "");
  EXPECT_EQ(ended(3), "");
  EXPECT_EQ(ended(2), "");
  EXPECT_EQ(made(1), "=2 =3 =4 ");
}

TEST_F(WaitingRoomAhead, WhatWasBuiltUponNothingIsReturnedHoweverItEnded) {
  enqueueAll();
  EXPECT_EQ(ended(3), "");
  EXPECT_EQ(unmade(room, 1), "!2 ") << "3 waits for the end of 2";
  EXPECT_EQ(ended(2), "-2 -3 ~2 ~3 !4 ");
  EXPECT_EQ(cameBack(4), "-4 ");
}

TEST_F(WaitingRoomAhead, WhatAMakerThatRunsAgainHasLedToWaitsForItsRealResult) {
  enqueueAll();
  EXPECT_EQ(ended(4), "");
  EXPECT_EQ(undone(room, 1), "!2 ");
  EXPECT_EQ(cameBack(2), "!3 ");
  EXPECT_EQ(ended(3), "~3 ~4 ");
  EXPECT_EQ(room.size(), 3u);
  EXPECT_EQ(enqueued(1), "") << "not ahead a second time";
  EXPECT_EQ(made(1), "2 ");
  EXPECT_EQ(made(2), "3 ");
  EXPECT_EQ(made(3), "4 ");
}

TEST_F(WaitingRoomAhead, WhoComesBackIsGivenWhatWasMadeMeanwhile) {
  enqueueAll();
  EXPECT_EQ(made(1), "");
  EXPECT_EQ(cameBack(2), "2 !3 ");
  EXPECT_FALSE(out(2).inputs[0].coming);
  EXPECT_EQ(out(2).inputs[0].held, result(1).held);
  EXPECT_EQ(cameBack(3), "!4 ");
  EXPECT_EQ(made(2), "3 ");
}

TEST_F(WaitingRoomAhead, GoesAheadOnlyWhenNothingIsMissingThatIsNotOnADevice) {
  room.expect(id(1));
  room.expect(id(2));
  EXPECT_EQ(admitAhead(task(5, {1, 2, 1})), "");
  EXPECT_EQ(enqueued(1), "");
  EXPECT_EQ(made(2), "5... ");
  EXPECT_EQ(out(5).inputs[1].held, result(2).held);
  EXPECT_FALSE(out(5).inputs[1].coming);
  EXPECT_EQ(made(1), "");
  EXPECT_EQ(ended(5), "=5 ");

  room.expect(id(3));
  EXPECT_EQ(enqueued(3), "");
  EXPECT_EQ(admitAhead(task(6, {3})), "6... ") << "at once";
  EXPECT_TRUE(admit(room, task(7, {3})));
  EXPECT_EQ(made(3), "7 ") << "it takes the bytes";
  EXPECT_EQ(ended(6), "=6 ");
  EXPECT_EQ(enqueued(3), "") << "heard of too late";
}

TEST(WaitingRoom, ServesThreadsThatMakeWhatOthersAdmit) {
  constexpr std::uint32_t kChains = 64, kLinks = 50;
  WaitingRoom room;
  for (std::uint32_t c = 0; c < kChains; ++c) room.expect(id(c * kLinks + 1));
  std::atomic<std::uint32_t> ended{0};
  std::vector<std::thread> makers;
  for (std::uint32_t maker = 0; maker < 4; ++maker) {
    makers.emplace_back([&room, &ended, maker] {
      for (std::uint32_t c = maker; c < kChains; c += 4) {
        WaitingRoom::Outcome next;
        next.released.push_back(task(c * kLinks + 1, {}));
        while (!next.released.empty()) {
          TaskId one = next.released.back().id;
          next.released.clear();
          room.made(one, {one, {}, false}, next);
          ++ended;
        }
      }
    });
  }
  std::uint32_t refused = 0;
  for (std::uint32_t link = 2; link <= kLinks; ++link) {
    for (std::uint32_t c = 0; c < kChains; ++c) {
      int before = static_cast<int>(c * kLinks + link - 1);
      refused += !admit(room, task(c * kLinks + link, {before}, true));
    }
  }
  for (std::thread& maker : makers) maker.join();
  // Links that came too late were refused; those that were admitted all ended or still wait.
  EXPECT_EQ(ended + refused + room.size(), kChains * kLinks);
  EXPECT_EQ(room.size(), 0u);
}

}  // namespace
}  // namespace alnilam
