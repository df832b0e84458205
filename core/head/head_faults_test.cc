// What goes wrong, as scripts: values that get lost, what no node can run, what nobody should send.

#include "core/head/head_script.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(Lineage, RemakesALostResultAsDeepAsNeeded) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2
accepted n1 as node 1/1
> class 1 f cpu=1
> submit 1 1:f 2:f(1) 3:f(2)
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1(1.1?); run 1.3#1(1.2?)
> heard 1/1 1.1#1@1MiB
> heard 1/1 1.2#1@1MiB
> release 1 1 2
node 1: release 1.1
> heard 1/1 1.3#1@1MiB
node 1: release 1.2
> want 1 3
told job 1
  1.3@1:1MiB
> left 1/1 gone
gone node 1: gone
> node n2/1 cpu=2
accepted n2 as node 2/1
> want 1 3
node 2: job 1; class 1/0 f; run 1.1#2; run 1.2#2(1.1?); run 1.3#2(1.2?)
> heard 2/1 1.1#2@1MiB
> heard 2/1 1.2#2=small
node 2: release 1.1
> heard 2/1 1.3#2@2MiB
told job 1
  1.3@2:2MiB
> release 1 3
node 2: release 1.3
)");
}

TEST(Lineage, RunsATaskAgainOnceItsLostInputIsRemade) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1 retries=0
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1@1MiB
> submit 1 2:f(1)
node 1: run 1.2#1(1.1@1:1MiB)
> heard 1/1 -1.1 1.2#1!objectLost
node 1: run 1.1#2; run 1.2#2(1.1?)
> heard 1/1 1.1#2@1MiB
> heard 1/1 1.2#2=x
)");
}

TEST(Lineage, RemakesAResultThatANodeCannotReach) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1 retries=0
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> heard 1/1 1.1#1@1MiB
> submit 1 2:f(1) 3:f(1)
node 1: run 1.2#1(1.1@1:1MiB)
node 2: job 1; class 1/0 f; run 1.3#1(1.1@1:1MiB)
> heard 2/1 1.3#1!objectLost:1.1
node 1: release 1.1
node 2: run 1.1#2; run 1.3#2(1.1?)
> heard 1/1 1.2#1=x
> heard 1/1 1.1#2@1MiB
node 1: release 1.1
)");
}

TEST(Lineage, CannotRemakeAValueThatWasPut) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1
> put 1.1@1:1MiB
> put 1.2=abc
> put 1.2=abd
> put 1.3@9:1MiB
> submit 1 4:f(1,2) 5:f(4) 6:f(3)
node 1: job 1; class 1/0 f; run 1.4#1(1.1@1:1MiB 1.2=abc); run 1.5#1(1.4?)
> heard 2/1 +1.1:1MiB
> want 1 1 2 4 5 6
told job 1
  1.1@1,2:1MiB
  1.2=abc
  1.6!objectLost in 1.3#0 > f
  no live node holds the value that was put
> left 1/1 gone
gone node 1: gone
node 2: job 1; class 1/0 f; run 1.4#2(1.1@2:1MiB 1.2=abc); run 1.5#2(1.4?)
> want 1 1
told job 1
  1.1@2:1MiB
> left 2/1 gone
gone node 2: gone
told job 1
  1.4!objectLost in 1.1#0 > f
  1.1 was put, and the last node that held it is gone
  1.5!objectLost in 1.1#0 > f > f
  1.1 was put, and the last node that held it is gone
> node n1/2 cpu=1
accepted n1 as node 1/2
)");
}

TEST(Infeasible, FailsNamingTheResourceAndTheLargestThereIs) {
  expectScript(R"(> open a
job 1 ready, session 1
> class 1 g gpu=4
> class 1 f cpu=1
> submit 1 1:g 2:f
> want 1 1
> node n1/1 cpu=2 gpu=2x16GiB memory=1GiB
accepted n1 as node 1/1
node 1: job 1; class 1/1 f; run 1.2#1
told job 1
  1.1!infeasible in 1.1#0 g
  asks for gpus=4, the largest node has 2
> class 1 part gpu=1.5
> class 1 wide gpu=1 gpu.memory=20GiB
> class 1 pair gpu=2 gpu.memory=40GiB
> class 1 many cpu=3
> class 1 mem memory=2GiB
> class 1 lic license=1
> class 1 ok gpu=2 gpu.memory=32GiB cpu=2
> submit 1 3:part 4:wide 5:pair 6:many 7:mem 8:lic(2) 9:ok 10:f(8)
> want 1 3 4 5 6 7 8 10
told job 1
  1.3!infeasible in 1.3#0 part
  asks for gpus=1.5, a task takes a share of one device or whole devices
  1.4!infeasible in 1.4#0 wide
  asks for gpuMemory=20GiB on one device, the largest device has 16GiB
  1.5!infeasible in 1.5#0 pair
  asks for gpuMemory=20GiB on one device, the largest device has 16GiB
  1.6!infeasible in 1.6#0 many
  asks for cpus=3, the largest node has 2
  1.7!infeasible in 1.7#0 mem
  asks for memory=2GiB, the largest node has 1GiB
  1.8!infeasible in 1.8#0 lic
  asks for license=1, the largest node has 0
  1.10!infeasible in 1.8#0 lic > f
  asks for license=1, the largest node has 0
> node n2/1 cpu=8 memory=4GiB license=1
accepted n2 as node 2/1
> submit 1 11:many 12:mem 13:lic
node 2: job 1; class 1/5 many; class 1/6 mem; class 1/7 lic; run 1.11#1; run 1.12#1;
  run 1.13#1
> class 1 both cpu=8 gpu=1
> submit 1 14:both
> want 1 14
told job 1
  1.14!infeasible in 1.14#0 both
  asks for cpu=8,gpu=1, which no single node has together
)");
}

TEST(Infeasible, WaitsForANodeThatWasThere) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> class 1 wide cpu=4
> left 2/1 gone
gone node 2: gone
> submit 1 1:wide
> explain 1.1
1.1 (wide): ready, one of 1 that ask for cpu=4
  n1: never: asks for cpus=4, the largest node has 1
  n2: is lost
> node n2/2 cpu=4
accepted n2 as node 2/2
node 2: job 1; class 1/0 wide; run 1.1#1
)");
}

TEST(FromOutside, NothingThatAProgramOrNodeNamesEndsTheHead) {
  expectScript(R"(> open a
job 1 ready, session 1
> open b
job 2 ready, session 2
> node n1/1 cpu=8
accepted n1 as node 1/1
> class 1 f cpu=1
> class 2 f cpu=1
> submit 1 2.1:f 0:f 4294967295:f 9000000:f
> submit 1 1:f 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> submit 1 2:#7 3:f(3) 4:f(9) 5:f(2.1) 6:f(1.1,1.1) 7:f(8) 8:f
node 1: run 1.8#1; run 1.6#1(1.1? 1.1?)
> want 1 2 3 4 5 7 2.8
told job 1
  1.2!badArguments in 1.2#0
  class 7 is not known, the job has 1
  1.3!badArguments in 1.3#0 f
  input 1.3 is not known
  1.4!badArguments in 1.4#0 f
  input 1.9 is not known
  1.5!badArguments in 1.5#0 f
  input 2.1 is not known
  1.7!badArguments in 1.7#0 f
  input 1.8 is not known
> want 7 1
> release 1 7 77
> release 1 7
> cancel 9 1
> submit 9 1:f
> put 2.1=x
> put 9.1=x
> heard 1/1 1.1#1=v -1.1 -5.5 +5.5:1KiB +1.1:1KiB +1.500:1KiB
> heard 0/0
fenced node 0/0
> close 9
> close 2
> close 2
> submit 2 5:f
)");
}

TEST(FromOutside, ClassesOutOfRangeFailTheirTasks) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=8
accepted n1 as node 1/1
> class 1 f cpuParts=-5
> class 1 g cpu=9 priority=5000
> class 1 h cpu=1 retries=101
> submit 1 1:f 2:g 3:h 4:f(1)
> want 1 1 2 3 4
told job 1
  1.1!badArguments in 1.1#0 f
  cpus is out of range: -0.0005
  1.2!infeasible in 1.2#0 g
  asks for cpus=9, the largest node has 8
  1.3!badArguments in 1.3#0 h
  retries is more than 100: 101
  1.4!badArguments in 1.4#0 f
  cpus is out of range: -0.0005
)");
}

TEST(FromOutside, NodesThatNoMachineIsAreRefused) {
  expectScript(R"(> node n1/0 cpu=1
refused n1: the incarnation is 0
> node n1/1 cpu=5000
refused n1: topology: 5000 cores, at most 4096 are believed
> node n1/1 cpu=1 license=1
accepted n1 as node 1/1
> node n1/1 cpu=1
refused n1: incarnation 1 of n1 is here already
)");
}

}  // namespace
}  // namespace alnilam::head
