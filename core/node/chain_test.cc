// Chains at a node: who follows whom to the executor, and what becomes of those that wait.

#include "core/node/desk.h"

#include <gtest/gtest.h>

namespace alnilam::node {
namespace {

using namespace std::chrono_literals;
using How = TaskDone::How;

// Job 1 with f and g of one core each; its executor is up and lane 0 has its slots.
Desk ready(std::uint32_t cores) {
  Desk desk(cores);
  desk.job(1, {taskClass("f", 1), taskClass("g", 1)});
  desk.assign({4000});
  desk.up();
  desk.done({4000});
  return desk;
}

TEST(NodeBrainChain, FollowsTheTaskThatMakesItsInputWithoutAWordInBetween) {
  Desk desk = ready(1);
  EXPECT_EQ(desk.chain({{1, {}}, {2, {1}}, {3, {2, 1}}}),
            "to 1: run 1.1>; run 1.2<1.1>; run 1.3<1.2<1.1");
  EXPECT_EQ(desk.brain.queued(), 0u);
  EXPECT_EQ(desk.brain.sent(), 3u);
  EXPECT_EQ(desk.done({1, 2}), "head: 1.1 held; 1.2 held");
  EXPECT_EQ(desk.done({3}), "head: 1.3 held");
  EXPECT_EQ(desk.brain.sent(), 0u);
}

TEST(NodeBrainChain, HoldsNoSlotUntilItsInputsAreMade) {
  Desk desk = ready(2);
  EXPECT_EQ(desk.chain({{1, {}}}), "to 1: run 1.1");
  EXPECT_EQ(desk.chain({{2, {1}}}, 1), "") << "1 was sent with nobody in sight: 2 waits here";
  EXPECT_EQ(desk.brain.inUse().cpus, Amount::whole(1));
  EXPECT_EQ(desk.done({1}), "to 1: lane 1 g; open #2 lane 1 cores 1; run 1.2 | head: 1.1 held");

  NodeOrders orders;
  orders.assign = {Desk::task(Desk::id(1, 3)), Desk::task(Desk::id(1, 4), 1)};
  orders.assign[0].awaited = true;
  orders.assign[1].inputs.push_back({Desk::id(1, 3), Value{}});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "to 1: run 1.3>; run 1.4<1.3");
  EXPECT_EQ(desk.done({2}), "head: 1.2 held") << "no third slot";
  EXPECT_EQ(desk.done({3}), "head: 1.3 held") << "the slot of lane 1 serves 4";
  EXPECT_EQ(desk.done({4}), "head: 1.4 held");
}

TEST(NodeBrainChain, WhereTheOnlyCoreIsTheMakersItsSlotIsGivenUpForTheNextLink) {
  Desk desk = ready(1);
  EXPECT_EQ(desk.chain({{1, {}}}), "to 1: run 1.1");
  desk.done({1});
  NodeOrders orders;
  orders.assign = {Desk::task(Desk::id(1, 2)), Desk::task(Desk::id(1, 3), 1)};
  orders.assign[1].inputs.push_back({Desk::id(1, 2), Value{}});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "to 1: lane 1 g; run 1.2>; run 1.3<1.2");
  EXPECT_EQ(desk.done({2}), "to 1: close #1 | head: 1.2 held");
  EXPECT_EQ(desk.closed({1}), "to 1: open #2 lane 1 cores 0");
  EXPECT_EQ(desk.done({3}), "head: 1.3 held");
}

TEST(NodeBrainChain, FollowsLaterIfItsMakerWasAnnouncedAsAwaited) {
  Desk desk = ready(1);
  NodeOrders orders;
  orders.assign = {Desk::task(Desk::id(1, 1))};
  orders.assign[0].awaited = true;
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "to 1: run 1.1>");
  EXPECT_EQ(desk.chain({{2, {1}}}), "to 1: run 1.2<1.1");
  EXPECT_EQ(desk.chain({{3, {2}}}), "") << "nobody was announced for 2";
}

TEST(NodeBrainChain, WaitsForAllThatMakeItsInputsAndForWhatIsPulled) {
  Desk desk = ready(2);
  desk.chain({{1, {}}, {2, {}}, {8, {}}});
  NodeOrders orders;
  orders.assign = {Desk::task(Desk::id(1, 3)), Desk::task(Desk::id(1, 4))};
  orders.assign[0].awaited = true;
  orders.assign[1].inputs = {{Desk::id(1, 3), Value{}}, {Desk::id(1, 9), Value::at(1_MiB, {{2}})}};
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "pull 1.9 from 2 | to 1: run 1.3>");
  EXPECT_EQ(desk.say(Pulled{Desk::id(1, 9), 1_MiB}), "to 1: run 1.4<1.3 | head: kept 1.9");
  EXPECT_EQ(desk.chain({{5, {4, 6}}, {6, {}}}), "head: 1.5 returned") << "6 came after it";
  desk.done({1, 2, 3, 8});
  NodeOrders release;
  release.release.push_back(Desk::id(1, 9));
  EXPECT_EQ(desk.say(FromHead{std::move(release)}), "") << "4 reads it";
  EXPECT_EQ(desk.done({4}), "drop 1.9 | head: 1.4 held");
}

TEST(NodeBrainChain, AStoredResultIsPinnedForThoseThatFollow) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1, 1}}});
  EXPECT_EQ(desk.ended({{1, How::stored}}), "head: 1.1 stored 5");
  NodeOrders release;
  release.release.push_back(Desk::id(1, 1));
  EXPECT_EQ(desk.say(FromHead{std::move(release)}), "");
  EXPECT_EQ(desk.done({2}), "drop 1.1 | head: 1.2 held");
}

TEST(NodeBrainChain, TakesAStoredResultThatWasReportedMeanwhile) {
  Desk desk = ready(1);
  desk.chain({{1, {}}});
  desk.ended({{1, How::stored}});
  EXPECT_EQ(desk.chain({{2, {1}}}), "to 1: run 1.2");
  EXPECT_FALSE(std::get<ToExecutor>(desk.outputs.at(0)).orders.run.at(0).inputs.at(0).coming);
  EXPECT_TRUE(std::get<ToExecutor>(desk.outputs.at(0)).orders.run.at(0).inputs.at(0).stored);
}

TEST(NodeBrainChain, ReturnsWhatNamesAResultThatNobodyMakesHere) {
  Desk desk = ready(1);
  desk.chain({{1, {}}});
  desk.done({1});
  EXPECT_EQ(desk.chain({{2, {1}}, {3, {2}}, {4, {4}}}),
            "head: 1.2 returned; 1.3 returned; 1.4 returned");
  EXPECT_EQ(desk.brain.queued(), 0u);
}

TEST(NodeBrainChain, ReturnsAllThatWaitForATaskThatFailsNearestFirst) {
  Desk desk = ready(1);
  EXPECT_EQ(desk.chain({{7, {}}, {8, {}}, {1, {}}}), "to 1: run 1.7; run 1.8");
  EXPECT_EQ(desk.chain({{2, {1}}, {3, {2}}, {4, {1, 2}}}), "") << "1 queues here";
  EXPECT_EQ(desk.cancel({1}),
            "head: 1.1 cancelled (cancelled); 1.2 returned; 1.4 returned; 1.3 returned");
  desk.done({7, 8});
  EXPECT_EQ(desk.brain.queued() + desk.brain.sent(), 0u);
}

TEST(NodeBrainChain, WhatFollowsAFailureIsReturnedByTheExecutor) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  EXPECT_EQ(desk.ended({{1, How::failed}}), "head: 1.1 exception (thrown)");
  EXPECT_EQ(desk.brain.sent(), 2u);
  EXPECT_EQ(desk.ended({{2, How::returned}, {3, How::returned}}),
            "head: 1.2 returned; 1.3 returned");
  EXPECT_EQ(desk.brain.sent(), 0u);
}

TEST(NodeBrainChain, ATaskThatCameTooLateForTheExecutorIsSentAgainWithItsInput) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}});
  desk.done({1});
  EXPECT_EQ(desk.ended({{2, How::returned}}), "to 1: run 1.2");
  EXPECT_EQ(desk.done({2}), "head: 1.2 held");
  desk.chain({{5, {}}, {6, {5}}});
  EXPECT_EQ(desk.ended({{6, How::returned}}), "") << "before the end of 5 was told";
  EXPECT_EQ(desk.done({5}), "to 1: run 1.6 | head: 1.5 held");
}

TEST(NodeBrainChain, AnEndThatOvertookItsMakersIsTaken) {
  Desk desk = ready(2);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  EXPECT_EQ(desk.done({2}), "to 1: open #2 lane 0 cores 1 | head: 1.2 held") << "1 and 3 may run";
  EXPECT_EQ(desk.done({1}), "head: 1.1 held");
  EXPECT_EQ(desk.done({3}), "head: 1.3 held");
  EXPECT_EQ(desk.brain.sent(), 0u);
}

TEST(NodeBrainChain, ALinkThatIsCancelledEndsWhatWaitsForIt) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  EXPECT_EQ(desk.cancel({2}), "to 1: cancel 1.2") << "it is with the executor";
  ExecutorReport report;
  report.done.resize(2);
  report.done[0].id = Desk::id(1, 2);
  report.done[0].attempt = report.done[1].attempt = {1};
  report.done[0].how = How::failed;
  auto why = std::make_shared<Failure>();
  why->kind = FailureKind::cancelled;
  report.done[0].failure = why;
  report.done[1].id = Desk::id(1, 3);
  report.done[1].how = How::returned;
  EXPECT_EQ(desk.say(FromExecutor{{1}, std::move(report)}),
            "head: 1.2 cancelled (); 1.3 returned");
}

TEST(NodeBrainChain, RunsAgainBehindItsMakerWhenTheirExecutorDies) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  desk.done({1});  // 2 has begun, as far as anybody knows
  EXPECT_EQ(desk.say(ExecutorGone{{1}, Desk::id(1, 4000), FailureKind::crashed, "SIGSEGV"}),
            "start 2 job 1");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #2 lane 0 cores 0; run 1.2>");
  EXPECT_EQ(desk.done({2}, 1s, 2), "to 2: run 1.3 | head: 1.2 held") << "suspects run alone";
  EXPECT_EQ(desk.done({3}, 1s, 2), "head: 1.3 held");
}

TEST(NodeBrainChain, ACrashIsChargedToTheLinkThatRanAndTheRestIsReturned) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}, {4, {3}}});
  // 1 was made, and 2 crashed, before anything was reported.
  EXPECT_EQ(desk.say(ExecutorGone{{1}, Desk::id(1, 2), FailureKind::crashed, "SIGSEGV"}),
            "start 2 job 1 | head: 1.2 crashed (SIGSEGV); 1.3 returned; 1.4 returned");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #2 lane 0 cores 0; run 1.1>");
}

TEST(NodeBrainChain, ATaskWithFollowersIsNotChargedForADeathThatMayBeTheirs) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}});
  EXPECT_EQ(desk.say(ExecutorGone{{1}, {}, FailureKind::crashed, "SIGKILL"}), "start 2 job 1");
  EXPECT_EQ(desk.up(2), "to 2: lane 0 f; open #2 lane 0 cores 0; run 1.1>") << "alone";
  EXPECT_EQ(desk.done({1}, 1s, 2), "to 2: run 1.2 | head: 1.1 held");
  EXPECT_EQ(desk.say(ExecutorGone{{2}, {}, FailureKind::crashed, "SIGKILL"}),
            "head: 1.2 crashed (SIGKILL)");
}

TEST(NodeBrainChain, AnEndThatTheNodeDidNotTakeLeavesItsFollowersToTheExecutor) {
  // The executor made 1 and passed it on, but its bytes had no room: for the node it failed.
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {}}});
  desk.ended({{1, How::failed}});
  EXPECT_EQ(desk.chain({{1, {}}}), "to 1: run 1.1") << "the head tries it again";
  EXPECT_EQ(desk.say(ExecutorGone{{1}, Desk::id(1, 3), FailureKind::crashed, "SIGSEGV"}),
            "start 2 job 1 | head: 1.3 crashed (SIGSEGV); 1.2 returned")
      << "2 does not wait for the new attempt: that one knows nothing of it";
}

TEST(NodeBrainChain, AProgramThatDoesNotStartFailsTheFirstLinkAndReturnsTheRest) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  EXPECT_EQ(desk.say(ExecutorFailed{{1}, "no such file"}),
            "head: 1.1 executorFailed (no such file); 1.2 returned; 1.3 returned");
}

TEST(NodeBrainChain, AnInputOutOfReachReturnsWhatWaitsBehindIt) {
  Desk desk = ready(1);
  NodeOrders orders;
  orders.assign = {Desk::task(Desk::id(1, 1)), Desk::task(Desk::id(1, 2))};
  orders.assign[0].inputs.push_back({Desk::id(1, 9), Value::at(1_MiB, {{2}})});
  orders.assign[1].inputs.push_back({Desk::id(1, 1), Value{}});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "pull 1.9 from 2");
  EXPECT_EQ(desk.say(PullFailed{Desk::id(1, 9), "gone"}),
            "head: 1.1 objectLost (object 1.9 cannot be had: gone); 1.2 returned");
}

TEST(NodeBrainChain, AnEndedJobTakesItsChainsAlong) {
  Desk desk = ready(1);
  desk.chain({{1, {}}, {2, {1}}, {3, {2}}});
  NodeOrders orders;
  orders.ended.push_back({1});
  EXPECT_EQ(desk.say(FromHead{std::move(orders)}), "stop 1");
  EXPECT_EQ(desk.brain.queued() + desk.brain.sent(), 0u);
  EXPECT_EQ(desk.done({1, 2, 3}), "");
}

TEST(NodeBrainChain, WhatAnEndedJobMadeStaysUntilItsExecutorIsGone) {
  Desk desk(1);
  desk.job(1, {taskClass("f", 1)});
  desk.chain({{1, {}}, {2, {1}}});
  desk.up();
  NodeOrders over;
  over.ended.push_back(JobId{1});
  EXPECT_EQ(desk.say(FromHead{std::move(over)}), "stop 1");
  EXPECT_EQ(desk.ended({{1, TaskDone::How::stored}}), "") << "1.2 may be reading it there";
  EXPECT_EQ(desk.say(ExecutorGone{{1}, {}, FailureKind::exited, "stopped"}), "drop 1.1");
}

}  // namespace
}  // namespace alnilam::node
