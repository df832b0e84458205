// Resource arithmetic is the ground that every reservation stands on: each row is a fact about it.

#include "core/cluster/resources.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace alnilam {
namespace {

std::string told(const Result<Amount>& result) {
  return result ? show(result.value()) : result.error().why;
}

TEST(Amounts, TakeWhatIsANumberAndRefuseTheRestByName) {
  const double kInf = std::numeric_limits<double>::infinity();
  struct Row { double in; const char* out; };
  const Row rows[] = {
      {0, "0"},
      {-0.0, "0"},
      {1, "1"},
      {0.25, "0.25"},
      {0.1, "0.1"},
      {0.3333333, "0.3333"},
      {2.5, "2.5"},
      {0.0001, "0.0001"},
      {0.00005, "0.0001"},
      {1'000'000, "1000000"},
      {1e-9, "gpus is less than the smallest share, 0.0001: 1e-09"},
      {0.00004, "gpus is less than the smallest share, 0.0001: 4e-05"},
      {5e-324, "gpus is less than the smallest share, 0.0001: 5e-324"},
      {-1, "gpus is negative: -1"},
      {-1e-9, "gpus is negative: -1e-09"},
      {-1e308, "gpus is negative: -1e+308"},
      {1'000'000.1, "gpus is more than 1000000: 1000000.1"},
      {1e308, "gpus is more than 1000000: 1e+308"},
      {9223372036854775808.0, "gpus is more than 1000000: 9223372036854775808"},
      {18446744073709551616.0, "gpus is more than 1000000: 18446744073709551616"},
      {std::nan(""), "gpus is not a number: nan"},
      {kInf, "gpus is not a number: inf"},
      {-kInf, "gpus is not a number: -inf"},
  };
  for (const Row& row : rows) EXPECT_EQ(told(Amount::from(row.in, "gpus")), row.out);
}

TEST(Amounts, AreExactWhereFloatingPointIsNot) {
  Amount tenth = Amount::from(0.1, "x").value();
  Amount fifth = Amount::from(0.2, "x").value();
  EXPECT_EQ(tenth.parts + fifth.parts, Amount::from(0.3, "x").value().parts);
}

TEST(Amounts, ReadBackAsWhatTheyShow) {
  for (std::int64_t parts = 0; parts < 30'000; ++parts) {
    Amount amount{parts};
    EXPECT_EQ(Amount::from(std::stod(show(amount)), "x").value(), amount) << show(amount);
  }
}

TEST(Sizes, AreShownInTheUnitThatDividesThem) {
  struct Row { Bytes in; const char* out; };
  const Row rows[] = {
      {0, "0B"},
      {1, "1B"},
      {1000, "1000B"},
      {1024, "1KiB"},
      {1536, "1.5KiB"},
      {256_MiB, "256MiB"},
      {6_GiB, "6GiB"},
      {1_GiB + 1_MiB, "1025MiB"},
      {1_GiB + 1, "1.0GiB"},
      {1_GiB - 1, "1024.0MiB"},
      {1_TiB * 3, "3TiB"},
      {1_TiB * 1024, "1PiB"},
      {std::numeric_limits<Bytes>::max(), "16384.0PiB"},
  };
  for (const Row& row : rows) EXPECT_EQ(showBytes(row.in), row.out) << row.in;
}

TEST(Sizes, AreReadOrRefusedByTheirText) {
  struct Row { const char* in; Bytes out; };
  const Row good[] = {
      {"0", 0}, {"100", 100}, {"1000B", 1000}, {"4GiB", 4_GiB}, {"512MiB", 512_MiB},
      {"1.5KiB", 1536}, {"0.5TiB", 512_GiB}, {"1PiB", 1_TiB * 1024}, {"0.1KiB", 102},
      {"18446744073709551615", std::numeric_limits<Bytes>::max()},
  };
  for (const Row& row : good) {
    auto read = parseBytes(row.in);
    ASSERT_TRUE(read) << row.in;
    EXPECT_EQ(read.value(), row.out) << row.in;
  }
  const char* const bad[] = {"", "GiB", "B", "-1", "-1GiB", "+1", " 1", "1 GiB", "1 ", "4GB",
                             "4gib", "4G", "1.5", "1.5B", "1.KiB", ".5KiB", "1..5KiB", "1.5.5KiB",
                             "1e3", "0x10", "nan", "inf", "1.0000000001KiB", "18446744073709551616",
                             "16777216TiB", "99999999999999999999GiB", "1KiBKiB", "1,5KiB"};
  for (const char* text : bad) {
    auto read = parseBytes(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, RefusalCode::invalid);
    EXPECT_NE(read.error().why.find("\"" + std::string(text) + "\""), std::string::npos) << text;
  }
}

ResourceSet setOf(int cpus, int gpuParts, Bytes memory, Bytes gpuMemory,
                  std::vector<NamedAmount> named = {}) {
  return {Amount::whole(cpus), Amount{gpuParts}, memory, gpuMemory, std::move(named)};
}

TEST(Sets, ShowWhatTheyHold) {
  EXPECT_EQ(show(ResourceSet{}), "nothing");
  EXPECT_EQ(show(setOf(2, 5'000, 4_GiB, 6_GiB, {{"license", Amount::whole(1)}})),
            "cpu=2,gpu=0.5,gpu.memory=6GiB,memory=4GiB,license=1");
}

TEST(Sets, CoverKindByKindAndNameTheFirstLack) {
  const ResourceSet have = setOf(4, 20'000, 8_GiB, 16_GiB,
                                 {{"a", Amount::whole(2)}, {"c", Amount::whole(1)}});
  struct Row { ResourceSet need; const char* lack; std::uint64_t times; };
  const Row rows[] = {
      {{}, "", 1000},
      {have, "", 1},
      {setOf(1, 0, 0, 0), "", 4},
      {setOf(1, 5'000, 0, 0), "", 4},
      {setOf(0, 2'500, 0, 0), "", 8},
      {setOf(0, 3'333, 0, 0), "", 6},
      {setOf(0, 0, 3_GiB, 0), "", 2},
      {setOf(0, 0, 0, 5_GiB), "", 3},
      {setOf(0, 0, 0, 0, {{"a", Amount{1}}}), "", 1000},
      {setOf(0, 0, 0, 0, {{"a", Amount::whole(1)}, {"c", Amount::whole(1)}}), "", 1},
      {setOf(5, 0, 0, 0), "cpus", 0},
      {setOf(5, 99'999, 0, 0), "cpus", 0},
      {setOf(1, 20'001, 0, 0), "gpus", 0},
      {setOf(1, 0, 8_GiB + 1, 0), "memory", 0},
      {setOf(1, 0, 0, 16_GiB + 1), "gpuMemory", 0},
      {setOf(1, 0, 0, 0, {{"b", Amount{1}}}), "b", 0},
      {setOf(1, 0, 0, 0, {{"a", Amount::whole(1)}, {"d", Amount{1}}}), "d", 0},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(have.firstLack(row.need).value_or(""), row.lack) << show(row.need);
    EXPECT_EQ(have.covers(row.need), std::string(row.lack).empty()) << show(row.need);
    EXPECT_EQ(have.timesCovers(row.need, 1000), row.times) << show(row.need);
  }
}

TEST(Sets, NeverKeepAZeroOfANamedKind) {
  ResourceSet set = setOf(1, 0, 0, 0, {{"b", Amount::whole(1)}});
  set.add(setOf(0, 0, 0, 0, {{"a", Amount::whole(1)}, {"c", Amount::whole(2)}}));
  EXPECT_EQ(show(set), "cpu=1,a=1,b=1,c=2");
  set.subtract(setOf(0, 0, 0, 0, {{"b", Amount::whole(1)}, {"c", Amount::whole(1)}}));
  EXPECT_EQ(show(set), "cpu=1,a=1,c=1");
}

TEST(Sets, TakingMoreThanThereIsIsABug) {
  ResourceSet set = setOf(1, 0, 0, 0);
  EXPECT_DEATH(set.subtract(setOf(1, 1, 0, 0)), "bug");
  EXPECT_DEATH(set.subtract(setOf(0, 0, 1, 0)), "bug");
  EXPECT_DEATH(set.subtract(setOf(0, 0, 0, 0, {{"a", Amount{1}}})), "bug");
}

TEST(Sets, FromOutsideAreHeldToTheirBounds) {
  struct Row { ResourceSet set; const char* out; };
  const Row rows[] = {
      {{}, "ok"},
      {setOf(1'000'000, 0, 0, 0), "ok"},
      {setOf(1'000'001, 0, 0, 0), "cpus is out of range: 1000001"},
      {setOf(-1, 0, 0, 0), "cpus is out of range: -1"},
      {setOf(0, -5'000, 0, 0), "gpus is out of range: -0.5"},
      {setOf(0, std::numeric_limits<int>::min(), 0, 0), "gpus is out of range: -214748.3648"},
      {setOf(0, 0, Bytes{1} << 63, 0), "memory is out of range: 8192PiB"},
      {setOf(0, 0, 0, ~Bytes{0}), "gpuMemory is out of range: 16384.0PiB"},
      {setOf(0, 0, 0, 0, {{"a", Amount{}}}), "a is out of range: 0"},
      {setOf(0, 0, 0, 0, {{"a", Amount{-1}}}), "a is out of range: -0.0001"},
      {setOf(0, 0, 0, 0, {{"", Amount{1}}}), "a resource's name is empty or too long: "},
      {setOf(0, 0, 0, 0, {{"b", Amount{1}}, {"a", Amount{1}}}),
       "named resources are not sorted or name one twice: a"},
      {setOf(0, 0, 0, 0, {{"a", Amount{1}}, {"a", Amount{1}}}),
       "named resources are not sorted or name one twice: a"},
  };
  for (const Row& row : rows) {
    auto checked = row.set.check();
    EXPECT_EQ(checked ? "ok" : checked.error().why, row.out);
  }
}

TEST(Sets, ReturnToTheStartAfterAMillionAllocations) {
  const ResourceSet start = setOf(64, 80'000, 512_GiB, 640_GiB,
                                  {{"disk", Amount::whole(12)}, {"license", Amount::whole(3)}});
  ResourceSet left = start;
  std::vector<ResourceSet> taken;
  std::mt19937_64 random(1);
  for (int i = 0; i < 1'000'000; ++i) {
    if (taken.empty() || random() % 2 == 0) {
      ResourceSet need = setOf(0, static_cast<int>(random() % 3'333), random() % 1_GiB,
                               random() % 1_GiB);
      need.cpus.parts = static_cast<std::int64_t>(random() % 7'919);
      if (random() % 4 == 0) need.named = {{"license", Amount{1 + std::int64_t(random() % 99)}}};
      if (random() % 8 == 0) need.named.insert(need.named.begin(), {"disk", Amount::whole(1)});
      if (!left.covers(need)) continue;
      left.subtract(need);
      taken.push_back(std::move(need));
    } else {
      std::swap(taken[random() % taken.size()], taken.back());
      left.add(taken.back());
      taken.pop_back();
    }
    ASSERT_GE(left.cpus.parts, 0);
  }
  for (const ResourceSet& set : taken) left.add(set);
  EXPECT_EQ(left, start);
}

}  // namespace
}  // namespace alnilam
