#include "core/engine/hoard.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

namespace alnilam {
namespace {

std::vector<RunTask> tasks(std::uint32_t first, std::uint32_t count) {
  std::vector<RunTask> made;
  for (std::uint32_t i = 0; i < count; ++i) {
    made.push_back({TaskId::make(JobId{1}, first + i), Attempt{1}, 0, {}, {}});
  }
  return made;
}

std::string shown(const std::vector<RunTask>& tasks) {
  std::string text;
  for (const RunTask& task : tasks) {
    text += (text.empty() ? "" : " ") + std::to_string(task.id.index());
  }
  return text;
}

TEST(Hoard, TheWorkerClaimsInOrderAndOthersTakeTheEnd) {
  Hoard hoard;
  auto five = tasks(1, 5);
  hoard.fill(five);
  EXPECT_TRUE(five.empty());
  EXPECT_EQ(hoard.claim()->id.index(), 1u);
  std::vector<RunTask> taken;
  hoard.takeRest(true, taken);
  EXPECT_EQ(shown(taken), "4 5");
  EXPECT_EQ(hoard.claim()->id.index(), 2u);
  hoard.takeRest(true, taken);
  EXPECT_EQ(shown(taken), "4 5 3");
  EXPECT_EQ(hoard.claim(), nullptr);
  EXPECT_TRUE(hoard.isDone());
  hoard.takeRest(false, taken);
  EXPECT_EQ(taken.size(), 3u);
  hoard.clear();
  auto more = tasks(9, 2);
  hoard.fill(more);
  hoard.takeRest(false, taken);
  EXPECT_EQ(shown(taken), "4 5 3 9 10");
  EXPECT_EQ(hoard.claim(), nullptr);
}

TEST(Hoard, EachTaskIsHadByOne) {
  Hoard hoard;
  std::vector<std::uint32_t> claimed;
  std::vector<RunTask> taken;
  std::atomic<bool> isOver = false;
  std::thread other([&hoard, &taken, &isOver] {
    while (!isOver) hoard.takeRest(taken.size() % 2 == 0, taken);
  });
  constexpr std::uint32_t kAll = 20'000;
  for (std::uint32_t first = 1; first <= kAll; first += 20) {
    auto some = tasks(first, 20);
    hoard.fill(some);
    while (RunTask* task = hoard.claim()) claimed.push_back(task->id.index());
    hoard.clear();
  }
  isOver = true;
  other.join();
  std::set<std::uint32_t> all(claimed.begin(), claimed.end());
  for (const RunTask& task : taken) EXPECT_TRUE(all.insert(task.id.index()).second);
  EXPECT_EQ(all.size(), kAll);
  EXPECT_EQ(claimed.size() + taken.size(), kAll);
}

}  // namespace
}  // namespace alnilam
