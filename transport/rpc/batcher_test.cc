#include "transport/rpc/batcher.h"

#include "transport/rpc/wakeup.h"

#include <capnp/message.h>
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

// What a peer would see of a box, and what it says back.
struct Wire final : Mailbox::Carrier {
  void carry(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments,
             kj::Own<capnp::MessageBuilder>) override {
    capnp::SegmentArrayMessageReader message(segments);
    auto mail = message.getRoot<schema::Mail>();
    if (!mail.isBatch()) return;
    std::vector<int> values;
    for (std::uint64_t value : mail.getBatch().getAs<capnp::List<std::uint64_t>>()) {
      values.push_back(static_cast<int>(value));
    }
    sent.push_back(values);
  }
  std::vector<std::vector<int>> sent;
};

struct World {
  World() { mailbox->attach(wire); }

  void add(int value) { outbox.open().values.push_back(value); }
  void answer(std::uint64_t taken) {
    capnp::MallocMessageBuilder message;
    message.initRoot<schema::Mail>().setTaken(taken);
    capnp::SegmentArrayMessageReader read(message.getSegmentsForOutput());
    ASSERT_TRUE(mailbox->deliver(read).hasValue());
    waitScope.poll();
  }

  struct Nobody final : Recipient {
    void delivered(capnp::AnyPointer::Reader) override {}
    void returned(const Refusal&) override {}
  };

  kj::EventLoop loop;
  kj::WaitScope waitScope{loop};
  Wire wire;
  Nobody nobody;
  kj::Own<Mailbox> mailbox = kj::refcounted<Mailbox>();
  Outbox<Numbers> outbox{kj::addRef(*mailbox), [this](Numbers& batch) {
    mailbox->post({64, 0}, [&](capnp::AnyPointer::Builder to) {
      auto list = to.initAs<capnp::List<std::uint64_t>>(static_cast<unsigned>(batch.values.size()));
      unsigned at = 0;
      for (int value : batch.values) list.set(at++, static_cast<unsigned>(value));
    });
  }};
};

using Sent = std::vector<std::vector<int>>;
constexpr int kWindow = static_cast<int>(Mailbox::kWindow);

TEST(Batcher, WhatOneTurnSaysGoesInOneBatch) {
  World world;
  world.add(1);
  world.add(2);
  EXPECT_TRUE(world.wire.sent.empty());
  world.waitScope.poll();
  EXPECT_EQ(world.wire.sent, (Sent{{1, 2}}));
}

TEST(Batcher, GathersWhileEnoughAreOnTheirWay) {
  World world;
  world.mailbox->open(world.nobody);
  for (int value = 0; value < kWindow + 3; ++value) {
    world.add(value);
    world.waitScope.poll();
  }
  ASSERT_EQ(world.wire.sent.size(), Mailbox::kWindow);
  EXPECT_EQ(world.wire.sent.back(), (std::vector<int>{kWindow - 1}));
  world.answer(1);
  ASSERT_EQ(world.wire.sent.size(), Mailbox::kWindow + 1);
  EXPECT_EQ(world.wire.sent.back(), (std::vector<int>{kWindow, kWindow + 1, kWindow + 2}));
  world.mailbox->close(world.nobody);
}

TEST(Batcher, ABatchThatIsTooLargeGoesInPartsAndInOrder) {
  World world;
  world.mailbox->open(world.nobody);
  int last = 10 * kWindow + 15;
  for (int value = 0; value < last; ++value) world.add(value);
  world.waitScope.poll();
  EXPECT_EQ(world.wire.sent.size(), Mailbox::kWindow) << "parts count as batches on their way";
  world.add(last);
  world.answer(3);
  ASSERT_EQ(world.wire.sent.size(), Mailbox::kWindow + 3);
  std::vector<int> all;
  for (auto& part : world.wire.sent) all.insert(all.end(), part.begin(), part.end());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(last) + 1);
  for (int value = 0; value <= last; ++value) EXPECT_EQ(all[value], value);
  world.mailbox->close(world.nobody);
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
