#include "core/placement/prefetch.h"
#include "core/placement/spread.h"

#include <gtest/gtest.h>

#include <string>

namespace alnilam::placement {
namespace {

using Divide = void (*)(std::uint64_t, std::vector<Room>&, std::vector<Chunk>&);

// "1:6 2:6": how many tasks each node got, in the order of the rooms.
std::string given(std::uint64_t tasks, std::vector<Room> rooms, Divide divide = spread) {
  std::vector<std::uint64_t> counts(rooms.size());
  std::vector<Chunk> chunks;
  std::vector<Room> before = rooms;
  divide(tasks, rooms, chunks);
  for (const Chunk& chunk : chunks) counts[chunk.room] += chunk.tasks;
  std::string text;
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    EXPECT_EQ(before[i].tasks - counts[i], rooms[i].tasks);
    EXPECT_EQ(before[i].load + counts[i] * before[i].cost, rooms[i].load);
    text += (i ? " " : "") + std::to_string(rooms[i].node) + ":" + std::to_string(counts[i]);
  }
  return text;
}

TEST(Spread, MakesRelativeLoadEven) {
  EXPECT_EQ(given(12, {{1, 100, 0, 10}, {2, 100, 0, 10}}), "1:6 2:6");
  EXPECT_EQ(given(3, {{1, 100, 0, 10}, {2, 100, 0, 10}}), "1:2 2:1");
  EXPECT_EQ(given(1, {{2, 1, 0, 10}, {1, 1, 0, 10}}), "2:0 1:1");
  EXPECT_EQ(given(6, {{1, 100, 40, 10}, {2, 100, 0, 10}}), "1:1 2:5");
  EXPECT_EQ(given(9, {{1, 100, 0, 10}, {2, 100, 0, 20}}), "1:6 2:3");
}

TEST(Spread, NeverGivesMoreThanThereIsRoom) {
  EXPECT_EQ(given(100, {{1, 3, 0, 10}, {2, 0, 0, 10}, {3, 4, 0, 10}}), "1:3 2:0 3:4");
  EXPECT_EQ(given(5, {}), "");
}

TEST(Pack, FillsTheBusiestNodeFirst) {
  EXPECT_EQ(given(5, {{1, 4, 10, 10}, {2, 4, 30, 10}, {3, 4, 0, 10}}, pack), "1:1 2:4 3:0");
  EXPECT_EQ(given(5, {{2, 4, 0, 10}, {1, 4, 0, 10}}, pack), "2:1 1:4");
  EXPECT_EQ(given(9, {{1, 4, 10, 10}, {2, 3, 30, 10}}, pack), "1:4 2:3");
  EXPECT_EQ(given(5, {}, pack), "");
}

TEST(FillInOrder, GoesOnWhereTheBoundIsReached) {
  auto upTo30 = [](std::uint64_t tasks, std::vector<Room>& rooms, std::vector<Chunk>& chunks) {
    fillInOrder(tasks, {1, 0}, 30, rooms, chunks);
  };
  EXPECT_EQ(given(4, {{1, 9, 0, 10}, {2, 9, 0, 10}}, upTo30), "1:1 2:3");
  EXPECT_EQ(given(9, {{1, 9, 0, 10}, {2, 9, 0, 10}}, upTo30), "1:3 2:3");
  EXPECT_EQ(given(9, {{1, 2, 0, 10}, {2, 9, 35, 10}}, upTo30), "1:2 2:0");
  EXPECT_EQ(given(9, {{1, 9, 0, 0}, {2, 9, 25, 10}}, upTo30), "1:9 2:0") << "those weigh nothing";
}

TEST(Spread, TakesFewChunksForManyTasks) {
  std::vector<Room> rooms;
  for (std::uint32_t node = 1; node <= 10; ++node) rooms.push_back({node, 1'000'000, 0, 1});
  std::vector<Chunk> chunks;
  spread(1'000'000, rooms, chunks);
  EXPECT_LT(chunks.size(), 400u);
}

TEST(Prefetch, QueuesAHorizonOfWork) {
  using namespace std::chrono_literals;
  RunTime time;
  EXPECT_EQ(mayQueue(time, 0, 4ms, 512), 0u);
  EXPECT_EQ(mayQueue(time, 8, 4ms, 512), 1u);  // unknown: one, to learn from
  time.observe(1ms);
  EXPECT_EQ(mayQueue(time, 8, 4ms, 512), 32u);
  time = {};
  time.observe(100ns);
  EXPECT_EQ(mayQueue(time, 2, 4ms, 512), 1024u);
  time = {};
  time.observe(-5ms);  // a node may say anything
  EXPECT_EQ(mayQueue(time, 1, 4ms, 512), 512u);
  time = {};
  time.observe(1h);
  EXPECT_EQ(mayQueue(time, 1, 4ms, 512), 0u);
}

TEST(RunTime, FollowsRecentTasksByAnEighth) {
  RunTime time;
  time.observe(Duration{800});
  time.observe(Duration{1600});
  EXPECT_EQ(time.mean(), Duration{900});
}

}  // namespace
}  // namespace alnilam::placement
