// Scripts: what the brain is told, and everything that it says to that, as text.

#include "core/node/desk.h"

#include <gtest/gtest.h>

namespace alnilam::node {
namespace {

using namespace std::chrono_literals;

// Job 1 with these classes on a node of `cores`; the executor is up and idle.
Desk ready(std::uint32_t cores, std::vector<TaskClass> classes, std::uint32_t gpus = 0) {
  Desk desk(cores, gpus);
  desk.job(1, std::move(classes));
  EXPECT_EQ(desk.assign({4000}), "start 1 job 1");
  desk.up();
  desk.done({4000});
  desk.wait(1s);
  desk.closed({1});
  EXPECT_EQ(desk.brain.inUse(), ResourceSet{});
  return desk;
}

TEST(NodeBrain, TheFirstTaskStartsTheExecutorAndRunsWhenItIsUp) {
  Desk desk(2);
  desk.job(1, {taskClass("f", 1)});
  EXPECT_EQ(desk.assign({1, 2, 3}), "start 1 job 1");
  EXPECT_EQ(desk.up(),
            "to 1: lane 0 f; open #1 lane 0 cores 0; open #2 lane 0 cores 1; "
            "run 1.1; run 1.2; run 1.3");
  EXPECT_EQ(desk.brain.sent(), 3u);
  EXPECT_EQ(desk.done({1, 3, 2}), "head: 1.1 held; 1.3 held; 1.2 held");
  EXPECT_EQ(desk.brain.sent(), 0u);
}

TEST(NodeBrain, UnknownClassesAreSentOneAheadAndShortOnesManyAhead) {
  Desk desk = ready(1, {taskClass("f", 1)});
  desk.done({});
  std::vector<std::uint32_t> many;
  for (std::uint32_t i = 1; i <= 600; ++i) many.push_back(i);
  desk.assign(many);
  EXPECT_EQ(desk.brain.sent(), 2u) << "a second each: one runs, one is ahead";
  for (std::uint32_t i = 1; i <= 60; ++i) desk.done({i}, 1us);
  EXPECT_EQ(desk.brain.sent(), 257u) << "a microsecond each: as many as a slot may have";
}

TEST(NodeBrain, DrySlotsCloseAfterAWhileAndTheirCoresAreFreeWhenReported) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  desk.assign({1});
  desk.up();
  desk.done({1});
  ASSERT_TRUE(desk.brain.deadline().has_value());
  EXPECT_EQ(*desk.brain.deadline(), Instant(1s));
  EXPECT_EQ(desk.wait(999ms), "");
  EXPECT_EQ(desk.wait(1ms), "to 1: close #1");
  EXPECT_EQ(desk.brain.inUse().cpus, Amount::whole(1));
  EXPECT_EQ(desk.closed({1}), "");
  EXPECT_EQ(desk.brain.inUse(), ResourceSet{});
  EXPECT_FALSE(desk.brain.deadline().has_value());
}

TEST(NodeBrain, ADryLaneGivesWayAtOnceToAClassThatWaits) {
  Desk desk = ready(1, {taskClass("f", 1), taskClass("g", 1)});
  EXPECT_EQ(desk.assign({1}), "to 1: open #2 lane 0 cores 0; run 1.1");
  EXPECT_EQ(desk.assign({2}, 1), "") << "f needs its slot";
  EXPECT_EQ(desk.done({1}), "to 1: close #2 | head: 1.1 held");
  EXPECT_EQ(desk.closed({2}), "to 1: lane 1 g; open #3 lane 1 cores 0; run 1.2");
}

TEST(NodeBrain, AHigherPriorityGetsTheNextFreeSlot) {
  Desk desk = ready(1, {taskClass("low", 1), taskClass("high", 1, 5)});
  EXPECT_EQ(desk.assign({1, 2, 3}), "to 1: open #2 lane 0 cores 0; run 1.1; run 1.2");
  EXPECT_EQ(desk.assign({4}, 1), "to 1: close #2");
  EXPECT_EQ(desk.done({1}), "head: 1.1 held");
  EXPECT_EQ(desk.closed({2}), "to 1: lane 1 high; open #3 lane 1 cores 0; run 1.4");
  EXPECT_EQ(desk.done({4}), "to 1: close #3 | head: 1.4 held");
  EXPECT_EQ(desk.closed({3}), "to 1: open #4 lane 0 cores 0; run 1.3");
}

TEST(NodeBrain, AnEqualTakesASlotOnlyWhenItHasStarved) {
  Desk desk = ready(1, {taskClass("f", 1), taskClass("g", 1)});
  desk.assign({1, 2});
  EXPECT_EQ(desk.assign({3}, 1), "");
  EXPECT_EQ(desk.wait(99ms), "");
  EXPECT_EQ(desk.wait(1ms), "to 1: close #2");
  EXPECT_EQ(desk.closed({2}), "to 1: lane 1 g; open #3 lane 1 cores 0; run 1.3");
}

TEST(NodeBrain, AWideTaskIsNotStarvedByNarrowOnes) {
  Desk desk = ready(2, {taskClass("narrow", 1), taskClass("wide", 2, 1)});
  desk.assign({1, 2});
  EXPECT_EQ(desk.assign({3}, 1), "to 1: close #3; close #2");
  EXPECT_EQ(desk.closed({3}), "") << "the free core waits for the other one";
  EXPECT_EQ(desk.done({1}), "head: 1.1 held");
  EXPECT_EQ(desk.closed({2}), "to 1: lane 1 wide; open #4 lane 1 cores 0,1; run 1.3");
}

TEST(NodeBrain, AnInputIsPulledOnceHoweverManyWait) {
  Desk desk = ready(4, {taskClass("f", 1)});
  NodeOrders orders;
  for (std::uint32_t i : {1u, 2u}) {
    orders.assign.push_back(Desk::task(Desk::id(1, i)));
    orders.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}, {3}})});
  }
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "pull 1.9 from 2,3");
  EXPECT_EQ(desk.brain.queued(), 2u);
  EXPECT_EQ(desk.say(Pulled{Desk::id(1, 9), 1_MiB}),
            "to 1: open #2 lane 0 cores 0; open #3 lane 0 cores 1; run 1.1; run 1.2"
            " | head: kept 1.9");
  NodeOrders release;
  release.release.push_back(Desk::id(1, 9));
  EXPECT_EQ(desk.say(FromHead{std::move(release)}), "") << "it is in use";
  EXPECT_EQ(desk.done({1}), "head: 1.1 held");
  EXPECT_EQ(desk.done({2}), "drop 1.9 | head: 1.2 held");
}

TEST(NodeBrain, APullThatFailsFailsTheWaitingTasksAndNamesTheObject) {
  Desk desk = ready(2, {taskClass("f", 1)});
  NodeOrders orders;
  orders.assign.push_back(Desk::task(Desk::id(1, 1)));
  orders.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}})});
  desk.say(FromHead{std::move(orders)});
  EXPECT_EQ(desk.say(PullFailed{Desk::id(1, 9), "no holder answers"}),
            "head: 1.1 objectLost (object 1.9 cannot be had: no holder answers)");
  const auto& report = std::get<ToHead>(desk.outputs.at(0)).report;
  EXPECT_EQ(report.done.at(0).failure->task, Desk::id(1, 9));
  EXPECT_EQ(desk.brain.queued(), 0u);
}

TEST(NodeBrain, HoldersNamedSinceArePulledFromBeforeGivingUp) {
  Desk desk = ready(2, {taskClass("f", 1)});
  for (std::uint32_t i : {1u, 2u}) {
    NodeOrders orders;
    orders.assign.push_back(Desk::task(Desk::id(1, i)));
    orders.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{i + 1}})});
    EXPECT_EQ(desk.say(FromHead{std::move(orders)}), i == 1 ? "pull 1.9 from 2" : "");
  }
  EXPECT_EQ(desk.say(PullFailed{Desk::id(1, 9), "gone"}), "pull 1.9 from 3");
  EXPECT_EQ(desk.say(PullFailed{Desk::id(1, 9), "gone"}),
            "head: 1.1 objectLost (object 1.9 cannot be had: gone); "
            "1.2 objectLost (object 1.9 cannot be had: gone)");
}

TEST(NodeBrain, AStoredResultServesAsInputAndIsDroppedOnRelease) {
  Desk desk = ready(1, {taskClass("f", 1)});
  desk.assign({1});
  ExecutorReport report;
  report.done.push_back({Desk::id(1, 1), {1}, TaskDone::How::stored, {}, 5, {}, 1s, 0});
  EXPECT_EQ(desk.say(FromExecutor{{1}, std::move(report)}), "head: 1.1 stored 5");
  NodeOrders orders;
  orders.assign.push_back(Desk::task(Desk::id(1, 2)));
  orders.assign.back().inputs.push_back({Desk::id(1, 1), Value::at(5, {{1}})});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "to 1: run 1.2");
  desk.done({2});
  NodeOrders release;
  release.release.push_back(Desk::id(1, 1));
  EXPECT_EQ(desk.say(FromHead{std::move(release)}), "drop 1.1");
}

TEST(NodeBrain, ACopyNobodyWaitsForAnyMoreIsDroppedOnArrival) {
  Desk desk = ready(1, {taskClass("f", 1)});
  NodeOrders orders;
  orders.assign.push_back(Desk::task(Desk::id(1, 1)));
  orders.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}})});
  desk.say(FromHead{std::move(orders)});
  NodeOrders cancel;
  cancel.cancel.push_back(Desk::id(1, 1));
  EXPECT_EQ(desk.say(FromHead{std::move(cancel)}), "head: 1.1 cancelled (cancelled)");
  EXPECT_EQ(desk.say(Pulled{Desk::id(1, 9), 1_MiB}), "drop 1.9");
}

TEST(NodeBrain, CancelReportsWhatQueuesHereAndPassesOnWhatWasSent) {
  Desk desk = ready(1, {taskClass("f", 1)});
  desk.assign({1, 2, 3});
  NodeOrders orders;
  orders.cancel = {Desk::id(1, 3), Desk::id(1, 1), Desk::id(1, 77)};
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}),
            "to 1: cancel 1.1 | head: 1.3 cancelled (cancelled)");
}

TEST(NodeBrain, LocalPutsAreReported) {
  Desk desk = ready(1, {taskClass("f", 1)});
  EXPECT_EQ(desk.say(LocalPut{Desk::id(1, 50), 1_MiB}), "head: kept 1.50");
}

TEST(NodeBrain, AnEndedJobLeavesNothingBehind) {
  Desk desk = ready(1, {taskClass("f", 1)});
  desk.assign({1, 2, 3});
  desk.say(LocalPut{Desk::id(1, 50), 1_MiB});
  NodeOrders orders;
  orders.ended.push_back({1});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "stop 1");
  EXPECT_EQ(desk.done({1}), "") << "nobody asks any more";
  EXPECT_EQ(desk.brain.inUse().cpus, Amount::whole(1)) << "its thread still runs";
  EXPECT_EQ(desk.say(ExecutorGone{{1}, {}, FailureKind::exited, "exit status 0"}),
            "drop 1.50") << "not before: a thread of the job may have been reading it";
  EXPECT_EQ(desk.brain.inUse(), ResourceSet{});
  EXPECT_EQ(desk.brain.queued() + desk.brain.sent(), 0u);
  EXPECT_FALSE(desk.brain.deadline().has_value());
}

TEST(NodeBrain, WhatTheNodeCanNeverGiveIsInfeasibleAtOnce) {
  Desk desk(2);
  desk.job(1, {taskClass("f", 3)});
  EXPECT_EQ(desk.assign({1}),
            "head: 1.1 infeasible (f asks for cpu=3, and node a has cpu=2,memory=64GiB)");
}

TEST(NodeBrain, WhatItWasNotToldOfIsRefused) {
  Desk desk(2);
  EXPECT_EQ(desk.assign({1}),
            "head: 1.1 executorFailed (the node was not told of class 0 of job 1)");
}

TEST(NodeBrain, DevicesAreGrantedWithTheirShareAndMemory) {
  TaskClass quarter = taskClass("q", 0);
  quarter.needs.gpus = Amount::from(0.25, "gpus").value();
  quarter.needs.gpuMemory = 1_GiB;
  Desk desk(1, 2);
  desk.job(1, {quarter});
  desk.assign({1, 2});
  EXPECT_EQ(desk.up(),
            "to 1: lane 0 q; open #1 lane 0 gpu 0*0.25 1GiB; open #2 lane 0 gpu 0*0.25 1GiB; "
            "run 1.1; run 1.2");
}

TEST(NodeBrain, GivesBackWhatIsAskedForUnlessItHasBegun) {
  Desk desk = ready(1, {taskClass("f", 1)});
  desk.assign({1, 2, 3});
  NodeOrders fetched;
  fetched.assign.push_back(Desk::task(Desk::id(1, 4)));
  fetched.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}})});
  desk.say(FromHead{std::move(fetched)});
  NodeOrders orders;
  orders.giveBack = {Desk::id(1, 3), Desk::id(1, 1), Desk::id(1, 4), Desk::id(1, 77)};
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}),
            "to 1: cancel 1.1 | head: 1.3 returned; 1.4 returned")
      << "1.1 is with the executor, which may drop it";
  ExecutorReport dropped;
  TaskDone& done = dropped.done.emplace_back();
  done.id = Desk::id(1, 1);
  done.attempt = {1};
  done.how = TaskDone::How::failed;
  auto why = std::make_shared<Failure>();
  why->kind = FailureKind::cancelled;
  done.failure = std::move(why);
  EXPECT_EQ(desk.say(FromExecutor{{1}, std::move(dropped)}), "head: 1.1 returned");
  EXPECT_EQ(desk.say(Pulled{Desk::id(1, 9), 1_MiB}), "drop 1.9");
}

}  // namespace
}  // namespace alnilam::node
