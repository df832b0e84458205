// Devices that nodes take out of service, as scripts: where tasks go, who is told what, and that
// the accounts stay exact.

#include "core/head/audit.h"
#include "core/head/head_script.h"

#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(HeadDevices, AResultThatADeviceMayKeepIsReleasedThereThoughTheHeadHoldsIt) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=1x4GiB
accepted n1 as node 1/1
> class 1 f cpu=1 gpu=0.5
> submit 1 1:f 2:f(1) 3:f 4:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.3#1; run 1.4#1; run 1.2#1(1.1?)
> heard 1/1 1.1#1=x&0 1.3#1=x&0
> release 1 1 3
node 1: release 1.3
> heard 1/1 1.2#1=y&0
node 1: release 1.1
> cancel 1 4
node 1: cancel 1.4
> heard 1/1 1.4#1=z&0
node 1: release 1.4
)");
}

TEST(HeadDevices, WhatWasLostWithADeviceRunsOnWhatIsLeft) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=2x4GiB
accepted n1 as node 1/1
> class 1 f gpu=1
> submit 1 1:f 2:f 3:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1; run 1.3#1
> heard 1/1 out=1 1.2#1!device//1
> heard 1/1 1.1#1=x
node 1: run 1.2#2
> heard 1/1 1.3#1=x 1.2#2=x
> want 1 1 2
told job 1
  1.1=x
  1.2=x
)");
}

TEST(HeadDevices, TheFirstLossIsFreeAndTheOthersAreCharged) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=3x4GiB
accepted n1 as node 1/1
> class 1 f gpu=1 retries=0
> submit 1 1:f
node 1: job 1; class 1/0 f; run 1.1#1
> want 1 1
> heard 1/1 out=0 1.1#1!device//0
node 1: run 1.1#2
> heard 1/1 out=0,1 1.1#2!device//1
told job 1
  1.1!device in 1.1#2 f on n1
  as reported
)");
}

TEST(HeadDevices, AFailureThatTookTheDeviceOutIsTheDevicesAndAnyOtherTheTasks) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=2x4GiB
accepted n1 as node 1/1
> class 1 f gpu=1 retries=0
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.2#1
> want 1 1 2
> heard 1/1 1.1#1!device/0
told job 1
  1.1!device in 1.1#1 f on n1
  as reported
> heard 1/1 out=1 1.2#1!device/1
node 1: run 1.2#2
)");
}

TEST(HeadDevices, AClassThatFitsNowhereNowIsToldWhichDevicesItLacks) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=2x4GiB
accepted n1 as node 1/1
> node n2/1 cpu=8
accepted n2 as node 2/1
> class 1 pair gpu=2
> class 1 host cpu=1
> class 1 more gpu=3
> submit 1 1:pair 2:pair
node 1: job 1; class 1/0 pair; run 1.1#1; run 1.2#1
> want 1 1 2
> heard 1/1 out=1 1.1#1!device//1 1.2#1<
told job 1
  1.2!infeasible in 1.2#1 pair on n1
  asks for gpus=2, the largest node has 1; n1 could, were gpu 1 in service (sick)
  1.1!infeasible in 1.1#1 pair on n1
  asks for gpus=2, the largest node has 1; n1 could, were gpu 1 in service (sick)
> submit 1 3:pair 4:host 5:more
node 1: class 1/1 host; run 1.4#1
> want 1 3 5
told job 1
  1.3!infeasible in 1.3#0 pair
  asks for gpus=2, the largest node has 1; n1 could, were gpu 1 in service (sick)
  1.5!infeasible in 1.5#0 more
  asks for gpus=3, the largest node has 1
> restore 1
node 1: restore devices
> heard 1/1 out=
> submit 1 6:pair
node 1: run 1.6#1
> restore 9
)");
}

TEST(HeadDevices, WhatWaitsForRoomIsNotHandedToANodeThatLostItsDevices) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 gpu=1x4GiB
accepted n1 as node 1/1
> node n2/1 cpu=2 gpu=1x4GiB
accepted n2 as node 2/1
> class 1 f gpu=0.5 gpu.memory=2GiB retries=0
> submit 1 1:f 2:f 3:f 4:f 5:f 6:f 7:f
node 1: job 1; class 1/0 f; run 1.1#1; run 1.3#1; run 1.5#1
node 2: job 1; class 1/0 f; run 1.2#1; run 1.4#1; run 1.6#1
> heard 1/1 out=0 1.1#1!device//0 1.3#1!device//0 1.5#1<
> explain 1.7
1.7 (f): ready, one of 4 that ask for gpu=0.5,gpu.memory=2GiB
  n1: never: asks for gpus=0.5, the largest node has 0; n1 could, were gpu 0 in service (sick)
  n2: full: too little of gpus is free, 3 tasks are there
> heard 2/1 1.2#1=x~1000000
> heard 1/1 out=
node 1: run 1.5#2; run 1.3#2
)");
}

// Every class at once on a node that loses devices and gets them back while they run.
TEST(HeadDevices, AccountsAreExactWhateverIsWithdrawnWhile) {
  Tables tables{HeadBrain::Config{}};
  std::vector<Output> out;
  tables.open({1, "a", "", {}}, out);
  JobId job = std::get<JobReady>(out.front()).job;
  Submit submit{job, {}, {}};
  for (std::int64_t gpus : {0, 2'500, 10'000, 20'000}) {
    TaskClass cls;
    cls.function = "f";
    cls.needs.cpus.parts = 5'000;
    cls.needs.gpus.parts = gpus;
    if (gpus > 0) cls.needs.gpuMemory = 1_GiB;
    submit.classes.push_back(cls);
  }
  for (std::uint32_t i = 1; i <= 60; ++i) {
    TaskSpec spec;
    spec.id = ObjectId::make(job, i);
    spec.taskClass = i % 4;
    submit.tasks.push_back(std::move(spec));
  }
  tables.submit(std::move(submit));
  NodeJoined node{"n", {1}, {}, {}};
  node.topology.domains.push_back({0, 0, 1_GiB});
  node.topology.cores.resize(8);
  node.topology.gpus.resize(4);
  for (Gpu& gpu : node.topology.gpus) gpu.memory = 4_GiB;
  node.topology.links.resize(16);
  node.total = node.topology.total();
  tables.join(std::move(node), out);
  const std::vector<std::vector<WithdrawnGpu>> states = {
      {{1, "sick"}}, {{0, "sick"}, {1, "sick"}, {3, "sick"}}, {}, {{3, "other"}}, {{7, "none"}}};
  for (const auto& state : states) {
    tables.schedule();
    out.clear();
    tables.flush(out);
    EXPECT_EQ(audit(tables), "");
    NodeHeard heard{{1}, {1}, {}};
    heard.report.withdrawn = state;
    tables.heard(heard, out);
    EXPECT_EQ(audit(tables), "");
    for (const Output& one : out) {
      auto* told = std::get_if<NodeTold>(&one);
      if (!told || told->orders.assign.empty()) continue;
      TaskDone& done = heard.report.done.emplace_back();
      done.id = told->orders.assign.front().id;
      done.attempt = told->orders.assign.front().attempt;
    }
    tables.heard(std::move(heard), out);
    EXPECT_EQ(audit(tables), "");
  }
  EXPECT_EQ(tables.ignored, 2u) << "the device that the node has not, told twice";
  EXPECT_EQ(tables.nodeViews().front().total.gpus, Amount::whole(3));
  EXPECT_EQ(tables.nodeViews().front().withdrawn, states[3]);
}

}  // namespace
}  // namespace alnilam::head
