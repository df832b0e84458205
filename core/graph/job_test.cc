// Weights and quotas as people write them, and what a quota lets through.

#include "core/graph/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam {
namespace {

using testing::HasSubstr;

TEST(Quota, IsReadAsPeopleWriteItAndShownAlike) {
  for (const char* text : {"cpu=8", "cpu=0.5,gpu=2,gpu.memory=40GiB,memory=64GiB,license=1",
                           "gpu=0", "a=0,b=2"}) {
    Result<Quota> quota = Quota::parse(text);
    ASSERT_TRUE(quota) << text;
    EXPECT_EQ(show(quota.value()), text);
  }
  EXPECT_FALSE(Quota::parse("").value().isBounded());
}

TEST(Quota, ThatCannotBeMeantIsRefusedWithItsValue) {
  struct Row { const char* text; const char* says; };
  const Row kRows[] = {
      {"cpu", "\"cpu\""},         {"=4", "\"=4\""},           {"cpu=x", "\"x\""},
      {"cpu=-1", "-1"},           {"memory=lots", "lots"},    {"license=1,license=2", "license"},
      {"cpu=nan", "not a number"}, {"cpu=2000000", "1000000"},
  };
  for (const Row& row : kRows) {
    Result<Quota> quota = Quota::parse(row.text);
    ASSERT_FALSE(quota) << row.text;
    EXPECT_THAT(quota.error().why, HasSubstr(row.says)) << row.text;
  }
}

TEST(Quota, BoundsOnlyWhatItNames) {
  Quota quota = Quota::parse("cpu=4,license=1").value();
  ResourceSet held, need;
  held.cpus = Amount::whole(3);
  need.cpus = Amount::from(0.4, "").value();
  need.memory = 1000_TiB;
  EXPECT_EQ(quota.timesCovers(held, need, 100), 2u);
  EXPECT_EQ(quota.firstLack(held, need), std::nullopt);
  held.cpus = Amount::whole(4);
  EXPECT_EQ(quota.firstLack(held, need), "cpus");
  held.cpus = Amount::whole(5);  // a quota below what is held lets nothing through
  EXPECT_EQ(quota.timesCovers(held, need, 100), 0u);

  ResourceSet licensed;
  licensed.named.push_back({"license", Amount::whole(1)});
  EXPECT_EQ(quota.timesCovers({}, licensed, 100), 1u);
  EXPECT_EQ(quota.firstLack(licensed, licensed), "license");
  EXPECT_EQ(quota.timesCovers(licensed, {}, 100), 100u) << "nothing is asked for";
}

TEST(Weight, IsOneToTenThousand) {
  EXPECT_EQ(parseWeight("250").value(), 250u);
  for (const char* text : {"0", "10001", "-3", "1.5", "", "many"}) {
    EXPECT_FALSE(parseWeight(text)) << text;
  }
}

}  // namespace
}  // namespace alnilam
