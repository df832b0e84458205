// Tasks with variants: whole lives of a head brain, as in head_brain_test.cc.

#include "core/head/audit.h"
#include "core/head/head_script.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(HeadVariants, WhileNothingIsKnownTheFirstRunsAndTheOtherIsTriedOneAtATime) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=1x4GiB,H100
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> submit 1 1:both 2:both 3:both 4:both 5:both 6:both 7:both
node 1: job 1; class 1/0 both; run 1.1#1^1?; run 1.2#1; run 1.3#1; run 1.4#1; run 1.5#1
> explain 1.1
1.1 (both): attempt 1 is at node n1 as cuda (g), a trial
  with inputs of no bytes:
  n1: cpu (f): never ran; 4 there, for 4 ms; full: cpus
  n1: cuda (g) on H100: never ran, 1 of 3 trials; 1 there, for 1 ms; full: gpus
> explain 1.7
1.7 (both): ready, one of 2 that ask for cpu=1 or for gpu=1
  with inputs of no bytes:
  n1: cpu (f): never ran; 4 there, for 4 ms; full: cpus
  n1: cuda (g) on H100: never ran, 1 of 3 trials; 1 there, for 1 ms; full: gpus
> heard 1/1 1.1#1=x~900us^1 $both.1/0:900*1/1
node 1: run 1.6#1^1; run 1.7#1^1
> explain 1.7
1.7 (both): attempt 1 is at node n1 as cuda (g)
  with inputs of no bytes:
  n1: cpu (f): never ran; 4 there, for 4 ms; full: cpus
  n1: cuda (g) on H100: takes 900 us+-0 ns by 1 run, 1 of 3 trials; 2 there, for 1.8 ms; full: gpus
> heard 1/1 1.2#1=x~9000us $both.0/0:9000*1/1
)");
}

TEST(HeadVariants, ANodeWithoutDevicesRunsTheOneItCan) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 both as=cuda:g:gpu=1 as=cpu:f:cpu=1
> submit 1 1:both 2:both 3:both
node 1: job 1; class 1/0 both; run 1.1#1^1; run 1.2#1^1
> heard 1/1 1.1#1=x~900us^1 $both.1/0:900*1/1
node 1: run 1.3#1^1
)");
}

TEST(HeadVariants, WhatNoNodeCanRunInAnyWayIsToldSo) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=2 as=cuda:g:gpu=1
> submit 1 1:both
> want 1 1
told job 1
  1.1!infeasible in 1.1#0 both
  asks for cpus=2, the largest node has 1; as cuda it asks for gpus=1, the largest node has 0
)");
}

TEST(HeadVariants, TasksWaitForTheFasterVariantNoLongerThanTheOtherWouldTake) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1 gpu=1x4GiB,H100
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> submit 1 1:both ...
> heard 1/1 $both.1/0:10000*9/9 $both.0/0:50000*9/9
node 1: job 1; class 1/0 both; run 1.1#1^1
> submit 1 2:both
> explain 1.2
1.2 (both): ready, one of 1 that ask for cpu=1 or for gpu=1
  with inputs of no bytes:
  n1: cpu (f): takes 50 ms+-0 ns by 9 runs; has room
  n1: cuda (g) on H100: takes 10 ms+-0 ns by 9 runs; 1 there, for 10 ms; full: gpus
> at 0.049
> tick
> at 0.05
node 1: run 1.2#1
> tick
)");
}

TEST(HeadVariants, ManyThatWaitAreWorthTheSlowerVariantToo) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1 gpu=1x4GiB,H100
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> heard 1/1 $both.1/0:10000*9/9 $both.0/0:50000*9/9
> submit 1 1:both 2:both 3:both 4:both 5:both 6:both
node 1: job 1; class 1/0 both; run 1.1#1; run 1.2#1^1
)");
}

TEST(HeadVariants, ATrialIsMadeThoughItsRivalHasAllSlots) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 both as=cpu:f:cpu=1 as=cpu:g:cpu=1
> heard 1/1 $both.0/0:10000*9/9
> submit 1 1:both 2:both
node 1: job 1; class 1/0 both; run 1.1#1^1?
node 2: job 1; class 1/0 both; run 1.2#1
> left 1/1 gone
gone node 1: gone
node 2: run 1.1#2^1?
)");
}

TEST(HeadVariants, TheFasterOfRivalsGetsWhatTheSlowerHas) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cpu:g:cpu=1
> heard 1/1 $both.0/0:10000*9/9
> submit 1 1:both 2:both
node 1: job 1; class 1/0 both; run 1.1#1^1?; run 1.2#1
> heard 1/1 1.1#1=x~100us^1 $both.1/0:100*9/9
> submit 1 3:both 4:both
> heard 1/1 1.2#1=x~10000us $both.0/0:10000*10/10
node 1: run 1.3#1^1; run 1.4#1^1
)");
}

TEST(HeadVariants, ALostTrialIsOverAndAnotherMayBeMade) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1 gpu=1x4GiB,H100
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> submit 1 1:both 2:both
node 1: job 1; class 1/0 both; run 1.1#1^1?; run 1.2#1
> left 1/1 gone
gone node 1: gone
> node n1/2 cpu=1 gpu=1x4GiB,H100
accepted n1 as node 1/2
node 1: job 1; class 1/0 both; run 1.1#2^1?; run 1.2#2
> heard 1/2 1.1#2!crashed
node 1: run 1.1#3^1?
> heard 1/2 1.1#3!crashed
node 1: run 1.1#4
> heard 1/2 1.1#4!crashed
)");
}

TEST(HeadVariants, WhatWasLearnedOnOneNodeServesAnotherOfTheModel) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1 gpu=1x4GiB,H100
accepted n1 as node 1/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> heard 1/1 $both.1/0:10*9/9 $both.0/0:50*9/9
> left 1/1 gone
gone node 1: gone
> node n2/1 cpu=1 gpu=1x4GiB,H100
accepted n2 as node 2/1
> node n3/1 cpu=1 gpu=1x4GiB,L4
accepted n3 as node 3/1
> submit 1 1:both 2:both 3:both
node 2: job 1; class 1/0 both; run 1.2#1^1; run 1.3#1^1
node 3: job 1; class 1/0 both; run 1.1#1^1?
> explain 1.1
1.1 (both): attempt 1 is at node n3 as cuda (g), a trial
  with inputs of no bytes:
  n1: is lost
  n2: cpu (f): takes 50 us+-0 ns by 9 runs; has room
  n2: cuda (g) on H100: takes 10 us+-0 ns by 9 runs; 2 there, for 20 us; full: gpus
  n3: cpu (f): takes 50 us+-0 ns by 9 runs; has room
  n3: cuda (g) on L4: never ran, 1 of 3 trials; 1 there, for 1 ms; full: gpus
)");
}

TEST(HeadVariants, ATaskGoesWhereItEndsFirstWithItsDataThere) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> put 1.1@2:100MiB
> heard 1/1 $both.0/27:30000*9/9 rate=1GiB
> submit 1 2:both(1)
node 2: job 1; class 1/0 both; run 1.2#1(1.1@2:100MiB)
> submit 1 3:both(1)
node 1: job 1; class 1/0 both; run 1.3#1(1.1@2:100MiB)
)");
}

TEST(HeadVariants, TheListOfTasksTellsWhichRan) {
  HeadScript script;
  script.play(R"(
> open a
> node n1/1 cpu=1 gpu=1x4GiB,H100
> class 1 both as=cpu:f:cpu=1 as=cuda:g:gpu=1
> submit 1 1:both 2:both 3:both
> heard 1/1 1.1#1=x^1
)");
  std::string text;
  for (const TaskView& view : script.brain().tasks({}, 10)) {
    text += view.state + " " + view.variant + "; ";
  }
  EXPECT_EQ(text, "assigned cpu (f); assigned cpu (f); finished cuda (g); ");
}

}  // namespace
}  // namespace alnilam::head
