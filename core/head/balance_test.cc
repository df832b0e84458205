// Work that waits where nothing moves, and nodes on which everything fails.

#include "core/head/head_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam::head {
namespace {

using testing::HasSubstr;
using testing::Not;

void expectScript(const std::string& script) { EXPECT_EQ(HeadScript().play(script), script); }

// Both nodes have run tasks of f, which are short; then 1.3 runs at node 1 and 1.4 at node 2, each
// with others behind it.
const char* const kBothBusy = R"(> open a
job 1 ready, session 1
> node n1/1 cpu=1
accepted n1 as node 1/1
> node n2/1 cpu=1
accepted n2 as node 2/1
> class 1 f cpu=1
> submit 1 1:f 2:f
node 1: job 1; class 1/0 f; run 1.1#1
node 2: job 1; class 1/0 f; run 1.2#1
> heard 1/1 1.1#1=x~2000us
> heard 2/1 1.2#1=x~2000us
> submit 1 3:f 4:f 5:f 6:f
node 1: run 1.3#1; run 1.5#1
node 2: run 1.4#1; run 1.6#1
)";

TEST(HeadBalance, WhatWaitsBehindALongTaskIsFetchedByANodeThatHasNothing) {
  expectScript(std::string(kBothBusy) + R"(> heard 2/1 1.4#1=x~2000us 1.6#1=x~2000us
> tick
> at 1
node 1: give back 1.5
> tick
> heard 1/1 1.5#1<
node 2: run 1.5#2
> heard 2/1 1.5#2=x
> heard 1/1 1.3#1=x
)");
}

TEST(HeadBalance, ANodeThatGetsOnWithItsWorkKeepsIt) {
  expectScript(std::string(kBothBusy) + R"(> at 1
> heard 1/1 1.3#1=x~2000us
> heard 2/1 1.4#1=x~2000us 1.6#1=x~2000us
> heard 1/1 1.5#1=x~2000us
)");
}

TEST(HeadBalance, WhatHasBegunStays) {
  expectScript(std::string(kBothBusy) + R"(> heard 2/1 1.4#1=x~2000us 1.6#1=x~2000us
> at 1
node 1: give back 1.5
> heard 1/1 1.3#1=x
> heard 1/1 1.5#1=x
)");
}

class AsideTest : public testing::Test {
 protected:
  // A class that goes to the node with the lower id where both are idle; so the first of each two
  // tasks goes to node 1.
  void SetUp() override {
    script_.play("> open a\n> node n1/1 cpu=1\n> node n2/1 cpu=1\n> class 1 f cpu=1\n");
  }
  std::string round(int rounds, const std::string& one, const std::string& two) {
    std::string said;
    for (int i = 0; i < rounds; ++i) {
      std::string a = std::to_string(next_++), b = std::to_string(next_++);
      said += script_.play("> submit 1 " + a + ":f " + b + ":f\n> heard 2/1 1." + b + "#1" + two +
                           "\n> heard 1/1 1." + a + "#1" + one + "\n");
    }
    return said;
  }
  std::string submit() {
    return script_.play("> submit 1 " + std::to_string(next_++) + ":f\n");
  }

  HeadScript script_;
  int next_ = 1;
};

TEST_F(AsideTest, ANodeOnWhichAllFailsThatEndsWellElsewhereGetsNothingForAWhile) {
  EXPECT_THAT(round(8, "!exception", "=x"), Not(HasSubstr("set aside")));
  EXPECT_THAT(round(1, "!exception", "=x"),
              HasSubstr("node 1 set aside for 10 s: 9 tasks failed there in a row, and those of f "
                        "end well elsewhere; the last: as reported"));
  EXPECT_THAT(submit(), HasSubstr("node 2: run"));
  EXPECT_THAT(submit() + submit(), Not(HasSubstr("node 1: run"))) << "they wait for the other";
  EXPECT_THAT(script_.play("> class 1 g cpu=1 rule=node=n1\n> submit 1 30:g\n> explain 1.30\n"),
              HasSubstr("n1: set aside for 11 s more: 9 tasks failed"));
  EXPECT_EQ(script_.brain().nodes().at(0).aside.substr(0, 9), "set aside");
  EXPECT_EQ(script_.brain().nodes().at(1).aside, "");
}

TEST_F(AsideTest, ItIsTriedAgainAndSetAsideForLongerOrRestored) {
  round(9, "!exception", "=x");
  submit();
  submit();  // 1.19 runs at node 2, 1.20 is behind it
  const std::string kAlive = "> heard 1/1\n> heard 2/1\n";
  EXPECT_THAT(script_.play("> at 9\n" + kAlive), Not(HasSubstr("give back")));
  EXPECT_THAT(script_.play("> at 11\n" + kAlive), HasSubstr("node 2: give back 1.20"));
  EXPECT_THAT(script_.play("> heard 2/1 1.20#1<\n"), HasSubstr("node 1: run 1.20#2"));
  EXPECT_THAT(script_.play("> heard 1/1 1.20#2!exception\n"),
              HasSubstr("node 1 set aside for 20 s: 10 tasks"));
  EXPECT_THAT(script_.play("> at 20\n" + kAlive + "> at 30\n" + kAlive), Not(HasSubstr("gone")));
  EXPECT_THAT(script_.play("> submit 1 21:f\n"), Not(HasSubstr("node 1: run")));
  script_.play("> at 32\n" + kAlive + "> heard 2/1 1.21#1<\n");
  EXPECT_THAT(script_.play("> submit 1 22:f\n"), HasSubstr("node 1: run"));
  next_ = 23;
  script_.play("> heard 1/1 1.21#1=x 1.21#2=x 1.22#1=x\n> heard 2/1 1.19#1=x 1.21#1=x\n");
  EXPECT_THAT(round(8, "!exception", "=x"), Not(HasSubstr("set aside")));
}

TEST_F(AsideTest, PeopleMayRestoreIt) {
  round(9, "!exception", "=x");
  script_.play("> restore 1\n");
  EXPECT_THAT(submit(), HasSubstr("node 1: run"));
}

TEST_F(AsideTest, AClassThatFailsEverywhereSpeaksAgainstNobody) {
  EXPECT_THAT(round(30, "!exception", "!exception"), Not(HasSubstr("set aside")));
}

TEST_F(AsideTest, ASuccessNowAndThenSpeaksForTheNode) {
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(round(7, "!exception", "=x"), Not(HasSubstr("set aside")));
    EXPECT_THAT(round(1, "=x", "=x"), Not(HasSubstr("set aside")));
  }
}

TEST_F(AsideTest, WhatIsTheTasksOwnSpeaksAgainstNobody) {
  EXPECT_THAT(round(30, "!badArguments", "=x"), Not(HasSubstr("set aside")));
}

TEST_F(AsideTest, TheLastNodeIsNeverSetAside) {
  round(8, "!exception", "=x");
  script_.play("> left 2/1 gone\n");
  std::string said;
  for (int i = 0; i < 5; ++i) {
    std::string a = std::to_string(next_++);
    said += script_.play("> submit 1 " + a + ":f\n> heard 1/1 1." + a + "#1!exception\n");
  }
  EXPECT_THAT(said, Not(HasSubstr("set aside")));
  EXPECT_THAT(submit(), HasSubstr("node 1: run"));
}

}  // namespace
}  // namespace alnilam::head
