// Which way a task goes: tables of ways and what is chosen.

#include "core/placement/choice.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam::placement {
namespace {

using namespace std::chrono_literals;

TEST(Choice, AWayEndsATaskAfterThoseThereAndItsData) {
  struct Row {
    const char* name;
    Way way;
    Duration run, transfer, end;
  };
  const Row kRows[] = {
      {"an idle one", {1, 0s}, 10ms, 0s, 10ms},
      {"one behind another", {1, 10ms}, 10ms, 0s, 20ms},
      {"beside another", {2, 10ms}, 10ms, 0s, 10ms},
      {"four slots and ten tasks there", {4, 100ms}, 10ms, 0s, 27'500us},
      {"data takes time", {1, 0s}, 10ms, 5ms, 15ms},
      {"data comes while it waits", {1, 20ms}, 10ms, 5ms, 30ms},
      {"no slots", {0, 0s}, 10ms, 0s, kNever},
      {"an unknown run", {4, 0s}, kNever, 0s, kNever},
      {"no run time at all", {1, 0s}, 0s, 0s, 0s},
      {"more than can be counted", {1, kNever}, kNever - 1ns, kNever, kNever},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(endOn(row.way, row.run, row.transfer), row.end) << row.name;
  }
}

struct LevelRow {
  const char* name;
  std::vector<Way> ways;
  std::vector<Duration> runs;
  std::uint64_t tasks;
  Duration level;
};

const LevelRow kLevels[] = {
    {"one task, one way", {{1, 0s}}, {10ms}, 1, 10ms},
    {"a slow way is left alone while the fast one ends all before it",
     {{1, 0s}, {4, 0s}}, {10ms, 100ms}, 9, 90ms},
    {"both are used when there is enough", {{1, 0s}, {1, 0s}}, {10ms, 100ms}, 22, 200ms},
    {"a busy fast way", {{1, 60ms}, {1, 0s}}, {10ms, 50ms}, 1, 50ms},
    {"a busy fast way worth waiting for", {{1, 30ms}, {1, 0s}}, {10ms, 50ms}, 1, 40ms},
    {"no way", {}, {}, 1, kNever},
    {"no way with a slot", {{0, 0s}}, {10ms}, 1, kNever},
    {"no known run", {{1, 0s}}, {kNever}, 1, kNever},
    {"no tasks", {{1, 5ms}}, {10ms}, 0, 0s},
    {"a run of no time", {{1, 0s}}, {0s}, 1000, 0s},
    {"a year each, a million of them", {{1, 0s}}, {CostTable::kLongest}, 1'000'000, kNever},
};

TEST(Choice, TheLevelIsWhenTheLastOfAllEnds) {
  for (const LevelRow& row : kLevels) {
    EXPECT_EQ(level(row.ways, row.runs, row.tasks), row.level) << row.name;
  }
}

// The level against the greedy choice that it stands for, task by task.
TEST(Choice, TheLevelIsThatOfGivingTaskByTask) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 prng(seed);
    std::vector<Way> ways(1 + prng() % 5);
    std::vector<Duration> runs;
    for (Way& way : ways) {
      way.slots = 1;
      way.backlog = Duration(prng() % 2 ? 0 : prng() % 1000);
      runs.push_back(Duration(1 + prng() % 500));
    }
    std::uint64_t tasks = 1 + prng() % 60;
    std::vector<Way> filled = ways;
    Duration last{};
    for (std::uint64_t i = 0; i < tasks; ++i) {
      std::size_t best = 0;
      for (std::size_t w = 0; w < ways.size(); ++w) {
        if (endOn(filled[w], runs[w]) < endOn(filled[best], runs[best])) best = w;
      }
      last = std::max(last, endOn(filled[best], runs[best]));
      filled[best].backlog += runs[best];
    }
    EXPECT_EQ(level(ways, runs, tasks), last);
  }
}

TEST(Choice, SharesAreWhatEndsByTheLevel) {
  struct Row {
    const char* name;
    std::vector<Way> ways;
    std::vector<Duration> runs;
    std::uint64_t tasks;
    std::vector<std::uint64_t> shares;
  };
  const Row kRows[] = {
      {"one way", {{1, 0s}}, {10ms}, 7, {7}},
      {"the fast one alone", {{1, 0s}, {4, 0s}}, {10ms, 100ms}, 9, {9, 0}},
      {"by their speed", {{1, 0s}, {1, 0s}}, {10ms, 100ms}, 22, {20, 2}},
      {"the busy one less", {{1, 100ms}, {1, 0s}}, {10ms, 10ms}, 12, {1, 11}},
      {"equal ends may be one too many", {{1, 0s}, {1, 0s}}, {10ms, 10ms}, 3, {2, 2}},
      {"a way that is not to be taken", {{1, 0s}, {1, 0s}}, {10ms, kNever}, 3, {3, 0}},
      {"no way at all", {{0, 0s}}, {10ms}, 3, {0}},
  };
  for (const Row& row : kRows) {
    std::vector<std::uint64_t> got;
    shares(row.ways, row.runs, row.tasks, got);
    EXPECT_EQ(got, row.shares) << row.name;
  }
}

constexpr NodeWay idle(Duration run) { return {true, true, {1, 0s}, run}; }
constexpr NodeWay busy(Duration run, Duration backlog, std::uint64_t slots = 1) {
  return {true, false, {slots, backlog}, run};
}
constexpr NodeWay none() { return {}; }

struct PickRow {
  const char* name;
  std::vector<NodeWay> ways;
  std::size_t hint;
  Duration waited;
  std::size_t way;
  bool begins;
  Duration gaveUpAfter = kNever;
};

const PickRow kPicks[] = {
    {"what the head counts on, if it is free", {idle(10ms), busy(1ms, 4ms)}, 0, 0s, 0, true},
    {"a faster one, if it is free as well", {idle(10ms), idle(1ms)}, 0, 0s, 1, true},
    {"not a slower one", {idle(10ms), idle(1ms)}, 1, 0s, 1, true},
    {"waiting, if that ends it first", {idle(10ms), busy(1ms, 4ms)}, 1, 0s, 1, false, 10ms},
    {"not waiting, if that ends it first", {idle(10ms), busy(1ms, 14ms)}, 1, 0s, 0, true},
    {"no longer waiting than the other would take", {idle(10ms), busy(1ms, 4ms)}, 1, 10ms, 0,
     true},
    {"waiting for the one that ends it first", {busy(10ms, 10ms), busy(1ms, 4ms)}, 0, 0s, 1,
     false},
    {"an infeasible hint", {none(), idle(1ms)}, 0, 0s, 1, true},
    {"a hint that is no way at all", {none(), idle(1ms)}, 7, 0s, 1, true},
    {"an unknown one that the head counts on", {idle(10ms), idle(kNever)}, 1, 0s, 1, true},
    {"and waits for", {idle(10ms), busy(kNever, 4ms)}, 1, 0s, 1, false},
    {"not an unknown one that it does not", {idle(10ms), idle(kNever)}, 0, 0s, 0, true},
    {"no slot anywhere", {busy(10ms, 0s, 0), busy(1ms, 0s, 0)}, 1, 0s, 1, false},
    {"equal ends go to the hint", {busy(10ms, 10ms), busy(10ms, 10ms)}, 1, 0s, 1, false},
};

TEST(Choice, ANodePicks) {
  for (const PickRow& row : kPicks) {
    SCOPED_TRACE(row.name);
    auto got = pick(row.ways, row.hint, row.waited);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->way, row.way);
    EXPECT_EQ(got->begins, row.begins);
    EXPECT_EQ(got->gaveUpAfter, row.gaveUpAfter);
  }
  EXPECT_FALSE(pick(std::vector{none(), none()}, 0, 0s));
  EXPECT_FALSE(pick({}, 0, 0s));
}

struct TrialRow {
  const char* name;
  // Runs as (size class, time), of the candidate and of the other.
  std::vector<std::pair<std::uint8_t, Duration>> own, other;
  bool worth;
};

const TrialRow kTrials[] = {
    {"nothing is known", {}, {}, true},
    {"the other is known", {}, {{20, 1ms}, {20, 1ms}}, true},
    {"one slow run may have been a warm-up", {{20, 1s}}, {{20, 1ms}, {20, 1ms}}, true},
    {"two were not", {{20, 1s}, {20, 1s}}, {{20, 1ms}, {20, 1ms}}, false},
    {"two runs that are not so slow", {{20, 10ms}, {20, 10ms}}, {{20, 1ms}}, true},
    {"three are enough", {{20, 1ms}, {20, 1ms}, {20, 1ms}}, {{20, 1ms}}, false},
    {"a smaller size showed it hopeless", {{18, 1s}, {18, 1s}}, {{18, 1ms}}, false},
    {"but the other takes longer by now", {{18, 1s}, {18, 1s}}, {{18, 1ms}, {20, 2s}}, true},
    {"or nearly", {{18, 1s}, {18, 1s}}, {{18, 1ms}, {20, 1s}}, false},
    {"a smaller size showed it slow", {{18, 10ms}, {18, 10ms}}, {{18, 1ms}}, true},
    {"a smaller size showed its warm-up", {{18, 1s}}, {{18, 1ms}}, true},
    {"what the other might have taken says nothing", {{18, 1s}, {18, 1s}}, {{19, 1ms}}, true},
    {"a larger size says nothing", {{22, 1s}, {22, 1s}}, {{22, 1ms}}, true},
    {"the nearest smaller size decides", {{10, 1s}, {10, 1s}, {18, 1ms}, {18, 1ms}},
     {{10, 1ms}, {18, 1ms}}, true},
};

TEST(Choice, ATrialIsWorthIt) {
  for (const TrialRow& row : kTrials) {
    CostTable costs;
    CostTable::Series own = costs.series("f", "gpu"), other = costs.series("g", "cpu");
    for (auto& [size, ran] : row.own) costs.observe(own, size, ran);
    for (auto& [size, ran] : row.other) costs.observe(other, size, ran);
    EXPECT_EQ(isWorthATrial(costs, own, std::vector{other}, 20), row.worth) << row.name;
  }
}

struct OfferRow {
  const char* name;
  Way way;
  std::vector<Offer> offers;
  std::optional<std::size_t> best;
};

const OfferRow kOffers[] = {
    {"the one that waits", {1, 0s}, {{1, 10ms, kNever, 10ms}}, 0},
    {"none that waits", {1, 0s}, {{0, 10ms, kNever, 10ms}}, {}},
    {"none that it would end too late", {1, 0s}, {{1, 10ms, 5ms, 9ms}}, {}},
    {"none that would wait for too long", {1, 1ms}, {{1, 10ms, kNever, 10ms}}, {}},
    {"none that it shall not take", {1, 0s}, {{1, kNever, 5ms, 9ms}}, {}},
    {"a GPU takes what gains most by it", {1, 0s},
     {{9, 13ms, 4ms, 1s}, {9, 3ms, 53ms, 1s}, {9, 40ms, 13ms, 1s}}, 1},
    {"a core what loses least", {1, 0s},
     {{9, 4ms, 13ms, 1s}, {9, 53ms, 3ms, 1s}, {9, 13ms, 40ms, 1s}}, 0},
    {"what has no other way comes first", {1, 0s}, {{9, 1ms, 99ms, 1s}, {9, 9ms, kNever, 1s}}, 1},
    {"equals in their order", {1, 0s}, {{9, 4ms, 8ms, 1s}, {9, 4ms, 8ms, 1s}}, 0},
    {"no time at all", {1, 0s}, {{9, 0s, 0s, 0s}}, 0},
    {"as long as can be", {1, 0s}, {{9, kNever - 1ns, kNever - 1ns, kNever}}, 0},
    {"nothing", {1, 0s}, {}, {}},
};

TEST(Choice, AWayTakesWhatGainsMostByIt) {
  for (const OfferRow& row : kOffers) {
    EXPECT_EQ(bestFor(row.way, row.offers), row.best) << row.name;
  }
}

}  // namespace
}  // namespace alnilam::placement
