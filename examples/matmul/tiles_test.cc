// The check of matmul's result must see a wrong one.

#include "tiles.h"

#include <gtest/gtest.h>

namespace matmul {
namespace {

std::vector<float> product(std::uint64_t seedA, std::uint64_t seedB, std::size_t n) {
  std::vector<float> c(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      float& sum = c[i * n + j];
      for (std::size_t k = 0; k < n; ++k) sum += element(seedA, i, k) * element(seedB, k, j);
    }
  }
  return c;
}

TEST(Tiles, CutsCoverAllOnce) {
  for (std::size_t n : {1u, 15u, 16u, 17u, 100u}) {
    std::size_t next = 0;
    for (const Cut& cut : cuts(n, 16)) {
      EXPECT_EQ(cut.first, next);
      EXPECT_TRUE(cut.size >= 1 && cut.size <= 16);
      next += cut.size;
    }
    EXPECT_EQ(next, n);
  }
}

TEST(Tiles, NumbersAreSmallWholeAndDifferent) {
  float least = 0, most = 0;
  std::size_t same = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    for (std::size_t j = 0; j < 100; ++j) {
      float value = element(1, i, j);
      EXPECT_EQ(value, static_cast<float>(static_cast<int>(value)));
      least = std::min(least, value);
      most = std::max(most, value);
      same += value == element(2, i, j);
    }
  }
  EXPECT_EQ(least, -4);
  EXPECT_EQ(most, 4);
  EXPECT_NEAR(static_cast<double>(same), 10'000 / 9.0, 150);
}

TEST(Tiles, AProductIsAcceptedAndOneWrongElementIsNot) {
  constexpr std::size_t kN = 37;
  std::vector<float> c = product(1, 2, kN);
  EXPECT_TRUE(isProduct(1, 2, c, kN, 20));
  EXPECT_FALSE(isProduct(2, 1, c, kN, 20));
  for (std::size_t place : {std::size_t{0}, kN + 5, kN * kN - 1}) {
    std::vector<float> wrong = c;
    wrong[place] += 1;
    EXPECT_FALSE(isProduct(1, 2, wrong, kN, 20)) << place;
  }
}

}  // namespace
}  // namespace matmul
