// Devices that fail: when one is taken out of service, what becomes of the tasks that it had, and
// how it comes back.

#include "core/node/desk.h"

#include <gtest/gtest.h>

namespace alnilam::node {
namespace {

using namespace std::chrono_literals;

constexpr DeviceHealth kLost = DeviceHealth::deviceLost;
constexpr DeviceHealth kKilled = DeviceHealth::contextLost;

TaskClass onGpus(std::string function, double gpus) {
  TaskClass made = taskClass(std::move(function), 0);
  made.needs.gpus = Amount::from(gpus, "gpus").value();
  return made;
}

// Two devices, or as many; tasks 1 to `tasks` of class f, a whole device each, are on board.
Desk running(std::uint32_t tasks, std::uint32_t gpus = 2, double share = 1) {
  Desk desk(4, gpus);
  desk.job(1, {onGpus("f", share), onGpus("g", share), onGpus("pair", 2), taskClass("host", 1)});
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= tasks; ++i) indices.push_back(i);
  desk.assign(indices);
  desk.up();
  return desk;
}

TEST(NodeBrainDevices, ALostDeviceIsWithdrawnAtOnceAndTheOtherGoesOn) {
  Desk desk = running(5);  // 5 waits here; 1 to 4 are with the executor
  EXPECT_EQ(desk.sick(1, 0, kLost),
            "to 1: close #1 | head: gpu 0 out (lost: E); 1.1 device (E)");
  EXPECT_EQ(desk.closed({1}), "") << "nothing is opened on it";
  EXPECT_EQ(desk.done({2}), "head: 1.2 held");
  EXPECT_EQ(desk.done({3}), "to 1: run 1.5 | head: 1.3 held");
  EXPECT_EQ(desk.done({4, 5}), "head: 1.4 held; 1.5 held");
}

TEST(NodeBrainDevices, AReleasedResultIsForgottenByTheExecutorThatHasHadDevices) {
  Desk desk = running(1);
  desk.done({1});
  auto release = [&](std::uint32_t index) {
    NodeOrders orders;
    orders.release.push_back(Desk::id(1, index));
    return desk.say(FromHead{std::move(orders)});
  };
  EXPECT_EQ(release(1), "to 1: forget 1.1") << "though the store never had it";
  Desk without(4);
  without.job(1, {taskClass("host", 1)});
  without.assign({1});
  without.up();
  without.done({1});
  NodeOrders orders;
  orders.release.push_back(Desk::id(1, 1));
  EXPECT_EQ(without.say(FromHead{std::move(orders)}), "");
}

TEST(NodeBrainDevices, ATaskThatFoundItLostRunsAgainHere) {
  Desk desk = running(2);
  EXPECT_EQ(desk.sick(1, 0, kLost, 0s), "to 1: close #1; run 1.1 | head: gpu 0 out (lost: E)");
  EXPECT_EQ(desk.done({2, 1}), "head: 1.2 held; 1.1 held");
}

TEST(NodeBrainDevices, WhatCanRunNowhereElseGoesBackAndTheExecutorDropsIt) {
  Desk desk = running(3, 1);  // 1 and 2 are with the executor
  EXPECT_EQ(desk.sick(1, 0, kLost),
            "to 1: close #1; cancel 1.2 | head: gpu 0 out (lost: E); 1.1 device (E); 1.3 returned");
  ExecutorReport dropped;
  TaskDone& done = dropped.done.emplace_back();
  done.id = Desk::id(1, 2);
  done.attempt = {1};
  done.how = TaskDone::How::failed;
  auto why = std::make_shared<Failure>();
  why->kind = FailureKind::cancelled;
  done.failure = std::move(why);
  dropped.closed.push_back({1});
  EXPECT_EQ(desk.say(FromExecutor{{1}, std::move(dropped)}), "head: 1.2 returned");
  EXPECT_EQ(desk.brain.inUse(), ResourceSet{});
  EXPECT_EQ(desk.assign({4}), "head: 1.4 returned") << "the head did not know yet";
  EXPECT_EQ(desk.assign({5}, 2),
            "head: 1.5 infeasible (pair asks for gpu=2, and node a has cpu=4,gpu=1,"
            "gpu.memory=16GiB,memory=64GiB)");
  EXPECT_EQ(desk.assign({6}, 3), "to 1: lane 3 host; open #2 lane 3 cores 0; run 1.6");
}

TEST(NodeBrainDevices, AnInfeasibleClassDoesNotBarOthersFromDevices) {
  Desk desk(4, 3);
  desk.job(1, {onGpus("triple", 3), onGpus("f", 1)});
  desk.assign({1, 2});
  desk.up();
  EXPECT_EQ(desk.sick(2, 2, kLost, 0s),
            "to 1: close #1; cancel 1.1 | head: gpu 2 out (lost: E); 1.2 returned");
  EXPECT_EQ(desk.assign({3}, 1), "") << "the devices are 1.1's until it ends";
  EXPECT_EQ(desk.closed({1}), "to 1: lane 1 f; open #2 lane 1 gpu 0*1; run 1.3")
      << "though the executor has not dropped 1.1 yet";
}

TEST(NodeBrainDevices, FiveTasksInARowThatKillContextsTakeTheDeviceOut) {
  Desk desk = running(30, 2, 0.5);
  desk.done({1});
  for (std::uint32_t i = 2; i < 6; ++i) {
    EXPECT_EQ(desk.sick(i, 1, kKilled).find("out"), std::string::npos) << i;
  }
  std::string text = desk.sick(6, 1, kKilled);
  EXPECT_NE(text.find("head: gpu 1 out (5 tasks in a row killed their contexts; the last was f: E);"
                      " 1.6 device (E)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("close #"), std::string::npos) << text;
}

// Tasks 2 to 5 kill contexts on device 0, then `between` happens, then 6 and 7 do.
std::string killers(Desk& desk, const std::function<void()>& between) {
  std::string text;
  for (std::uint32_t i = 2; i < 6; ++i) text += desk.sick(i, 0, kKilled);
  between();
  return text + desk.sick(6, 0, kKilled) + desk.sick(7, 0, kKilled);
}

TEST(NodeBrainDevices, ASuccessOnTheDeviceWipesTheSlateClean) {
  auto doneOn = [](Desk& desk, std::uint32_t gpu) {
    ExecutorReport report;
    TaskDone& done = report.done.emplace_back();
    done.id = Desk::id(1, 8);
    done.attempt = {1};
    done.gpu = gpu;
    desk.say(FromExecutor{{1}, std::move(report)});
  };
  for (std::uint32_t gpu : {0u, 1u}) {
    Desk desk = running(30, 2, 0.25);
    desk.done({1});
    std::string text = killers(desk, [&] { doneOn(desk, gpu); });
    EXPECT_EQ(text.find("out (") != std::string::npos, gpu == 1) << text;
  }
}

TEST(NodeBrainDevices, AFunctionThatNeverEndedWellSpeaksAgainstNoDevice) {
  Desk desk = running(30, 2, 0.25);
  EXPECT_EQ(killers(desk, [] {}).find("out ("), std::string::npos);
}

TEST(NodeBrainDevices, AFunctionThatKillsContextsOnTwoDevicesIsAtFaultItself) {
  Desk desk = running(30, 2, 0.25);
  desk.done({1});
  EXPECT_EQ(killers(desk, [&] { desk.sick(10, 1, kKilled); }).find("out ("), std::string::npos);
}

TEST(NodeBrainDevices, RestoredDevicesAreGivenOutAgain) {
  Desk desk = running(1, 1);
  desk.sick(1, 0, kLost);
  desk.closed({1});
  EXPECT_EQ(desk.assign({2}), "head: 1.2 returned");
  EXPECT_EQ(desk.restore(), "head: all gpus in");
  EXPECT_EQ(desk.assign({3}), "to 1: open #2 lane 0 gpu 0*1; run 1.3");
}

TEST(NodeBrainDevices, ATaskWithVariantsTakesAnother) {
  TaskClass both = taskClass("", 1);
  both.variants.push_back({"cuda", "g", onGpus("g", 1).needs});
  both.variants.push_back({"cpu", "h", taskClass("h", 1).needs});
  Desk desk(1, 1);
  desk.job(1, {both, onGpus("f", 1)});
  desk.assign({9}, 1);
  desk.up();
  desk.sick(9, 0, kLost);
  desk.closed({1});
  EXPECT_EQ(desk.assign({1}), "to 1: lane 0.1 h; open #2 lane 0.1 cores 0; run 1.1 in 0.1");
}

// A suspect waits for its turn in the lane that it crashed in.
TEST(NodeBrainDevices, ASuspectWhoseVariantIsGoneGoesBack) {
  TaskClass both = taskClass("", 1);
  both.variants.push_back({"cuda", "g", onGpus("g", 0.5).needs});
  both.variants.push_back({"cpu", "h", taskClass("h", 1).needs});
  Desk desk(1, 1);
  desk.job(1, {both});
  desk.assign({1, 2});
  EXPECT_EQ(desk.up(), "to 1: lane 0 g; open #1 lane 0 gpu 0*0.5; open #2 lane 0 gpu 0*0.5; "
                       "run 1.1; run 1.2");
  EXPECT_EQ(desk.say(ExecutorGone{{1}, {}, FailureKind::crashed, "SIGSEGV"}), "start 2 job 1");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 g; open #3 lane 0 gpu 0*0.5; run 1.1");
  EXPECT_EQ(desk.sick(1, 0, kLost, 0s, 2),
            "to 2: close #3 | head: gpu 0 out (lost: E); 1.1 returned; 1.2 returned");
}

TEST(NodeBrainDevices, ASuspectThatFoundItsDeviceLostDoesNotQueueBehindInnocents) {
  Desk desk = running(2, 2, 0.5);
  desk.say(ExecutorGone{{1}, {}, FailureKind::crashed, "SIGSEGV"});
  desk.assign({3});
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #3 lane 0 gpu 0*0.5; run 1.1");
  EXPECT_EQ(desk.sick(1, 0, kLost, 0s, 2),
            "to 2: close #3 | head: gpu 0 out (lost: E); 1.1 returned");
  EXPECT_EQ(desk.closed({3}, 2), "to 2: open #4 lane 0 gpu 1*0.5; run 1.2");
  EXPECT_EQ(desk.done({2}, 1s, 2), "to 2: run 1.3 | head: 1.2 held");
}

TEST(NodeBrainDevices, WhatADeadExecutorHadGoesBackToo) {
  Desk desk = running(3, 1, 0.25);
  EXPECT_EQ(desk.sick(2, 0, kLost),
            "to 1: close #1; close #2; close #3; cancel 1.1; cancel 1.3 | "
            "head: gpu 0 out (lost: E); 1.2 device (E)");
  EXPECT_EQ(desk.say(ExecutorGone{{1}, Desk::id(1, 1), FailureKind::exited, "exit status 3"}),
            "head: 1.1 exited (exit status 3); 1.3 returned");
}

}  // namespace
}  // namespace alnilam::node
