// Copies from and to the node's object memory in place, and who keeps it pinned.  On the fake
// driver, where nothing happens before the test says so.

#include "gpu/device/pinned_arena.h"

#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using How = DeviceEnd::How;

constexpr std::size_t kChunk = PinnedArena::kChunk;
const Kernel<void()> kFail{"fake", "fail"};

class PinnedArenaTest : public testing::Test {
 protected:
  // Two chunks and a part of one; only what tests touch takes memory.
  PinnedArenaTest() : arena_(static_cast<std::byte*>(std::calloc(kSize, 1)), std::free) {
    fake::World world;
    world.devices = 2;
    world.memory = 4 * kSize;
    world.kernels["fail"] = [](void**) { return [] { return CUDA_ERROR_ILLEGAL_ADDRESS; }; };
    fake::reset(std::move(world));
    std::vector<OfferedGpu> offered(2);
    offered[1].ordinal = 1;
    for (OfferedGpu& one : offered) one.gpu.memory = 2 * kSize;
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::move(offered), "");
    host_->useArena({arena_.get(), kSize});
  }
  ~PinnedArenaTest() override {
    host_.reset();
    EXPECT_EQ(fake::world().liveRegistered, 0);
    EXPECT_EQ(fake::world().livePinned, 0);
  }

  TestSlot slot(std::uint32_t gpu) {
    return TestSlot(openSlot(*host_, {gpu}), fake::advance);
  }
  std::span<const std::byte> at(std::size_t offset, std::size_t size) const {
    return {arena_.get() + offset, size};
  }
  static std::vector<std::string> enqueued() { return std::exchange(fake::world().enqueued, {}); }

  static constexpr std::size_t kSize = 2 * kChunk + 4096;
  std::unique_ptr<std::byte, decltype(&std::free)> arena_;
  std::unique_ptr<GpuHost> host_;
};

TEST_F(PinnedArenaTest, InputsAndResultsThereAreCopiedInPlace) {
  TestSlot one = slot(0);
  arena_.get()[100] = std::byte{7};
  Context& gpu = one.begin();
  auto array = gpu.copyToDevice(at(100, 16));
  gpu.giveResult(std::move(array), {arena_.get() + 1000, 16});
  EXPECT_EQ(fake::world().livePinned, 0) << "nothing is staged";
  EXPECT_EQ(fake::world().liveRegistered, 1);
  EXPECT_EQ(one.end().how, How::over);
  EXPECT_EQ(arena_.get()[1000], std::byte{7});
  EXPECT_EQ(fake::world().livePinned, 0);
  EXPECT_EQ(fake::world().liveRegistered, 1) << "it stays pinned";
}

TEST_F(PinnedArenaTest, ACopyOverTheEndOfAChunkIsTwo) {
  TestSlot one = slot(0);
  Context& gpu = one.begin();
  auto array = gpu.copyToDevice(at(kChunk - 8, 16));
  EXPECT_THAT(enqueued(), ElementsAre("copy in 1", "copy in 1"));
  EXPECT_EQ(fake::world().liveRegistered, 2);
  auto last = gpu.copyToDevice(at(2 * kChunk, 4096));
  EXPECT_EQ(fake::world().liveRegistered, 3);
  one.finish();
}

TEST_F(PinnedArenaTest, WhatLiesElsewhereIsStaged) {
  TestSlot one = slot(0);
  std::vector<std::byte> elsewhere(16);
  Context& gpu = one.begin();
  auto array = gpu.copyToDevice(elsewhere);
  EXPECT_EQ(fake::world().livePinned, 1);
  EXPECT_EQ(fake::world().liveRegistered, 0);
  one.finish();
}

TEST_F(PinnedArenaTest, AChunkThatTheDriverRefusesIsNotAskedForAgain) {
  TestSlot one = slot(0);
  fake::world().nextCall["memHostRegister"] = CUDA_ERROR_NOT_SUPPORTED;
  for (int task = 0; task < 2; ++task) {
    Context& gpu = one.begin();
    auto array = gpu.copyToDevice(at(0, 16));
    EXPECT_EQ(fake::world().liveRegistered, 0);
    EXPECT_EQ(fake::world().livePinned, 1) << "staged";
    one.finish();
  }
}

TEST_F(PinnedArenaTest, AnotherDeviceUsesWhatOneHasPinned) {
  TestSlot one = slot(0), other = slot(1);
  auto first = one.begin().copyToDevice(at(0, 16));
  auto second = other.begin().copyToDevice(at(16, 16));
  EXPECT_EQ(fake::world().liveRegistered, 1);
  EXPECT_EQ(fake::world().livePinned, 0);
  first = {};
  second = {};
  one.finish();
  other.finish();
}

TEST_F(PinnedArenaTest, AContextIsNotMadeAnewWhileAnotherDeviceCopiesFromWhatItHasPinned) {
  TestSlot owner = slot(0), other = slot(1);
  auto mine = owner.begin().copyToDevice(at(0, 16));
  mine = {};
  EXPECT_EQ(owner.end().how, How::over);
  Context& guest = other.begin();
  auto theirs = guest.copyToDevice(at(16, 16));
  owner.begin().launch(kFail, {}, {}, 0);
  EXPECT_EQ(owner.end().how, How::failed);
  std::atomic<bool> entered = false;
  std::unique_ptr<HeardTask> last;
  std::thread next([&] {
    owner.begin();
    entered = true;
    last = owner.send();
  });
  EXPECT_FALSE(entered) << "its guest is still there";
  EXPECT_EQ(fake::world().liveRegistered, 1);
  guest.makeCurrent();
  theirs = {};
  EXPECT_EQ(other.end().how, How::over);
  next.join();
  EXPECT_EQ(fake::world().liveRegistered, 0) << "unpinned with the context";
  fake::advance();
  EXPECT_EQ(last->wait().how, How::over);
  auto again = owner.begin().copyToDevice(at(0, 16));
  EXPECT_EQ(fake::world().liveRegistered, 1);
  again = {};
  owner.finish();
}

}  // namespace
}  // namespace alnilam::gpu
