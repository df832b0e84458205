#include "gpu/emulator/engine.h"

#include <gtest/gtest.h>

#include <vector>

namespace alnilam::gpu::emulator {
namespace {

struct Row {
  const char* name;
  std::int64_t earliest, length;
  std::uint32_t amount;
  std::int64_t starts;
};

// One engine of capacity 4, asked in this order.
const Row kRows[] = {
    {"the first begins when it wants to", 10, 10, 2, 10},
    {"another that fits beside it as well", 12, 10, 2, 12},
    {"one that doesn't waits until enough is free", 12, 5, 4, 22},
    {"one from before gets the gap before all", 0, 10, 4, 0},
    {"or the first gap that is long enough", 0, 2, 2, 10},
    {"which may be the end", 0, 3, 2, 27},
    {"more than there is means all", 0, 1, 99, 30},
    {"nothing takes no time and no place", 12, 0, 4, 12},
    {"later work isn't held up by earlier gaps", 100, 5, 1, 100},
};

TEST(Engine, GivesTheFirstMomentAtWhichEnoughIsFreeForLongEnough) {
  Engine engine("compute", 4);
  for (const Row& row : kRows) {
    EXPECT_EQ(engine.reserve(Engine::Time(row.earliest), Engine::Time(row.length), row.amount),
              Engine::Time(row.starts))
        << row.name;
  }
}

TEST(Engine, ForgetsThePastAndReservesNothingInIt) {
  Engine engine("copyHtoD", 1);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(engine.reserve(Engine::Time(i * 20), Engine::Time(10)), Engine::Time(i * 20));
  }
  EXPECT_GT(engine.reserve(Engine::Time(0), Engine::Time(1)), Engine::Time(150'000));
}

}  // namespace
}  // namespace alnilam::gpu::emulator
