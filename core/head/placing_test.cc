// Which nodes tasks may use, and which they are given: by labels, policies and keys.

#include "core/head/head_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace alnilam::head {
namespace {

using testing::HasSubstr;

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

TEST(HeadPlacing, TasksRunOnlyWhereTheirRulesHold) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4 label=zone=a
accepted n1 as node 1/1
> node n2/1 cpu=4 label=zone=b
accepted n2 as node 2/1
> node n3/1 cpu=4
accepted n3 as node 3/1
> class 1 inB cpu=1 rule=zone=b
> class 1 notA cpu=1 rule=zone!=a
> class 1 only3 cpu=1 rule=node=n3
> submit 1 1:inB 2:inB 3:notA 4:notA 5:only3
node 2: job 1; class 1/0 inB; run 1.1#1; run 1.2#1
node 3: job 1; class 1/1 notA; class 1/2 only3; run 1.3#1; run 1.4#1; run 1.5#1
)");
}

TEST(HeadPlacing, ARuleThatNoNodeKeepsIsToldWithWhatThereIs) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4 label=zone=a
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> class 1 f cpu=1 rule=zone=x
> submit 1 1:f
> want 1 1
told job 1
  1.1!infeasible in 1.1#0 f
  f asks for zone in (x), and of the nodes that could run it none is such; there are zone=a, none
> node n3/1 cpu=1 label=zone=x
accepted n3 as node 3/1
> submit 1 2:f
node 3: job 1; class 1/0 f; run 1.2#1
)");
}

TEST(HeadPlacing, NodesWithLabelsThatAreNoneAreRefused) {
  HeadScript script;
  EXPECT_THAT(script.play("> node n1/1 cpu=1 label=zone\n"), HasSubstr("\"zone\" is no label"));
  EXPECT_THAT(script.play("> node n1/1 cpu=1 label=node=n2\n"), HasSubstr("by itself"));
  EXPECT_THAT(script.play("> node n1/1 cpu=1 label=a=1 label=a=2\n"), HasSubstr("two labels a"));
}

TEST(HeadPlacing, PackedTasksFillOneNodeBeforeTheNext) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> class 1 one cpu=1 rule=node=n2
> class 1 packed cpu=1 by=pack
> class 1 wide cpu=1 by=spread
> submit 1 1:one
node 2: job 1; class 1/0 one; run 1.1#1
> submit 1 2:packed 3:packed 4:packed 5:packed
node 1: job 1; class 1/1 packed; run 1.5#1
node 2: class 1/1 packed; run 1.2#1; run 1.3#1; run 1.4#1
> heard 2/1 1.1#1=x 1.2#1=x 1.3#1=x 1.4#1=x
> submit 1 6:wide 7:wide 8:wide
node 1: class 1/2 wide; run 1.7#1
node 2: class 1/2 wide; run 1.6#1; run 1.8#1
)");
}

TEST(HeadPlacing, LocalityWaitsAtABusyNodeWhereTheInputsAre) {
  const char* kBegins = R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 busy cpu=1 rule=node=n1
> class 1 near cpu=1 by=locality
> class 1 any cpu=1
> put 1.9@1:10MiB
> submit 1 1:busy
node 1: job 1; class 1/0 busy; run 1.1#1
)";
  expectScript(std::string(kBegins) + R"(> submit 1 2:near(9)
node 1: class 1/1 near; run 1.2#1(1.9@1:10MiB)
)");
  expectScript(std::string(kBegins) + R"(> submit 1 2:any(9)
node 2: job 1; class 1/2 any; run 1.2#1(1.9@1:10MiB)
)");
}

// Names of the nodes to which the tasks of a script's last line went, in the order of their ids.
std::vector<std::string> placesOf(const std::string& said) {
  std::vector<std::string> places;
  for (std::size_t at = said.rfind("> submit"); (at = said.find("node ", at)) != std::string::npos;
       ++at) {
    std::string line = said.substr(at, said.find('\n', at) - at);
    std::size_t runs = 0;
    for (std::size_t i = 0; (i = line.find("run ", i)) != std::string::npos; ++i) ++runs;
    places.insert(places.end(), runs, line.substr(5, line.find(':') - 5));
  }
  return places;
}

std::string cluster(int nodes, const std::string& cpus) {
  std::string text = "> open a\n";
  for (int i = 1; i <= nodes; ++i) {
    text += "> node n" + std::to_string(i) + "/1 cpu=" + cpus + "\n";
  }
  return text;
}

TEST(HeadPlacing, TasksOfOneKeyShareANodeUntilItIsFull) {
  HeadScript script;
  script.play(cluster(8, "4") + "> class 1 f cpu=1 by=affinity(x)\n" +
              "> class 1 g cpu=1 by=affinity(x)\n");
  auto first = placesOf(script.play("> submit 1 1:f 2:f 3:g\n"));
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 1u);
  auto more = placesOf(script.play("> submit 1 4:f 5:f 6:f\n"));
  ASSERT_EQ(more.size(), 3u);
  EXPECT_EQ(std::count(more.begin(), more.end(), first[0]), 1) << "the fourth fills it";
  EXPECT_EQ(std::set<std::string>(more.begin(), more.end()).size(), 2u) << "the others go on";
}

TEST(HeadPlacing, KeysSpreadOverNodesAndMostStayWhenOneLeaves) {
  auto homes = [](bool isOneGone) {
    HeadScript script;
    std::string text = cluster(8, "64");
    if (isOneGone) text += "> left 3/1 gone\n";
    for (int key = 0; key < 40; ++key) {
      std::string name = std::to_string(key);
      text += "> class 1 f" + name + " cpu=1 by=affinity(" + name + ")\n";
    }
    script.play(text);
    std::vector<std::string> all;
    for (int key = 0; key < 40; ++key) {
      auto places = placesOf(script.play("> submit 1 " + std::to_string(key + 1) + ":f" +
                                         std::to_string(key) + "\n"));
      EXPECT_EQ(places.size(), 1u);
      all.push_back(places.at(0));
    }
    return all;
  };
  auto before = homes(false), after = homes(true);
  EXPECT_GE(std::set<std::string>(before.begin(), before.end()).size(), 6u);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == "3") continue;
    EXPECT_EQ(after[i], before[i]) << "key " << i;
  }
}

TEST(HeadPlacing, TasksThatAreApartHaveANodeEach) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> class 1 f cpu=1 apart=replica
> class 1 g cpu=1 apart=replica
> submit 1 1:f 2:g 3:f
node 1: job 1; class 1/0 f; run 1.1#1
node 2: job 1; class 1/0 f; run 1.3#1
> explain 1.2
1.2 (g): ready, one of 1 that ask for cpu=1
  n1: a task is there from which this one is to be apart (replica)
  n2: a task is there from which this one is to be apart (replica)
> heard 2/1 1.3#1=x
node 2: class 1/1 g; run 1.2#1
)");
}

TEST(HeadPlacing, ExplainNamesTheRuleThatANodeBreaks) {
  HeadScript script;
  std::string said = script.play(R"(> open a
> node n1/1 cpu=1 label=zone=a
> node n2/1 cpu=1
> node n3/1 cpu=1 label=zone=b
> class 1 f cpu=1 rule=zone=b by=pack
> submit 1 1:f 2:f 3:f
> explain 1.3
)");
  EXPECT_THAT(said, HasSubstr("placed by pack"));
  EXPECT_THAT(said, HasSubstr("n1: never: its tasks ask for zone in (b), and it has zone=a"));
  EXPECT_THAT(said, HasSubstr("n2: never: its tasks ask for zone in (b), and it has no zone"));
  EXPECT_THAT(said, HasSubstr("n3: full"));
}

TEST(HeadPlacing, NothingIsKeptForAClassOnANodeThatItMayNotUse) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=2 label=zone=a
accepted n1 as node 1/1
> node n2/1 cpu=2
accepted n2 as node 2/1
> class 1 wide cpu=2 rule=zone=a
> class 1 small cpu=1
> submit 1 1:wide 2:wide
node 1: job 1; class 1/0 wide; run 1.1#1; run 1.2#1
> submit 1 3:small 4:small
node 2: job 1; class 1/1 small; run 1.3#1; run 1.4#1
)");
}

TEST(HeadPlacing, VariantsObeyRulesAndKeysToo) {
  expectScript(R"(> open a
job 1 ready, session 1
> node n1/1 cpu=4 label=zone=a
accepted n1 as node 1/1
> node n2/1 cpu=4
accepted n2 as node 2/1
> class 1 f rule=zone=a apart=x as=cpu:g:cpu=1 as=cuda:h:gpu=1
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1
)");
}

}  // namespace
}  // namespace alnilam::head
