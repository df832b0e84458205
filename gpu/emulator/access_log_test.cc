// Runs of bytes, clocks, and what is kept of them: the arithmetic behind races.

#include "gpu/emulator/access_log.h"
#include "gpu/emulator/races.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam::gpu::emulator {
namespace {

std::vector<bool> bytesOf(const Runs& runs, std::size_t size) {
  std::vector<bool> bytes(size);
  for (Bytes run : runs) {
    for (std::uint64_t i = run.from; i < run.to; ++i) bytes[i] = true;
  }
  return bytes;
}
Runs runsOf(const std::vector<bool>& bytes) {
  Runs runs;
  for (std::uint64_t i = 0; i < bytes.size(); ++i) {
    if (!bytes[i]) continue;
    if (!runs.empty() && runs.back().to == i) ++runs.back().to;
    else runs.push_back({i, i + 1});
  }
  return runs;
}
std::vector<bool> randomBytes(std::mt19937& generator, unsigned dense) {
  std::vector<bool> bytes(100);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = generator() % 10 < dense;
  return bytes;
}

TEST(Runs, CommonBytesAndCoverAreThoseOfTheSets) {
  std::mt19937 generator(1);
  for (int round = 0; round < 2000; ++round) {
    auto a = randomBytes(generator, generator() % 10), b = randomBytes(generator, generator() % 10),
         c = randomBytes(generator, generator() % 3);
    bool shared = false, covered = true;
    for (std::size_t i = 0; i < a.size(); ++i) {
      shared = shared || (a[i] && c[i]);
      covered = covered && (!c[i] || a[i] || b[i]);
    }
    Bytes found = common(runsOf(a), runsOf(c));
    EXPECT_EQ(found.from < found.to, shared);
    for (std::uint64_t i = found.from; i < found.to; ++i) EXPECT_TRUE(a[i] && c[i]);
    EXPECT_EQ(covers(runsOf(a), runsOf(b), runsOf(c)), covered);
  }
}

TEST(AccessLog, NotesEveryByteAndNoOther) {
  std::mt19937 generator(2);
  AccessLog logs[2];
  std::vector<bool> want(3 * 4096);
  for (int round = 0; round < 200; ++round) {
    std::uint64_t addresses[kLanes];
    std::uint32_t bytes = 1u << generator() % 5, mask = generator();
    std::uint64_t start = generator() % (2 * 4096), stride = generator() % 3 * bytes;
    for (unsigned i = 0; i < kLanes; ++i) {
      addresses[i] = start / bytes * bytes + i * stride;
      for (std::uint64_t b = 0; mask >> i & 1 && b < bytes; ++b) want[addresses[i] + b] = true;
    }
    if (mask) logs[round % 2].note(addresses, mask, bytes, Access::write);
  }
  logs[0].take(std::move(logs[1]));
  Accesses all = logs[0].finish(SIZE_MAX);
  EXPECT_EQ(bytesOf(all.of(Access::write), want.size()), want);
  EXPECT_EQ(all.of(Access::write).size(), runsOf(want).size()) << "runs are as long as can be";
  EXPECT_TRUE(all.of(Access::read).empty());
  EXPECT_EQ(logs[0].finish(3).of(Access::write).size(), 3u);
}

TEST(Clock, JoinsAndCovers) {
  Clock a, b;
  a.raise(3, 5);
  a.raise(1, 2);
  b.raise(3, 4);
  b.raise(2, 9);
  EXPECT_FALSE(a.covers(b));
  a.join(b);
  EXPECT_TRUE(a.covers(b));
  EXPECT_EQ(a.of(1), 2u);
  EXPECT_EQ(a.of(2), 9u);
  EXPECT_EQ(a.of(3), 5u);
  EXPECT_EQ(a.of(4), 0u);
}

TEST(Races, AreFoundAmongTheLatestWorkOnAMemoryHoweverMuchThereWas) {
  Races races;
  Region region{0, 1, 0, 1 << 20};
  auto check = [&](std::uint64_t stream, std::uint64_t number, Bytes bytes,
                   const SharedClock& clock) {
    Accesses accesses;
    accesses.of(Access::write).push_back(bytes);
    return races.check(region, {"work", stream, number, clock}, accesses).has_value();
  };
  auto nothing = std::make_shared<const Clock>();
  for (std::uint64_t i = 1; i <= 10'000; ++i) {
    EXPECT_FALSE(check(1, i, {i * 4, i * 4 + 4}, nothing)) << i;
  }
  EXPECT_TRUE(check(2, 1, {10'000 * 4, 10'000 * 4 + 1}, nothing));
  EXPECT_FALSE(check(2, 2, {4, 8}, nothing)) << "forgotten: the bound is a bound";
  auto after = std::make_shared<Clock>();
  after->raise(1, 10'000);
  EXPECT_FALSE(check(3, 1, {9'999 * 4, 9'999 * 4 + 1}, after));
  EXPECT_EQ(races.found(), 1u);
  races.forget(region);
  EXPECT_FALSE(check(4, 1, {10'000 * 4, 10'000 * 4 + 1}, nothing));
}

}  // namespace
}  // namespace alnilam::gpu::emulator
