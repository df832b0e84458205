// Priorities that age, dominant shares, and when a job is behind another.

#include "core/placement/share.h"

#include "core/graph/job.h"

#include <gtest/gtest.h>

#include <limits>

namespace alnilam::placement {
namespace {

using namespace std::chrono_literals;

ResourceSet setOf(int cpus, int gpus, Bytes memory, int licenses = 0) {
  ResourceSet set{Amount::whole(cpus), Amount::whole(gpus), memory, 0, {}};
  if (licenses > 0) set.named.push_back({"license", Amount::whole(licenses)});
  return set;
}

TEST(EffectivePriority, RisesByOneForEachStep) {
  struct Row { std::int32_t priority; Duration waited; std::int64_t is; };
  const Row kRows[] = {
      {0, 0s, 0},     {0, 999ms, 0},      {0, 1s, 1},
      {-5, 7s, 2},    {1000, 2000s, 3000}, {3, -4s, 3},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(effectivePriority(row.priority, row.waited, 1s), row.is) << row.priority;
  }
  EXPECT_GT(effectivePriority(-1000, Duration::max(), 0s), 1000) << "a step of nothing is harmless";
}

TEST(DominantShare, IsThatOfTheScarcestResource) {
  const ResourceSet total = setOf(100, 8, 1000_GiB, 4);
  struct Row { ResourceSet held; Share is; };
  const Row kRows[] = {
      {setOf(0, 0, 0), 0},
      {setOf(50, 1, 0), kWholeShare / 2},
      {setOf(10, 2, 100_GiB), kWholeShare / 4},
      {setOf(1, 0, 750_GiB), kWholeShare / 4 * 3},
      {setOf(1, 0, 0, 4), kWholeShare},
  };
  for (const Row& row : kRows) EXPECT_EQ(dominantShare(row.held, total), row.is);
  EXPECT_EQ(dominantShare(setOf(1, 1, 0, 1), setOf(10, 0, 0)), kWholeShare / 10)
      << "of what the cluster has not, nobody holds a part";
  ResourceSet huge{{}, {}, ResourceSet::kMaxBytes, 0, {}};
  EXPECT_EQ(dominantShare(huge, huge), kWholeShare);
  EXPECT_EQ(dominantShare(huge, setOf(1, 1, 1)), kWholeShare) << "a node has just left";
}

TEST(Standing, IsTheShareByTheWeight) {
  EXPECT_EQ(standing(1000, 100), 1000u);
  EXPECT_EQ(standing(1000, 200), 500u);
  EXPECT_EQ(standing(kWholeShare, 1), kWholeShare * 100);
  EXPECT_EQ(standing(kWholeShare, JobShare::kMaxWeight), kWholeShare / 100);
}

TEST(Behind, TakesMoreThanAnEighthAndMoreThanOneTask) {
  EXPECT_TRUE(isBehind(0, 200, 100));
  EXPECT_FALSE(isBehind(100, 200, 100)) << "one task moved would only turn them round";
  EXPECT_FALSE(isBehind(880, 1000, 1)) << "within an eighth";
  EXPECT_TRUE(isBehind(870, 1000, 1));
  EXPECT_FALSE(isBehind(0, 0, 0));
  EXPECT_FALSE(isBehind(500, 400, 1));
}

}  // namespace
}  // namespace alnilam::placement
