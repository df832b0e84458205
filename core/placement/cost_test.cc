// What the table of costs makes of what it saw: rows of observations and the estimate they give.

#include "core/placement/cost.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam::placement {
namespace {

using namespace std::chrono_literals;

TEST(SizeClass, IsThePowerOfTwoBelow) {
  const std::pair<Bytes, int> kRows[] = {{0, 0},    {1, 1},         {2, 2},          {3, 2},
                                         {4, 3},    {1023, 10},     {1_KiB, 11},     {1_MiB, 21},
                                         {~0ull, 63}, {1ull << 62, 63}, {1ull << 61, 62}};
  for (auto& [bytes, want] : kRows) EXPECT_EQ(sizeClassOf(bytes), want) << bytes;
  EXPECT_EQ(showSizeClass(0), "no bytes");
  EXPECT_EQ(showSizeClass(21), "1MiB to 2MiB");
  EXPECT_EQ(showSizeClass(63), "4096PiB or more");
}

struct Row {
  const char* name;
  std::vector<std::pair<std::uint8_t, Duration>> ran;  // size class, time; in order
  std::uint8_t asked;
  Estimate::From from;
  Duration run;
};

using From = Estimate::From;

const Row kRows[] = {
    {"nothing is known of what never ran", {}, 5, From::nothing, 0s},
    {"one run is all there is to go by", {{5, 3ms}}, 5, From::runs, 3ms},
    {"the first run was a warm-up", {{5, 300ms}, {5, 1ms}}, 5, From::runs, 1ms},
    {"then runs count alike", {{5, 300ms}, {5, 1ms}, {5, 3ms}}, 5, From::runs, 2ms},
    {"no time at all", {{5, 0ns}, {5, 0ns}}, 5, From::runs, 0ns},
    {"a clock that went back", {{5, -3s}, {5, -3s}}, 5, From::runs, 0ns},
    {"longer than a year is a year", {{5, Duration::max()}}, 5, From::runs, CostTable::kLongest},
    {"one smaller size: in proportion", {{5, 1ms}}, 7, From::neighbours, 4ms},
    {"one larger size: no longer than that", {{5, 4ms}}, 3, From::neighbours, 4ms},
    {"between two: the power law", {{4, 1ms}, {8, 16ms}}, 6, From::neighbours, 4ms},
    {"between two that are equal", {{4, 7ms}, {8, 7ms}}, 5, From::neighbours, 7ms},
    {"a larger one that was faster is no reason to hope", {{4, 7ms}, {8, 1ms}}, 6,
     From::neighbours, 7ms},
    {"beyond two: their slope", {{4, 1ms}, {5, 4ms}}, 6, From::neighbours, 16ms},
    {"beyond two that are equal: flat", {{4, 2ms}, {5, 2ms}}, 9, From::neighbours, 2ms},
    {"no steeper than the square", {{4, 1ms}, {5, 100ms}}, 6, From::neighbours, 400ms},
    {"below two: the smaller one's", {{8, 4ms}, {9, 16ms}}, 2, From::neighbours, 4ms},
    {"too far below to tell", {{18, 4ms}}, 5, From::nothing, 0s},
    {"too far away to tell", {{5, 1ms}}, 18, From::nothing, 0s},
    {"as far as can be told", {{5, 1ms}}, 17, From::neighbours, 4096ms},
    {"a size without a time", {{5, 0ns}}, 9, From::neighbours, 0ns},
    {"a year, four times over", {{5, Duration::max()}}, 7, From::neighbours, CostTable::kLongest},
    {"the largest class", {{63, 1s}}, 63, From::runs, 1s},
};

TEST(CostTable, EstimatesByWhatRan) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    CostTable table;
    auto series = table.series("f", "cpu");
    for (auto& [size, ran] : row.ran) table.observe(series, size, ran);
    Estimate got = table.estimate(series, row.asked);
    EXPECT_EQ(got.from, row.from);
    EXPECT_EQ(got.run, row.run);
    EXPECT_GE(got.deviation, 0ns);
  }
}

TEST(CostTable, LateRunsCountMost) {
  CostTable table;
  auto series = table.series("f", "cpu");
  for (int i = 0; i < 100'000; ++i) table.observe(series, 5, 10ms);
  EXPECT_EQ(table.estimate(series, 5).run, 10ms);
  EXPECT_EQ(table.estimate(series, 5).deviation, 0ms);
  for (int i = 0; i < 40; ++i) table.observe(series, 5, 20ms);
  EXPECT_GT(table.estimate(series, 5).run, 19ms);
  EXPECT_EQ(table.estimate(series, 5).runs, 100'040u);
}

TEST(CostTable, TheDeviationIsThatOfTheRuns) {
  CostTable table;
  auto series = table.series("f", "cpu");
  for (int i = 0; i < 1000; ++i) table.observe(series, 5, i % 2 ? 9ms : 11ms);
  EXPECT_NEAR(static_cast<double>(table.estimate(series, 5).deviation / 1us), 1000, 60);
}

TEST(CostTable, SeriesAreKeptApart) {
  CostTable table;
  table.observe(table.series("f", "cpu"), 5, 1ms);
  table.observe(table.series("f", "H100"), 5, 2ms);
  table.observe(table.series("g", "cpu"), 5, 3ms);
  EXPECT_EQ(table.estimate(table.series("f", "cpu"), 5).run, 1ms);
  EXPECT_EQ(table.estimate(table.series("f", "H100"), 5).run, 2ms);
  EXPECT_EQ(table.estimate(table.series("g", "cpu"), 5).run, 3ms);
  EXPECT_FALSE(table.estimate(table.series("g", "H100"), 5).known());
}

TEST(CostTable, TheSeriesUsedLongestAgoIsForgotten) {
  CostTable table;
  auto name = [](std::size_t i) { return "f" + std::to_string(i); };
  auto old = table.series(name(0), "cpu");
  table.observe(old, 5, 1ms);
  for (std::size_t i = 1; i < CostTable::kMaxSeries; ++i) table.series(name(i), "cpu");
  table.series(name(0), "cpu");  // f1 is the oldest now
  auto first = table.series(name(1), "cpu");
  table.series(name(0), "cpu");
  table.series("one more", "cpu");  // takes the place of f2

  EXPECT_EQ(table.size(), CostTable::kMaxSeries);
  EXPECT_EQ(table.estimate(old, 5).run, 1ms);
  table.observe(first, 5, 1ms);
  EXPECT_TRUE(table.estimate(first, 5).known());
  for (std::size_t i = 0; i < 2 * CostTable::kMaxSeries; ++i) table.series(name(i), "H100");
  EXPECT_EQ(table.size(), CostTable::kMaxSeries);
  EXPECT_FALSE(table.estimate(old, 5).known()) << "a name that is over knows nothing";
  table.observe(old, 5, 1ms);
  EXPECT_FALSE(table.estimate(old, 5).known());
  EXPECT_FALSE(table.mayTry(old, 5));
  EXPECT_FALSE(table.estimate(0, 5).known());
}

TEST(CostTable, LessonsOfNodesAreJoined) {
  struct Case {
    const char* name;
    std::vector<CostTable::Lesson> lessons;
    Duration run;
    std::uint32_t runs;
  };
  const Case kCases[] = {
      {"one node", {{5, 5, 2ms, 1us}}, 2ms, 5},
      {"its warm-up stands alone", {{1, 1, 300ms, 0s}}, 300ms, 1},
      {"and is forgotten", {{1, 1, 300ms, 0s}, {1, 2, 1ms, 0s}}, 1ms, 2},
      {"another node's warm-up does not count", {{5, 5, 2ms, 0s}, {1, 1, 300ms, 0s}}, 2ms, 6},
      {"two nodes", {{5, 5, 2ms, 0s}, {4, 9, 4ms, 0s}}, 3ms, 9},
      {"nothing is no lesson", {{0, 7, 2ms, 0s}}, 0ms, 0},
      {"as long as can be", {{1, 9, Duration::max(), Duration::max()}}, CostTable::kLongest, 1},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    CostTable table;
    auto series = table.series("f", "cpu");
    for (const auto& lesson : one.lessons) table.learn(series, 5, lesson);
    EXPECT_EQ(table.estimate(series, 5).run, one.run);
    EXPECT_EQ(table.estimate(series, 5).runs, one.runs);
  }
}

TEST(CostTable, TrialsAreFewAndOneAtATime) {
  CostTable table;
  auto series = table.series("f", "cpu");
  for (std::uint32_t trial = 0; trial < CostTable::kTrials; ++trial) {
    EXPECT_TRUE(table.mayTry(series, 5));
    table.tryBegins(series, 5);
    EXPECT_FALSE(table.mayTry(series, 5)) << "one is under way";
    EXPECT_TRUE(table.mayTry(series, 6)) << "of another size";
    table.tryEnds(series, 5);  // and nothing came of it: it failed
  }
  EXPECT_FALSE(table.mayTry(series, 5));
  EXPECT_EQ(table.trials(series, 5), CostTable::kTrials);

  for (std::uint32_t run = 0; run < CostTable::kTrials; ++run) {
    EXPECT_TRUE(table.mayTry(series, 7));
    table.observe(series, 7, 1ms);
  }
  EXPECT_FALSE(table.mayTry(series, 7)) << "it is known well enough";
}

TEST(CostTable, WhateverIsSeenEstimatesStayWithinBounds) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 prng(seed);
    CostTable table;
    auto series = table.series("f", "cpu");
    auto anyTime = [&] { return Duration(static_cast<std::int64_t>(prng() >> (prng() % 64))); };
    for (int step = 0; step < 200; ++step) {
      auto size = static_cast<std::uint8_t>(prng() % kSizeClasses);
      auto runs = static_cast<std::uint32_t>(prng() >> (32 + prng() % 32));
      if (prng() % 2) table.observe(series, size, anyTime());
      else table.learn(series, size, {runs, runs + step % 2, anyTime(), anyTime()});
      Estimate got = table.estimate(series, static_cast<std::uint8_t>(prng() % kSizeClasses));
      ASSERT_GE(got.run, 0ns);
      ASSERT_LE(got.run, CostTable::kLongest);
      ASSERT_GE(got.deviation, 0ns);
      ASSERT_LE(got.deviation, CostTable::kLongest);
    }
  }
}

TEST(TransferRate, IsThatOfLatePullsAndLargeOnes) {
  TransferRate rate;
  EXPECT_EQ(rate.perSecond(), 0u);
  rate.observe(1'000'000'000, 500ms);
  EXPECT_EQ(rate.perSecond(), 2'000'000'000u);
  for (int i = 0; i < 100; ++i) rate.observe(1'000'000'000, 1s);
  EXPECT_NEAR(static_cast<double>(rate.perSecond()), 1e9, 1e6);
  rate.observe(1'000, 1ms);  // slow, and next to nothing
  EXPECT_NEAR(static_cast<double>(rate.perSecond()), 1e9, 2e6);

  TransferRate odd;
  odd.observe(0, 0s);
  EXPECT_EQ(odd.perSecond(), 1u) << "nothing in no time is slow rather than no number";
  odd.observe(~0ull, 0s);
  EXPECT_LE(odd.perSecond(), 1'000'000'000'000'000u);
}

TEST(TransferRate, GivesTimes) {
  EXPECT_EQ(transferTime(0, 0), 0ns);
  EXPECT_EQ(transferTime(TransferRate::kAssumed, 0), 1s);
  EXPECT_EQ(transferTime(1'000, 1'000'000), 1ms);
  EXPECT_EQ(transferTime(~0ull, 1), CostTable::kLongest);
}

}  // namespace
}  // namespace alnilam::placement
