// Whole lives of a head brain: each script is what happened and, line for line, all that was said.

#include "core/head/head_script.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(HeadBrain, RunsTasksInTheOrderOfTheirInputsAndTellsWhatWasWanted) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(1,2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.1? 1.2?)
> want 1 3
> heard 1/1 1.1#1=x
> heard 1/1 1.2#1=y
> heard 1/1 1.3#1=z
told job 1
  1.3=z
> want 1 1 3
told job 1
  1.1=x
  1.3=z
> release 1 1 2 3
> want 1 3
told job 1
  1.3!objectLost in 1.3#0
  1.3 is not known: never submitted, or its ref was dropped
> heard 1/1
> close 1
node 1: ended 1
)");
}

TEST(HeadBrain, SendsTasksToTheNodeThatHoldsMostOfTheirInputs) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> node n2/1 cpu=2
accepted n2 as node 2/1
> class 1 f cpu=1
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1
node 2: job 1; class 1/0 f; run 1.2#1
> heard 1/1 1.1#1@100KiB
> heard 2/1 1.2#1@10MiB
> submit 1 3:f(1) 4:f(1,2) 5:f
node 1: run 1.3#1(1.1@1:100KiB); run 1.5#1
node 2: run 1.4#1(1.1@1:100KiB 1.2@2:10MiB)
> want 1 1
told job 1
  1.1@1:100KiB
> heard 2/1 +1.1:100KiB 1.4#1=v
> want 1 1
told job 1
  1.1@1,2:100KiB
> release 1 1
> heard 1/1 1.3#1=w
node 1: release 1.1
node 2: release 1.1
> heard 2/1 -1.2
> want 1 2
node 2: run 1.2#2
)");
}

TEST(HeadBrain, GivesWhatGetsFreeToThePriorityClassFirst) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 low cpu=1
> class 1 high cpu=1 priority=5
> submit 1 1:low 2:low 3:low
node 1: job 1; class 1/0 low; run 1.1#1; run 1.2#1
> submit 1 4:high 5:high
> heard 1/1 1.1#1=x~20000us
> heard 1/1 1.2#1=x~20000us
node 1: class 1/1 high; run 1.4#1; run 1.5#1
> heard 1/1 1.4#1=x~20000us
> heard 1/1 1.5#1=x~20000us
node 1: run 1.3#1
)");
}

TEST(HeadBrain, RetriesCrashesAndOnRequestExceptions) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1 retries=1
> class 1 g cpu=1 retryExceptions retries=1
> submit 1 1:f 2:f(1) 3:#0 4:g
node 1: job 1; class 1/0 f; run 1.1#1; run 1.3#1; run 1.2#1(1.1?)
> want 1 1 2 3 4
> heard 1/1 1.1#1!crashed 1.2#1<
node 1: run 1.1#2; run 1.2#2(1.1?)
> heard 1/1 1.1#2!exited 1.2#2<
node 1: cancel 1.2
told job 1
  1.1!exited in 1.1#2 f on n1
  as reported
  1.2!exited in 1.1#2 f on n1 > f
  as reported
> heard 1/1 1.3#1!exception
node 1: class 1/1 g; run 1.4#1
told job 1
  1.3!exception in 1.3#1 f on n1
  as reported
> heard 1/1 1.4#1!exception
node 1: run 1.4#2
> heard 1/1 1.4#2!exception
told job 1
  1.4!exception in 1.4#2 g on n1
  as reported
)");
}

TEST(HeadBrain, RunsTheTasksOfALostNodeElsewhereAndFencesIt) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1 retries=0
> class 1 g cpu=1
> submit 1 1:g 2:f
node 1: job 1; class 1/0 f; run 1.2#1
node 2: job 1; class 1/1 g; run 1.1#1
> want 1 1 2
> at 5
> heard 1/1
> at 10
> tick
gone node 2: it was silent for too long
> heard 2/1 1.2#1=late
fenced node 2/1
> heard 1/1 1.1#1=x
> node n2/1 cpu=1
refused n2: incarnation 1 of n2 is over, a higher one may join
> node n2/2 cpu=1
accepted n2 as node 2/2
node 2: job 1; class 1/1 g; run 1.1#2
> node n2/2 cpu=1
refused n2: incarnation 2 of n2 is here already
> left 2/1 early
> left 2/2 bye
gone node 2: bye
> heard 7/1
fenced node 7/1
)");
}

TEST(HeadBrain, DropsResultsOfOtherAttemptsLivesAndNodes) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#2=x 1.9#1=x 3.1#1=x 1.1#0=x
> heard 1/1 1.1#1@64KiB
> heard 1/1 1.1#1@64KiB
> release 1 1
node 1: release 1.1
> heard 1/1 1.1#1@64KiB
node 1: release 1.1
> node n1/3 cpu=1
gone node 1: a later incarnation joined
accepted n1 as node 1/3
> heard 1/1 1.1#1@64KiB
fenced node 1/1
)");
}

TEST(HeadBrain, CancelsWhatWaitsAtOnceAndWhatRunsInTheEyesOfTheProgram) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f 3:f 4:f(1) 5:f(3)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1; run 1.4#1(1.1?)
> want 1 1 3 4 5
> cancel 1 1 3
node 1: cancel 1.1; cancel 1.4
told job 1
  1.1!cancelled in 1.1#1 f on n1
  cancelled by the program
  1.3!cancelled in 1.3#0 f
  cancelled by the program
  1.4!cancelled in 1.1#1 f on n1 > f
  cancelled by the program
  1.5!cancelled in 1.3#0 f > f
  cancelled by the program
> cancel 1 1 9 2.1
> release 1 1
> heard 1/1 1.1#1=x
> heard 1/1 1.2#1!cancelled
> want 1 2
told job 1
  1.2!cancelled in 1.2#1 f on n1
  as reported
)");
}

TEST(HeadBrain, FreesWhatACancelledAttemptStored) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> cancel 1 1
node 1: cancel 1.1
> heard 1/1 1.1#1@1MiB
node 1: release 1.1
> want 1 1
told job 1
  1.1!cancelled in 1.1#1 f on n1
  cancelled by the program
)");
}

TEST(Placement, SharesAreOfOneDevice) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=8 gpu=2x4GiB
accepted n1 as node 1/1
> class 1 f gpu=0.6
> submit 1 1:f 2:f 3:f 4:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1; run 1.3#1
> class 1 m gpu.memory=3GiB
> submit 1 5:m
node 1: class 1/1 m; run 1.5#1
> heard 1/1 1.1#1=x~9000us
> explain 1.4
1.4 (f): ready, one of 1 that ask for gpu=0.6
  n1: full: 2 of its kind run there, more do not fit beside each other
> explain 1.5
1.5 (m): attempt 1 is at node n1
> explain 1.1
1.1 (f): finished at node n1
> explain 1.2
1.2 (f): attempt 1 is at node n1
> explain 1.9
1.9: was never submitted
)");
}

TEST(Placement, AWideTaskIsNotStarvedBySmallOnes) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 small cpu=1
> class 1 wide cpu=2
> submit 1 1:small 2:small
node 1: job 1; class 1/0 small; run 1.1#1; run 1.2#1
> submit 1 3:wide
> submit 1 4:small 5:small
> heard 1/1 1.1#1=x~9000us
> heard 1/1 1.2#1=x~9000us
node 1: class 1/1 wide; run 1.3#1
> heard 1/1 1.3#1=x~9000us
node 1: run 1.4#1; run 1.5#1
)");
}

TEST(Placement, AReservationEndsWithTheTaskItWasFor) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 small cpu=1
> class 1 wide cpu=2
> submit 1 1:small
node 1: job 1; class 1/0 small; run 1.1#1
> submit 1 3:wide
> submit 1 4:small
> cancel 1 3
node 1: run 1.4#1
)");
}

TEST(Placement, SpreadsByRelativeLoad) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> node n3/1 cpu=2
accepted n3 as node 3/1
> class 1 f cpu=1
> submit 1 1:f 2:f 3:f 4:f 5:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.4#1
node 2: job 1; class 1/0 f; run 1.2#1; run 1.5#1
node 3: job 1; class 1/0 f; run 1.3#1
)");
}

TEST(HeadBrain, ForgetsAClosedJobAndItsReservations) {
  expectScript(R"(> open a
job 1 ready, session 1
> open b
job 2 ready, session 2
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> class 2 f cpu=1
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1
> submit 2 1:f
> close 1
node 1: job 2; class 2/0 f; run 2.1#1; ended 1
> heard 1/1 1.1#1=late
)");
}

TEST(HeadBrain, TellsOfANodeLostAfterTheLastRetry) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1 retries=1
> submit 1 1:f 2:f(1)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?)
> want 1 1 2
> left 1/1 power
gone node 1: power
> node n1/2 cpu=1
accepted n1 as node 1/2
node 1: job 1; class 1/0 f; run 1.1#2; run 1.2#2(1.1?)
> left 1/2 power
gone node 1: power
told job 1
  1.1!nodeLost in 1.1#2 f on n1
  node n1 was lost: power
  1.2!nodeLost in 1.1#2 f on n1 > f
  node n1 was lost: power
> node n1/3 cpu=1
accepted n1 as node 1/3
)");
}

TEST(HeadBrain, AcceptsInputsFromEarlierInTheSameBatch) {
  expectScript(R"(> open a
job 1 ready, session 1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(4) 4:f
> want 1 1 2 3 4
told job 1
  1.3!badArguments in 1.3#0 f
  input 1.4 is not known
> node n1/1 cpu=4
accepted n1 as node 1/1
node 1: job 1; class 1/0 f; run 1.1#1; run 1.4#1; run 1.2#1(1.1?)
> heard 1/1 1.1#1=a~5us 1.4#1=d~5us
told job 1
  1.1=a
  1.4=d
> explain 1.3
1.3 (f): failed: input 1.4 is not known
> release 1 4
)");
}

}  // namespace
}  // namespace alnilam::head
