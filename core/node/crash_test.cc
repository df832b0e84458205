// Executors that die or do not start: who is charged, and who runs again.

#include "core/node/desk.h"

#include <gtest/gtest.h>

namespace alnilam::node {
namespace {

using namespace std::chrono_literals;

Desk running(std::uint32_t cores, std::vector<std::uint32_t> tasks) {
  Desk desk(cores);
  desk.job(1, {taskClass("f", 1), taskClass("g", 1)});
  desk.assign(std::move(tasks));
  desk.up();
  return desk;
}

ExecutorGone gone(std::uint32_t executor, TaskId culprit = {}) {
  return {{executor}, culprit, FailureKind::crashed, "SIGSEGV"};
}

TEST(NodeBrainCrash, TheCulpritIsReportedAndTheOthersRunAgainInOrder) {
  Desk desk = running(2, {1, 2, 3, 4, 5});
  EXPECT_EQ(desk.say(gone(1, Desk::id(1, 2))), "start 2 job 1 | head: 1.2 crashed (SIGSEGV)");
  EXPECT_EQ(desk.up(2),
            "to 2: lane 0 f; open #3 lane 0 cores 0; open #4 lane 0 cores 1; "
            "run 1.1; run 1.3; run 1.4; run 1.5");
}

TEST(NodeBrainCrash, ATaskAloneOnBoardIsTheCulprit) {
  Desk desk = running(1, {1});
  EXPECT_EQ(desk.say(gone(1)), "head: 1.1 crashed (SIGSEGV)");
  EXPECT_EQ(desk.brain.inUse(), ResourceSet{});
}

TEST(NodeBrainCrash, SuspectsRunAloneUntilOneIsFound) {
  Desk desk = running(2, {1, 2, 3, 4, 5});  // four on board, the fifth waits
  EXPECT_EQ(desk.say(gone(1)), "start 2 job 1");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #3 lane 0 cores 0; run 1.1");
  EXPECT_EQ(desk.done({1}, 1s, 2), "to 2: run 1.2 | head: 1.1 held");
  EXPECT_EQ(desk.say(gone(2)), "start 3 job 1 | head: 1.2 crashed (SIGSEGV)");
  EXPECT_EQ(desk.up(3), "to 3: lane 0 f; open #4 lane 0 cores 0; run 1.3");
  EXPECT_EQ(desk.done({3}, 1s, 3), "to 3: run 1.4 | head: 1.3 held");
  EXPECT_EQ(desk.done({4}, 1s, 3), "to 3: run 1.5 | head: 1.4 held") << "nobody is suspected";
}

TEST(NodeBrainCrash, SuspectsOfSeveralLanesTakeTurns) {
  Desk desk = running(2, {1});
  desk.assign({2}, 1);
  desk.say(gone(1));
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #3 lane 0 cores 0; run 1.1");
  EXPECT_EQ(desk.done({1}, 1s, 2), "to 2: close #3 | head: 1.1 held");
  EXPECT_EQ(desk.closed({3}, 2), "to 2: lane 1 g; open #4 lane 1 cores 0; run 1.2");
}

TEST(NodeBrainCrash, InnocentsQueuedBehindASuspectDoNotKeepItsSlot) {
  Desk desk = running(2, {1});
  desk.assign({2}, 1);
  desk.say(gone(1));
  desk.assign({3, 4});
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #3 lane 0 cores 0; run 1.1");
  EXPECT_EQ(desk.done({1}, 1s, 2), "to 2: close #3 | head: 1.1 held");
  EXPECT_EQ(desk.closed({3}, 2), "to 2: lane 1 g; open #4 lane 1 cores 0; run 1.2");
  EXPECT_EQ(desk.done({2}, 1s, 2),
            "to 2: open #5 lane 0 cores 1; close #4; run 1.3; run 1.4 | head: 1.2 held");
}

TEST(NodeBrainCrash, ACancelledTaskIsNotRunAgain) {
  Desk desk = running(1, {1, 2});
  NodeOrders orders;
  orders.cancel.push_back(Desk::id(1, 1));
  desk.say(FromHead{std::move(orders)});
  EXPECT_EQ(desk.say(gone(1, Desk::id(1, 2))),
            "head: 1.2 crashed (SIGSEGV); 1.1 cancelled (cancelled)");
}

TEST(NodeBrainCrash, AProgramThatDoesNotStartFailsItsTasksAndIsTriedAgainLater) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  desk.assign({1, 2});
  EXPECT_EQ(desk.say(ExecutorFailed{{1}, "libfoo.so: not found"}),
            "head: 1.1 executorFailed (libfoo.so: not found); "
            "1.2 executorFailed (libfoo.so: not found)");
  EXPECT_EQ(desk.assign({3}), "head: 1.3 executorFailed (libfoo.so: not found)");
  desk.wait(1s);
  EXPECT_EQ(desk.assign({4}), "start 2 job 1");
}

TEST(NodeBrainCrash, AProgramThatDiesBeforeItRunsAnythingIsNotStartedForEver) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  NodeOrders orders;
  orders.assign.push_back(Desk::task(Desk::id(1, 1)));
  orders.assign.back().inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}})});
  desk.say(FromHead{std::move(orders)});
  desk.up();
  EXPECT_EQ(desk.say(gone(1)), "start 2 job 1");
  desk.up(2);
  EXPECT_EQ(desk.say(gone(2)),
            "head: 1.1 executorFailed (the program ended before it ran a task: SIGSEGV)");
}

TEST(NodeBrainCrash, WordsFromTheDeadAreIgnored) {
  Desk desk = running(1, {1, 2});
  desk.say(gone(1, Desk::id(1, 1)));
  EXPECT_EQ(desk.done({2}), "");
  EXPECT_EQ(desk.closed({1}), "");
  ExecutorReport late;
  late.done.push_back({Desk::id(1, 2), {1}, TaskDone::How::stored, {}, 5, {}, 1s, 0});
  EXPECT_EQ(desk.say(FromExecutor{{1}, std::move(late)}), "drop 1.2") << "its bytes are garbage";
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #2 lane 0 cores 0; run 1.2");
}

}  // namespace
}  // namespace alnilam::node
