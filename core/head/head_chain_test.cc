// Chains, as scripts: what is sent behind the tasks that make its inputs, what is not, and what
// becomes of it when something goes wrong.  "1.1?" is an input that is yet to be made there.

#include "core/head/head_script.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(Chain, IsSentWholeAndHoldsNothingUntilItCanRun) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2) 4:f(2,3,1)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?);
  run 1.4#1(1.2? 1.3? 1.1?)
> explain 1.2
1.2 (f): attempt 1 is at node n1, behind 1 of its inputs
> explain 1.4
1.4 (f): attempt 1 is at node n1, behind 3 of its inputs
> class 1 g cpu=1
> submit 1 5:g
> heard 1/1 1.1#1=a
> explain 1.2
1.2 (f): attempt 1 is at node n1
> explain 1.4
1.4 (f): attempt 1 is at node n1, behind 2 of its inputs
> heard 1/1 1.2#1@1MiB 1.3#1=c
> want 1 4 1
told job 1
  1.1=a
> heard 1/1 1.4#1=d
node 1: class 1/1 g; run 1.5#1
told job 1
  1.4=d
> heard 1/1 1.5#1=e
> release 1 1 2 3
node 1: release 1.2
)");
}

TEST(Chain, GoesOnAsFarAsItsLinksAreShort) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1=a~2000us
> submit 1 2:f(1) 3:f(2) 4:f(3) 5:f(4) 6:f(5) 7:f(6)
node 1: run 1.2#1(1.1=a); run 1.3#1(1.2?); run 1.4#1(1.3?)
> explain 1.6
1.6 (f): waits for 1 inputs: 1.5 (waiting)
> heard 1/1 1.2#1=b~2000us
node 1: run 1.5#1(1.4?)
> heard 1/1 1.3#1=c~2000us 1.4#1=d~2000us
node 1: run 1.6#1(1.5?); run 1.7#1(1.6?)
> heard 1/1 1.5#1=d~2000us
> heard 1/1 1.6#1=d~2000us 1.7#1=x~2000us
)");
}

TEST(Chain, OfLongTasksHasItsNextLinkAtHand) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1=a~900000us
> submit 1 2:f(1) 3:f(2) 4:f(3)
node 1: run 1.2#1(1.1=a); run 1.3#1(1.2?)
> heard 1/1 1.2#1=b~900000us
node 1: run 1.4#1(1.3?)
> heard 1/1 1.3#1=c~900000us
> heard 1/1 1.4#1=d~900000us
)");
}

TEST(Chain, OnlyOneTaskInheritsThePlaceOfAMaker) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> node n2/1 cpu=2
accepted n2 as node 2/1
> class 1 f cpu=1
> class 1 long cpu=1
> submit 1 1:f 2:long(1) 3:long(1) 4:long(1)
node 1: job 1; class 1/0 f; class 1/1 long; run 1.1#1; run 1.2#1(1.1?)
> explain 1.3
1.3 (long): waits for 1 inputs: 1.1 (assigned)
> heard 1/1 1.1#1=a
node 1: run 1.4#1(1.1=a)
node 2: job 1; class 1/1 long; run 1.3#1(1.1=a)
)");
}

TEST(Chain, ShortTasksBehindOneMakerGoAlongAsQueuedWorkDoes) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1=a~1000us
> submit 1 2:f 3:f(2) 4:f(2) 5:f(2) 6:f(2) 7:f(2) 8:f(2)
node 1: run 1.2#1; run 1.3#1(1.2?); run 1.4#1(1.2?); run 1.5#1(1.2?); run 1.6#1(1.2?)
> heard 1/1 1.2#1=b~1000us
node 2: job 1; class 1/0 f; run 1.7#1(1.2=b); run 1.8#1(1.2=b)
)");
}

TEST(Chain, JoinsWhatIsMadeOnOneNodeAndNotWhatIsMadeOnTwo) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f 3:f(1,2) 4:f(3)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1; run 1.3#1(1.1? 1.2?); run 1.4#1(1.3?)
> node n2/1 cpu=2
accepted n2 as node 2/1
> submit 1 5:f 6:f(1,5) 7:f(6)
node 2: job 1; class 1/0 f; run 1.5#1
> heard 1/1 1.1#1=a
> heard 2/1 1.5#1=e
node 2: run 1.6#1(1.1=a 1.5=e); run 1.7#1(1.6?)
)");
}

TEST(Chain, TakesAnotherKindOfResourceIfThatIsFree) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4 gpu=1x4GiB
accepted n1 as node 1/1
> class 1 decode cpu=1
> class 1 blur gpu=1
> submit 1 1:decode 2:blur(1) 3:decode(2)
node 1: job 1; class 1/0 decode; class 1/1 blur; run 1.1#1; run 1.2#1(1.1?);
  run 1.3#1(1.2?)
> submit 1 4:decode 5:blur(4)
node 1: run 1.4#1
> heard 1/1 1.1#1=a
> explain 1.5
1.5 (blur): waits for 1 inputs: 1.4 (assigned)
> submit 1 6:decode 7:blur(6)
node 1: run 1.6#1; run 1.7#1(1.6?)
> heard 1/1 1.2#1=b~1000us
> heard 1/1 1.4#1=d 1.6#1=f
node 1: run 1.5#1(1.4=d)
)");
}

TEST(Chain, DoesNotGoWhereItCanNeverRun) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 g gpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> node n2/1 gpu=1x4GiB
accepted n2 as node 2/1
> submit 1 2:g(1)
> heard 1/1 1.1#1=a
node 2: job 1; class 1/1 g; run 1.2#1(1.1=a)
)");
}

TEST(Chain, DoesNotOvertakeWhatIsBlockedAndEarlier) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 wide cpu=2
> class 1 urgent cpu=1 priority=5
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1
> submit 1 3:wide
> submit 1 4:f(1) 5:urgent(2)
node 1: class 1/2 urgent; run 1.5#1(1.2?)
> heard 1/1 1.1#1=a~9000us
> heard 1/1 1.2#1=b~9000us
> heard 1/1 1.5#1=e~9000us
node 1: class 1/1 wide; run 1.3#1
> heard 1/1 1.3#1=c~9000us
node 1: run 1.4#1(1.1=a)
)");
}

TEST(Chain, DoesNotMoveHeavyInputs) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1
> put 1.1@2:100MiB
> put 1.2@2:1MiB
> submit 1 3:f 4:f(3,1) 5:f(3,2)
node 1: job 1; class 1/0 f; run 1.3#1; run 1.5#1(1.3? 1.2@2:1MiB)
> heard 1/1 1.3#1=c
node 2: job 1; class 1/0 f; run 1.4#1(1.3=c 1.1@2:100MiB)
)");
}

// ---- What goes wrong.

TEST(ChainFaults, AMakerThatFailsForGoodFailsItsLinksWithTheChainOfCauses) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 g cpu=1
> submit 1 1:f 2:g(1) 3:f(2)
node 1: job 1; class 1/0 f; class 1/1 g; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> want 1 1 2 3
> heard 1/1 1.1#1!exception 1.2#1< 1.3#1<
node 1: cancel 1.2; cancel 1.3
told job 1
  1.1!exception in 1.1#1 f on n1
  as reported
  1.2!exception in 1.1#1 f on n1 > g
  as reported
  1.3!exception in 1.1#1 f on n1 > g > f
  as reported
> submit 1 4:f
node 1: run 1.4#1
> release 1 1 2 3
)");
}

TEST(ChainFaults, AMakerThatIsTriedAgainMakesItsLinksWaitUncharged) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 g cpu=1 retries=0
> submit 1 1:f 2:g(1) 3:g(2)
node 1: job 1; class 1/0 f; class 1/1 g; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> heard 1/1 1.1#1!crashed 1.2#1< 1.3#1<
node 1: run 1.1#2; run 1.2#2(1.1?); run 1.3#2(1.2?)
> heard 1/1 1.1#2=a
> heard 1/1 1.2#2!crashed 1.3#2<
node 1: cancel 1.3
> want 1 3
told job 1
  1.3!crashed in 1.2#2 g on n1 > g
  as reported
)");
}

TEST(ChainFaults, ALostNodeChargesNothingToWhatHadNotBegun) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1 retries=1
> class 1 g cpu=1 retries=0
> submit 1 1:f 2:g(1) 3:g(2)
node 1: job 1; class 1/0 f; class 1/1 g; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> left 1/1 power
gone node 1: power
> node n2/1 cpu=1
accepted n2 as node 2/1
node 2: job 1; class 1/0 f; class 1/1 g; run 1.1#2; run 1.2#2(1.1?); run 1.3#2(1.2?)
> heard 2/1 1.1#2=a
> left 2/1 power
gone node 2: power
> want 1 2 3
told job 1
  1.2!nodeLost in 1.2#2 g on n2
  node n2 was lost: power
  1.3!nodeLost in 1.2#2 g on n2 > g
  node n2 was lost: power
)");
}

TEST(ChainFaults, ACancelledMakerTakesItsLinksAlong) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> want 1 3
> cancel 1 1
node 1: cancel 1.1; cancel 1.2; cancel 1.3
told job 1
  1.3!cancelled in 1.1#1 f on n1 > f > f
  cancelled by the program
> heard 1/1 1.1#1!cancelled 1.2#1< 1.3#1<
> submit 1 4:f 5:f(4)
node 1: run 1.4#1; run 1.5#1(1.4?)
> cancel 1 4
node 1: cancel 1.4; cancel 1.5
> heard 1/1 1.4#1@1MiB 1.5#1@1MiB
node 1: release 1.4; release 1.5
)");
}

TEST(ChainFaults, ALinkIsCancelledWhereItWaits) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> want 1 1 2 3
> cancel 1 2
node 1: cancel 1.2; cancel 1.3
told job 1
  1.2!cancelled in 1.2#1 f on n1
  cancelled by the program
  1.3!cancelled in 1.2#1 f on n1 > f
  cancelled by the program
> heard 1/1 1.2#1!cancelled 1.3#1<
> heard 1/1 1.1#1=a
told job 1
  1.1=a
> explain 1.2
1.2 (f): failed: cancelled by the program
)");
}

TEST(ChainFaults, AClosedJobTakesItsLinksAlong) {
  expectScript(R"(> open a
job 1 ready, session 1
> open b
job 2 ready, session 2
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> class 2 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> submit 2 1:f 2:f(1)
> close 1
node 1: job 2; class 2/0 f; run 2.1#1; run 2.2#1(2.1?); ended 1
> heard 1/1 1.1#1=a 1.2#1=b 1.3#1<
> heard 1/1 2.1#1=a 2.2#1=b
)");
}

TEST(ChainFaults, ALinkThatCameTooLateWaitsInTheOrdinaryWay) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> submit 1 2:f(1) 3:f(2)
node 1: run 1.2#1(1.1?); run 1.3#1(1.2?)
> heard 1/1 1.1#1=a 1.2#1< 1.3#1<
node 1: run 1.2#2(1.1=a); run 1.3#2(1.2?)
> heard 1/1 1.2#2=b
> heard 1/1 1.3#2=c
)");
}

TEST(ChainFaults, WordsOfAnEarlierAttemptAreStale) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?)
> heard 1/1 1.1#1!crashed 1.2#1<
node 1: run 1.1#2; run 1.2#2(1.1?)
> heard 1/1 1.2#1< 1.2#1=x 1.1#1=x
> heard 1/1 1.2#7< 1.9#1<
> heard 1/1 1.1#2=a 1.2#2=b
> heard 1/1 1.2#2<
> want 1 2
told job 1
  1.2=b
)");
}

TEST(ChainFaults, AnEndThatOvertakesItsMakersIsTaken) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> release 1 1
> heard 1/1 1.2#1=b
> heard 1/1 1.1#1@1MiB
node 1: release 1.1
> heard 1/1 1.3#1=c
> want 1 3
told job 1
  1.3=c
)");
}

TEST(ChainFaults, AMakerThatIsDoneElsewhereBeforeItsLinkIsBackStartsItOnlyOnce) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> class 1 urgent cpu=1 priority=5
> submit 1 1:f 2:f(1)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?)
> node n2/1 cpu=1
accepted n2 as node 2/1
> heard 1/1 1.1#1!storeFull ...
> submit 1 9:urgent
node 1: class 1/1 urgent; run 1.9#1
node 2: job 1; class 1/0 f; run 1.1#2
> heard 2/1 1.1#2=a
> heard 1/1 1.2#1<
node 2: run 1.2#2(1.1=a)
> heard 2/1 1.2#2=b
> want 1 2
told job 1
  1.2=b
)");
}

TEST(ChainFaults, AResultThatIsLostBeforeItsLinkRanIsMadeAgain) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1 retries=0
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> heard 1/1 1.1#1@1MiB
> heard 1/1 -1.1 1.2#1!objectLost:1.1 1.3#1<
node 1: run 1.1#2; run 1.2#2(1.1?); run 1.3#2(1.2?)
> heard 1/1 1.1#2=a 1.2#2=b 1.3#2=c
> want 1 3
told job 1
  1.3=c
)");
}

TEST(ChainFaults, AnOtherInputThatIsLostMeanwhileIsWaitedForAsWell) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1@1MiB
> submit 1 2:f 3:f(1,2)
node 1: run 1.2#1; run 1.3#1(1.1@1:1MiB 1.2?)
> heard 1/1 -1.1 1.3#1!objectLost:1.1
node 1: run 1.1#2; run 1.3#2(1.1? 1.2?)
> heard 1/1 1.2#1=b
> heard 1/1 1.1#2=a
> heard 1/1 1.3#2=c
> want 1 3
told job 1
  1.3=c
)");
}

TEST(ChainFaults, WhatHasLostAnInputForGoodIsNotSent) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1 license=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f license=1
> put 1.1@2:1MiB
> submit 1 2:f 3:f 4:f 5:f(1,4)
node 1: job 1; class 1/0 f; run 1.2#1; run 1.3#1
> left 2/1 power
gone node 2: power
> want 1 5
> heard 1/1 1.2#1=x~9000us
> heard 1/1 1.3#1=x~9000us
node 1: run 1.4#1
> heard 1/1 1.4#1=x~9000us
told job 1
  1.5!objectLost in 1.1#0 > f
  1.1 was put, and the last node that held it is gone
)");
}

TEST(ChainFaults, WhatIsGivenBackAgainAndAgainIsNotSentAheadAnyMore) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?)
> heard 1/1 1.2#1<
node 1: run 1.2#2(1.1?)
> heard 1/1 1.2#2<
node 1: run 1.2#3(1.1?)
> heard 1/1 1.2#3<
node 1: run 1.2#4(1.1?)
> heard 1/1 1.2#4<
node 1: run 1.2#5(1.1?)
> heard 1/1 1.2#5<
node 1: run 1.2#6(1.1?)
> heard 1/1 1.2#6<
node 1: run 1.2#7(1.1?)
> heard 1/1 1.2#7<
node 1: run 1.2#8(1.1?)
> heard 1/1 1.2#8<
> explain 1.2
1.2 (f): waits for 1 inputs: 1.1 (assigned)
> heard 1/1 1.1#1=a
node 1: run 1.2#9(1.1=a)
> want 1 2
> heard 1/1 1.2#9<
told job 1
  1.2!exception in 1.2#9 f on n1
  the node gave no reason
)");
}

}  // namespace
}  // namespace alnilam::head
