// Priorities that age, shares of jobs, quotas: what they do to a whole brain.

#include "core/head/head_script.h"
#include "core/head/tables.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

using namespace std::chrono_literals;

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(Priority, RisesByOneForEachSecondInWhichNothingOfItWasPlaced) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 low cpu=1
> class 1 high cpu=1 priority=3
> submit 1 1:high 2:high
node 1: job 1; class 1/1 high; run 1.1#1; run 1.2#1
> submit 1 3:low 4:high 5:high 6:high
> at 2
> heard 1/1 1.1#1=x~20000000us
> heard 1/1 1.2#1=x~20000000us
node 1: run 1.4#1
> at 4
> heard 1/1 1.4#1=x~20000000us
node 1: run 1.5#1
> at 6
> heard 1/1 1.5#1=x~20000000us
node 1: class 1/0 low; run 1.3#1
> heard 1/1 1.3#1=x~20000000us
node 1: run 1.6#1
)");
}

TEST(Shares, OfTwoJobsAreAsTheirWeights) {
  expectScript(R"(> open a weight=100
job 1 ready, session 1
> open b weight=300
job 2 ready, session 2
> class 1 f cpu=1
> class 2 g cpu=1
> submit 1 1:f 2:f 3:f 4:f 5:f 6:f 7:f 8:f
> submit 2 1:g 2:g 3:g 4:g 5:g 6:g 7:g 8:g
> node n1/1 cpu=4
accepted n1 as node 1/1
node 1: job 1; job 2; class 1/0 f; class 2/0 g; run 1.1#1; run 2.1#1; run 2.2#1;
  run 2.3#1; run 1.2#1
)");
}

// The job that came first gives up the places that are not its own as they fall free, and no more.
TEST(Shares, OfALaterJobGrowUntilTheyAreFair) {
  expectScript(R"(> open a
job 1 ready, session 1
> open b
job 2 ready, session 2
> node n1/1 cpu=4
accepted n1 as node 1/1
> class 1 f cpu=1
> class 2 g cpu=1
> submit 1 1:f 2:f 3:f 4:f 5:f 6:f 7:f 8:f 9:f 10:f 11:f 12:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1; run 1.3#1; run 1.4#1; run 1.5#1
> heard 1/1 1.1#1=x~100000us 1.2#1=x~100000us 1.3#1=x~100000us 1.4#1=x~100000us
node 1: run 1.6#1; run 1.7#1; run 1.8#1
> submit 2 1:g 2:g 3:g 4:g
> heard 1/1 1.5#1=x~100000us
node 1: job 2; class 2/0 g; run 2.1#1
> heard 1/1 1.6#1=x~100000us
node 1: run 2.2#1
> heard 1/1 1.7#1=x~100000us
node 1: run 1.9#1
)");
}

TEST(Quota, IsNeverExceededAndKeepsNobodyElseWaiting) {
  expectScript(R"(> open a quota=cpu=1
job 1 ready, session 1
> open b
job 2 ready, session 2
> node n1/1 cpu=3
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 big cpu=2
> class 2 g cpu=1
> submit 1 1:f 2:f 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1
> explain 1.2
1.2 (f): ready, one of 1 that ask for cpu=1
  its job holds cpu=1 and may not exceed its quota, cpu=1
> submit 2 1:g 2:g
node 1: job 2; class 2/0 g; run 2.1#1; run 2.2#1
> submit 1 4:big
> want 1 4
told job 1
  1.4!infeasible in 1.4#0 big
  asks for cpu=2, the job's quota is cpu=1
> heard 1/1 1.1#1=x
node 1: run 1.2#1; run 1.3#1(1.2?)
> heard 1/1 1.2#1=x
)");
}

TEST(Quota, OfALostNodeIsGivenBack) {
  expectScript(R"(> open a quota=cpu=2
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f 3:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1
> node n2/1 cpu=4
accepted n2 as node 2/1
> left 1/1 unplugged
gone node 1: unplugged
node 2: job 1; class 1/0 f; run 1.1#2; run 1.2#2
)");
}

TEST(Delay, HoldsATaskUntilItIsOver) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 later cpu=1 delay=500
> submit 1 1:f 2:later 3:later(1)
node 1: job 1; class 1/0 f; run 1.1#1
> at 0.2
> heard 1/1 1.1#1=x
> explain 1.2
1.2 (later): its delay ends in 300 ms
> cancel 1 2
> at 0.499
> tick
> at 0.5
> tick
node 1: class 1/1 later; run 1.3#1(1.1=x)
)");
}

TEST(Delay, RingsWhenItIsOver) {
  HeadScript script;
  script.play(R"(> open a
> class 1 later cpu=1 delay=500
> class 1 soon cpu=1 deadline=300
> submit 1 1:later 2:soon
)");
  EXPECT_EQ(script.brain().deadline(), Instant(300ms));
  script.play("> at 0.3\n> tick\n");
  EXPECT_EQ(script.brain().deadline(), Instant(500ms));
  script.play("> at 0.5\n> tick\n");
  EXPECT_EQ(script.brain().deadline(), std::nullopt);
}

TEST(Deadline, FailsWhatHasNotStartedByThen) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1 priority=1
> class 1 soon cpu=1 deadline=300 retries=1
> submit 1 1:f 2:soon 3:soon(1) 4:soon(2)
node 1: job 1; class 1/0 f; class 1/1 soon; run 1.1#1; run 1.3#1(1.1?)
> want 1 2 3 4
> at 0.3
> tick
node 1: give back 1.3
told job 1
  1.2!deadlinePassed in 1.2#0 soon
  it had not started 300 ms after its submission
  1.4!deadlinePassed in 1.4#0 soon
  it had not started 300 ms after its submission
> heard 1/1 1.3#1<
told job 1
  1.3!deadlinePassed in 1.3#1 soon on n1
  it had not started 300 ms after its submission
> heard 1/1 1.1#1=x
> submit 1 5:soon
node 1: run 1.5#1
> want 1 5
> at 0.6
> tick
node 1: give back 1.5
> heard 1/1 1.5#1!crashed
node 1: run 1.5#2
> heard 1/1 1.5#2=late
told job 1
  1.5=late
)");
}

TEST(Deadline, TheEarliestOfOnePriorityGoesFirst) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 busy cpu=1 priority=9
> class 1 undated cpu=1
> class 1 loose cpu=1 deadline=90000
> class 1 tight cpu=1 deadline=80000
> submit 1 1:busy 2:busy
node 1: job 1; class 1/0 busy; run 1.1#1; run 1.2#1
> heard 1/1 1.1#1=x~90000us
> submit 1 3:undated 4:loose 5:tight 6:busy
> heard 1/1 1.2#1=x~90000us
node 1: run 1.6#1
> heard 1/1 1.6#1=x~90000us
node 1: class 1/3 tight; run 1.5#1
> submit 1 7:tight
> at 65
> heard 1/1 1.5#1=x~90000us
node 1: class 1/1 undated; run 1.3#1
)");
}

TEST(Preemption, TakesBackWhatIsQueuedOnNodesAndLosesNothing) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 low cpu=1 preemptible
> class 1 lowish cpu=1
> class 1 high cpu=1 priority=5
> submit 1 1:low 2:low 3:lowish
node 1: job 1; class 1/0 low; run 1.1#1; run 1.2#1
> submit 1 4:high
node 1: give back 1.2; give back 1.1
> heard 1/1 1.2#1<
> heard 1/1 1.1#1=x~20000us
node 1: class 1/2 high; run 1.4#1
> heard 1/1 1.4#1=x~20000us
node 1: run 1.2#2
)");
}

TEST(Job, WithAShareThatCannotBeIsRefused) {
  expectScript(R"(> open a weight=0
session 1 refused: a job's weight is 1 to 10000, not 0
)");
}

// A task for the whole node runs though its job and another take turns with small ones.
TEST(Reservation, OutlastsTheTurnsOfJobs) {
  HeadScript script;
  script.play(R"(> open a
> open b
> node n1/1 cpu=4
> class 1 whole cpu=4
> class 2 small cpu=1
> submit 2 1:small 2:small 3:small 4:small
> submit 1 1:whole
)");
  std::uint32_t next = 5;
  std::uint32_t live[] = {1, 2, 3, 4};
  std::string said;
  for (int step = 0; step < 8 && said.find("run 1.1#1") == said.npos; ++step) {
    std::string more = "> submit 2 " + std::to_string(next++) + ":small\n";
    std::string end = "> heard 1/1 2." + std::to_string(live[step % 4]) + "#1=x~100000us\n";
    said += script.play(more + end);
    live[step % 4] = next - 1;
  }
  EXPECT_NE(said.find("run 1.1#1"), said.npos) << said;
}

}  // namespace
}  // namespace alnilam::head
