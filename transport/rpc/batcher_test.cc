#include "transport/rpc/batcher.h"

#include "transport/rpc/wakeup.h"

#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/debug.h>

#include <string>
#include <thread>
#include <vector>

namespace alnilam::rpc {
namespace {

// A batch of numbers; more than ten are cut.
struct Numbers {
  std::vector<int> values;
  bool empty() const { return values.empty(); }
};

std::vector<Numbers> cut(Numbers batch) {
  std::vector<Numbers> parts;
  for (int value : batch.values) {
    if (parts.empty() || parts.back().values.size() == 10) parts.emplace_back();
    parts.back().values.push_back(value);
  }
  if (parts.empty()) parts.push_back(std::move(batch));
  return parts;
}

struct World {
  kj::EventLoop loop;
  kj::WaitScope waitScope{loop};
  std::vector<std::vector<int>> sent;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> unanswered;
  std::string failure;
  Outbox<Numbers> outbox{[this](Numbers& batch) {
                           sent.push_back(batch.values);
                           auto pair = kj::newPromiseAndFulfiller<void>();
                           unanswered.push_back(kj::mv(pair.fulfiller));
                           return kj::mv(pair.promise);
                         },
                         [this](kj::Exception&& cause) {
                           failure += cause.getDescription().cStr();
                         },
                         2};

  void add(int value) { outbox.open().values.push_back(value); }
  void answer(std::size_t call) {
    unanswered[call]->fulfill();
    waitScope.poll();
  }
};

using Sent = std::vector<std::vector<int>>;

TEST(Batcher, WhatOneTurnSaysGoesInOneCall) {
  World world;
  world.add(1);
  world.add(2);
  EXPECT_TRUE(world.sent.empty());
  world.waitScope.poll();
  EXPECT_EQ(world.sent, (Sent{{1, 2}}));
}

TEST(Batcher, GathersWhileEnoughCallsAreUnderWay) {
  World world;
  world.add(1);
  world.waitScope.poll();
  world.add(2);
  world.waitScope.poll();
  for (int value : {3, 4, 5}) {
    world.add(value);
    world.waitScope.poll();
  }
  EXPECT_EQ(world.sent, (Sent{{1}, {2}}));
  world.answer(1);
  EXPECT_EQ(world.sent, (Sent{{1}, {2}, {3, 4, 5}}));
  EXPECT_FALSE(world.outbox.idle());
  world.answer(0);
  world.answer(2);
  EXPECT_TRUE(world.outbox.idle());
}

TEST(Batcher, ABatchThatIsTooLargeGoesInPartsAndInOrder) {
  World world;
  for (int value = 0; value < 35; ++value) world.add(value);
  world.waitScope.poll();
  EXPECT_EQ(world.sent.size(), 2u) << "parts count as calls under way";
  world.add(35);
  world.answer(0);
  world.answer(1);
  world.answer(2);
  ASSERT_EQ(world.sent.size(), 5u);
  std::vector<int> all;
  for (auto& part : world.sent) all.insert(all.end(), part.begin(), part.end());
  ASSERT_EQ(all.size(), 36u);
  for (int value = 0; value < 36; ++value) EXPECT_EQ(all[value], value);
}

TEST(Batcher, AfterAFailureNothingMoreIsSent) {
  World world;
  world.add(1);
  world.waitScope.poll();
  world.unanswered[0]->reject(KJ_EXCEPTION(DISCONNECTED, "gone"));
  world.waitScope.poll();
  world.add(2);
  world.waitScope.poll();
  EXPECT_EQ(world.sent, (Sent{{1}}));
  EXPECT_EQ(world.failure, "gone");
}

TEST(Wakeup, RingsAfterEveryWakeWhateverTheThread) {
  auto io = kj::setupAsyncIo();
  std::atomic<int> left{0};
  int seen = 0, rings = 0;
  constexpr int kEach = 20'000;
  auto done = kj::newPromiseAndFulfiller<void>();
  Wakeup wakeup(io.unixEventPort, [&]() {
    ++rings;
    seen += left.exchange(0);
    if (seen == 2 * kEach) done.fulfiller->fulfill();
  });
  auto work = [&]() {
    for (int i = 0; i < kEach; ++i) {
      left.fetch_add(1);
      wakeup.wake();
    }
  };
  std::thread first(work), second(work);
  done.promise.wait(io.waitScope);
  first.join();
  second.join();
  EXPECT_EQ(seen, 2 * kEach);
  EXPECT_LE(rings, 2 * kEach);
  EXPECT_GT(rings, 0);
}

}  // namespace
}  // namespace alnilam::rpc
