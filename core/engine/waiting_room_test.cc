// Tasks that wait for results of their own process: released once, in order, or returned.

#include "core/engine/waiting_room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
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

std::string made(WaitingRoom& room, std::uint32_t index) {
  std::vector<RunTask> released;
  room.made(id(index), result(index), released);
  std::string text;
  for (const RunTask& one : released) text += std::to_string(one.id.index()) + " ";
  return text;
}

std::string unmade(WaitingRoom& room, std::uint32_t index) {
  std::vector<TaskDone> ended;
  room.unmade(id(index), ended);
  std::string text;
  for (const TaskDone& one : ended) {
    EXPECT_EQ(one.how, TaskDone::How::returned);
    EXPECT_EQ(one.attempt, Attempt{1});
    text += std::to_string(one.id.index()) + " ";
  }
  return text;
}

bool admit(WaitingRoom& room, RunTask task) { return room.admit(task); }

TEST(WaitingRoom, ReleasesATaskWhenTheLastOfItsInputsIsMade) {
  WaitingRoom room;
  room.expect(id(1));
  room.expect(id(2));
  EXPECT_TRUE(admit(room, task(5, {1, -9, 2, 1})));
  EXPECT_EQ(room.size(), 1u);
  EXPECT_EQ(made(room, 1), "");
  std::vector<RunTask> released;
  room.made(id(2), result(2, true), released);
  ASSERT_EQ(released.size(), 1u);
  EXPECT_EQ(room.size(), 0u);
  const std::vector<RunInput>& inputs = released[0].inputs;
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
  EXPECT_FALSE(room.admit(stranger));
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
  EXPECT_EQ(unmade(room, 1), "3 4 6 ");
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
  EXPECT_EQ(unmade(room, 2), "3 ");
  room.expect(id(4));
  EXPECT_TRUE(admit(room, task(5, {4}))) << "in the place of another";
  EXPECT_EQ(made(room, 1), "");
  EXPECT_EQ(made(room, 4), "5 ");
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
        std::vector<RunTask> next{task(c * kLinks + 1, {})};
        while (!next.empty()) {
          TaskId one = next.back().id;
          next.clear();
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
