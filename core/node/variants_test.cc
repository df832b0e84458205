// Tasks with variants on one node: which runs, what is learned, and who waits for a better one.

#include "core/node/desk.h"

#include <gtest/gtest.h>

namespace alnilam::node {
namespace {

using namespace std::chrono_literals;

TaskClass both(double cpus = 1, double gpus = 1) {
  TaskClass made;
  made.function = "both";
  made.variants = {{"cpu", "f", {}}, {"cuda", "g", {}}};
  made.variants[0].needs.cpus = Amount::from(cpus, "cpus").value();
  made.variants[1].needs.gpus = Amount::from(gpus, "gpus").value();
  made.needs = made.variants[0].needs;
  return made;
}

struct Sent {
  std::uint32_t index;
  std::uint8_t variant = 0;
  bool trial = false;
};

std::string send(Desk& desk, std::vector<Sent> tasks) {
  NodeOrders orders;
  for (const Sent& one : tasks) {
    orders.assign.push_back(Desk::task(Desk::id(1, one.index)));
    orders.assign.back().variant = one.variant;
    orders.assign.back().trial = one.trial;
  }
  return desk.say(FromHead{std::move(orders)});
}

// A node with cores and one device, and nothing learned.
Desk ready(std::uint32_t cores, std::uint32_t gpus = 1, std::vector<TaskClass> classes = {both()}) {
  Desk desk(cores, gpus);
  desk.job(1, std::move(classes));
  EXPECT_EQ(send(desk, {{9000}}), "start 1 job 1");
  desk.up();
  desk.done({9000}, 10ms);
  return desk;
}

// The same where the cpu variant takes 10 ms and the other 1 ms.
Desk learned(std::uint32_t cores) {
  Desk desk = ready(cores);
  for (std::uint32_t task = 9001; task <= 9003; ++task) {
    send(desk, {{task, 1, true}});
    desk.done({task}, 1ms);
    send(desk, {{task + 10, 0, true}});
    desk.done({task + 10}, 10ms);
  }
  return desk;
}

TEST(NodeVariants, WhileNothingIsKnownTheHeadsWordCounts) {
  Desk desk(2, 1);
  desk.job(1, {both()});
  EXPECT_EQ(send(desk, {{1, 0}, {2, 1}, {3, 0}}), "start 1 job 1");
  EXPECT_EQ(desk.up(),
            "to 1: lane 0 f; lane 0.1 g; open #1 lane 0 cores 0; open #2 lane 0 cores 1; "
            "open #3 lane 0.1 gpu 0*1; run 1.1; run 1.3; run 1.2 in 0.1");
}

TEST(NodeVariants, WhatRanIsToldWithWhatWasLearned) {
  Desk desk = ready(2, 2);
  EXPECT_EQ(send(desk, {{1, 1}}),
            "to 1: lane 0.1 g; open #2 lane 0.1 gpu 0*1; run 1.1 in 0.1");
  EXPECT_EQ(desk.done({1}, 7ms), "head: 1.1 held; learned 0.1 7000us by 1 of 1");
  const auto& report = std::get<ToHead>(desk.outputs.front()).report;
  EXPECT_EQ(report.done.front().variant, 1);
  EXPECT_EQ(report.costs.front().job, JobId{1});
  send(desk, {{2, 1}, {3, 1}});
  EXPECT_EQ(desk.done({2, 3}, 1ms), "head: 1.2 held; 1.3 held; learned 0.1 1000us by 2 of 3")
      << "the first run was a warm-up";
}

TEST(NodeVariants, AFasterOneThatIsFreeIsTakenWhateverTheHeadCountedOn) {
  Desk desk = learned(2);
  EXPECT_EQ(send(desk, {{1, 0}}), "to 1: run 1.1 in 0.1");
}

TEST(NodeVariants, WhatTheHeadCountsOnIsTakenIfItIsFreeAndTheFasterIsNot) {
  Desk desk = learned(2);
  EXPECT_EQ(send(desk, {{1, 1}, {2, 0}}), "to 1: run 1.2; run 1.1 in 0.1");
}

TEST(NodeVariants, WaitingForTheFasterIsBetterThanTheSlowerOneThatIsFree) {
  Desk desk = learned(2);
  EXPECT_EQ(send(desk, {{1, 1}, {2, 1}, {3, 1}}), "to 1: run 1.1 in 0.1; run 1.2 in 0.1; "
                                                  "run 1.3 in 0.1");
  std::vector<Sent> more;
  for (std::uint32_t i = 4; i <= 20; ++i) more.push_back({i, 1});
  // Two milliseconds of work are sent ahead; seven more end by the time a core has done one.
  EXPECT_EQ(send(desk, more), "to 1: open #3 lane 0 cores 1; run 1.11; run 1.12");
}

TEST(NodeVariants, NobodyWaitsLongerThanTheSlowerOneWouldTake) {
  Desk desk = learned(1);
  send(desk, {{1, 1}, {2, 1}, {3, 1}});
  EXPECT_EQ(send(desk, {{4, 1}}), "") << "it waits for the device";
  ASSERT_TRUE(desk.brain.deadline().has_value());
  EXPECT_EQ(*desk.brain.deadline() - desk.now, 10ms);
  EXPECT_EQ(desk.wait(9ms), "");
  EXPECT_EQ(desk.wait(1ms), "to 1: run 1.4") << "and the device hangs";
}

TEST(NodeVariants, TheFasterOfRivalsGetsTheSlotsOfTheSlower) {
  TaskClass rivals = both();
  rivals.variants[1].needs = rivals.variants[0].needs;
  Desk desk(1, 0);
  desk.job(1, {rivals});
  send(desk, {{1, 0}, {2, 1, true}});
  desk.up();
  desk.done({1}, 10ms);
  desk.closed({1});
  desk.done({2}, 100us);
  send(desk, {{3, 0}});
  desk.done({3}, 100us);
  desk.wait(1s);
  desk.closed({2});
  EXPECT_EQ(send(desk, {{4, 0, true}}), "to 1: open #3 lane 0 cores 0; run 1.4");
  EXPECT_EQ(send(desk, {{5, 0}, {6, 1}}), "")
      << "they wait for the faster, though the slower has the only slot";
  EXPECT_EQ(desk.done({4}, 10ms),
            "to 1: close #3 | head: 1.4 held; learned 0 10000us by 1 of 2");
  EXPECT_EQ(desk.closed({3}), "to 1: open #4 lane 0.1 cores 0; run 1.5 in 0.1");
}

TEST(NodeVariants, ATrialGoesWhereItIsSent) {
  Desk desk = learned(2);
  EXPECT_EQ(send(desk, {{1, 0, true}}), "to 1: run 1.1");
}

TEST(NodeVariants, ANodeWithoutADeviceRunsTheOther) {
  Desk desk(1, 0);
  desk.job(1, {both()});
  send(desk, {{1, 1}, {2, 1, true}});
  EXPECT_EQ(desk.up(), "to 1: lane 0 f; open #1 lane 0 cores 0; run 1.1");
  EXPECT_EQ(desk.done({1}), "to 1: run 1.2 | head: 1.1 held; learned 0 1000000us by 1 of 1");
}

TEST(NodeVariants, WhatFitsAsNoVariantIsRefused) {
  Desk desk(1, 0);
  desk.job(1, {both(2)});
  EXPECT_EQ(send(desk, {{1, 1}}),
            "head: 1.1 infeasible (both asks for cpu=2 or gpu=1, and node a has cpu=1,"
            "memory=64GiB)");
}

TEST(NodeVariants, ATaskForWhichNoneIsPickedCanBeCancelled) {
  Desk desk = learned(1);
  send(desk, {{1, 1}, {2, 1}, {3, 1}, {4, 1}});
  NodeOrders orders;
  orders.cancel = {Desk::id(1, 4)};
  EXPECT_EQ(desk.say(FromHead{orders}), "head: 1.4 cancelled (cancelled)");
  orders.cancel.clear();
  orders.ended = {JobId{1}};
  EXPECT_EQ(desk.say(FromHead{orders}), "stop 1");
}

TEST(NodeVariants, AfterACrashTheyRunAgainAsWhatTheyWere) {
  Desk desk = ready(1);
  send(desk, {{1, 1}, {2, 0}});
  EXPECT_EQ(desk.say(ExecutorGone{{1}, Desk::id(1, 1), FailureKind::crashed, "SIGSEGV"}),
            "start 2 job 1 | head: 1.1 crashed (SIGSEGV)");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #3 lane 0 cores 0; run 1.2");
}

TEST(NodeVariants, AVariantWithoutRoomClaimsItFromAnotherClass) {
  Desk desk = ready(1, 1, {both(), taskClass("other", 1)});
  desk.wait(1s);
  desk.closed({1});
  desk.assign({100, 101, 102}, 1);
  EXPECT_EQ(send(desk, {{1, 0}}), "") << "the core is taken";
  EXPECT_EQ(desk.wait(100ms), "to 1: close #2") << "but it has waited";
  desk.done({100});
  EXPECT_EQ(desk.closed({2}), "to 1: open #3 lane 0 cores 0; run 1.1");
}

TEST(NodeVariants, HowFastPullsComeInIsTold) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  NodeOrders orders;
  orders.assign.push_back(Desk::task(Desk::id(1, 1)));
  orders.assign[0].inputs.emplace_back(Desk::id(1, 50), Value::at(100'000'000, {{2}}));
  desk.say(FromHead{orders});
  desk.now += 50ms;
  desk.say(Pulled{Desk::id(1, 50), 100'000'000});
  EXPECT_EQ(std::get<ToHead>(desk.outputs.back()).report.pullRate, 2'000'000'000u);
}

}  // namespace
}  // namespace alnilam::node
