// A slot's tasks behind each other on a device, and what a failing context does to them.  On the
// fake driver, where nothing happens before the test says so.

#include "gpu/device/pipeline.h"

#include "core/api/errors.h"
#include "gpu/device/context.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using How = DeviceEnd::How;

constexpr std::string_view kPtx = "fake";
const Kernel<void()> kWork{kPtx, "work"};
const Kernel<void()> kFail{kPtx, "fail"};
const Kernel<void()> kLose{kPtx, "lose"};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() {
    fake::World world;
    world.devices = 2;
    world.kernels["work"] = [](void**) { return [] { return CUDA_SUCCESS; }; };
    world.kernels["fail"] = [](void**) { return [] { return CUDA_ERROR_ILLEGAL_ADDRESS; }; };
    world.kernels["lose"] = [](void**) { return [] { return CUDA_ERROR_DEVICE_UNAVAILABLE; }; };
    fake::reset(std::move(world));
    std::vector<OfferedGpu> offered(2);
    offered[1].ordinal = 1;
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::move(offered), "");
  }
  ~PipelineTest() override {
    host_.reset();
    EXPECT_EQ(fake::world().used, 0u) << "device memory was not given back";
    EXPECT_EQ(fake::world().liveStreams, 0);
    EXPECT_EQ(fake::world().livePinned, 0);
    EXPECT_EQ(fake::world().liveContexts, 0);
  }

  TestSlot slot(std::vector<std::uint32_t> gpus = {0}) {
    return TestSlot(openSlot(*host_, std::move(gpus)), fake::advance);
  }
  static std::unique_ptr<HeardTask> run(TestSlot& slot, const Kernel<void()>& kernel,
                                        TaskId id = {}) {
    slot.begin(id).launch(kernel, {}, {}, 0);
    return slot.send();
  }
  static TaskId task(std::uint32_t index) { return TaskId::make(JobId{1}, index); }

  std::unique_ptr<GpuHost> host_;
};

TEST_F(PipelineTest, ASlotGoesOnWhileTheDeviceWorksAndNobodyWaitsForAStream) {
  TestSlot one = slot();
  auto first = run(one, kWork), second = run(one, kWork), third = run(one, kWork);
  EXPECT_FALSE(first->isOver());
  fake::advance();
  for (auto* task : {first.get(), second.get(), third.get()}) {
    EXPECT_EQ(task->wait().how, How::over);
  }
  EXPECT_EQ(fake::world().waits, 0);
}

TEST_F(PipelineTest, StreamsOfLargerSharesHaveTheHigherPriority) {
  auto prioritiesOf = [&](double share) {
    fake::world().priorities.clear();
    TestSlot one(openSlot(*host_, {0}, 0, Amount::from(share, "gpus").value()), fake::advance);
    auto heard = run(one, kWork);
    fake::advance();
    heard->wait();
    return fake::world().priorities;
  };
  EXPECT_THAT(prioritiesOf(1), ElementsAre(-4, -4));
  EXPECT_THAT(prioritiesOf(0.5), ElementsAre(-2, -2));
  EXPECT_THAT(prioritiesOf(0.01), ElementsAre(0, 0));
  EXPECT_THAT(prioritiesOf(0.5), ElementsAre()) << "those that are there serve again";
}

TEST(StreamPriority, IsTheGreatestForAWholeDeviceAndTheLeastForNextToNothing) {
  struct Row { double share; int least, greatest, priority; };
  for (const Row& row : {Row{1, 0, -5, -5}, {0.75, 0, -5, -3}, {0.25, 0, -5, -1}, {0.1, 0, -5, 0},
                         {0.5, 0, 0, 0}, {4, 0, -5, -5}}) {
    EXPECT_EQ(streamPriority(Amount::from(row.share, "gpus").value(), row.least, row.greatest),
              row.priority) << row.share;
  }
}

TEST_F(PipelineTest, WhatComesAfterATaskIsNotInTheWayOfTheNext) {
  std::vector<int> result(4, -1);
  TestSlot one = slot();
  Context& gpu = one.begin();
  auto array = gpu.copyToDevice(std::vector<int>{1, 2, 3, 4});
  gpu.launch(kWork, {}, {}, 0);
  gpu.giveResult(std::move(array), std::as_writable_bytes(std::span(result)));
  EXPECT_EQ(array.size(), 0u);
  auto first = one.send();
  auto second = run(one, kWork);
  // Streams in the order of their making: 1 computes, 2 is the tail.
  EXPECT_THAT(fake::world().enqueued,
              ElementsAre("copy in 1", "launch work 1", "wait 1 2", "copy home 2", "host 2",
                          "launch work 1", "wait 1 2", "host 2"));
  EXPECT_EQ(result[0], -1);
  fake::advance();
  EXPECT_EQ(first->wait().how, How::over);
  EXPECT_EQ(second->wait().how, How::over);
  EXPECT_EQ(result, (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(PipelineTest, WhoIsAloneOnAFailingContextIsAtFault) {
  TestSlot one = slot();
  auto culprit = run(one, kFail);
  fake::advance();
  DeviceEnd end = culprit->wait();
  EXPECT_EQ(end.how, How::failed);
  EXPECT_THAT(end.why, HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
  EXPECT_EQ(end.health, DeviceHealth::contextLost);
  EXPECT_EQ(end.sickGpu, 0u);
  EXPECT_EQ(one.begin().deviceCount(), 1u);
  one.finish();
  EXPECT_EQ(host_->device(0).rebuilds(), 1u);
}

TEST_F(PipelineTest, OfSeveralNobodyIsChargedBeforeItFailsAlone) {
  TestSlot one = slot(), two = slot();
  auto early = run(one, kWork, task(1));
  fake::advance();
  EXPECT_EQ(early->wait().how, How::over);

  auto culprit = run(one, kFail, task(2)), behind = run(one, kWork, task(3)),
       beside = run(two, kWork, task(4));
  fake::advance();
  for (auto* lost : {culprit.get(), behind.get(), beside.get()}) {
    EXPECT_EQ(lost->wait().how, How::undone);
    EXPECT_EQ(lost->wait().health, DeviceHealth::ok);
  }

  auto again = run(one, kWork, task(3));
  fake::advance();
  EXPECT_EQ(again->wait().how, How::over);
  auto blamed = run(one, kFail, task(2));
  fake::advance();
  EXPECT_EQ(blamed->wait().how, How::failed);
  auto last = run(two, kWork, task(4));
  fake::advance();
  EXPECT_EQ(last->wait().how, How::over);
  EXPECT_EQ(host_->device(0).rebuilds(), 2u);
}

TEST_F(PipelineTest, WhoIsRunAgainIsAloneOnTheDevice) {
  TestSlot one = slot(), two = slot();
  auto culprit = run(one, kFail, task(2)), behind = run(one, kWork, task(3));
  fake::advance();
  culprit->wait();
  behind->wait();

  auto other = run(two, kWork, task(4));
  std::unique_ptr<HeardTask> again;
  std::atomic<bool> entered = false;
  std::thread suspect([&] {
    one.begin(task(2)).launch(kFail, {}, {}, 0);
    entered = true;
    again = one.send();
  });
  fake::advance();
  EXPECT_EQ(other->wait().how, How::over);
  suspect.join();

  // And nobody else gets in beside it.
  std::unique_ptr<HeardTask> third;
  std::thread later([&] { third = run(two, kWork, task(5)); });
  while (!entered) std::this_thread::yield();
  fake::advance();
  EXPECT_EQ(again->wait().how, How::failed) << "it was not alone";
  later.join();
  fake::advance();
  EXPECT_EQ(third->wait().how, How::over);
}

TEST_F(PipelineTest, AFunctionThatStillRunsWhenTheContextFailsIsUndoneWhenItReturns) {
  TestSlot one = slot(), two = slot();
  Context& running = two.begin(task(2));
  auto culprit = run(one, kFail, task(1));
  fake::advance();
  EXPECT_EQ(culprit->wait().how, How::undone);
  EXPECT_THROW(running.launch(kWork, {}, {}, 0), DeviceError);
  EXPECT_EQ(two.send()->wait().how, How::undone);
  auto blamed = run(one, kFail, task(1));
  fake::advance();
  EXPECT_EQ(blamed->wait().how, How::failed);
}

TEST_F(PipelineTest, ALostDeviceFailsAllAndRunsNobodyAgain) {
  TestSlot one = slot(), two = slot(), other = slot({1});
  auto culprit = run(one, kLose), behind = run(one, kWork), beside = run(two, kWork);
  auto elsewhere = run(other, kWork);
  fake::advance();
  for (auto* lost : {culprit.get(), behind.get(), beside.get()}) {
    EXPECT_EQ(lost->wait().how, How::failed);
    EXPECT_EQ(lost->wait().health, DeviceHealth::deviceLost);
  }
  EXPECT_EQ(elsewhere->wait().how, How::over);
}

TEST_F(PipelineTest, ATaskOnTwoDevicesIsOverWhenBothAre) {
  TestSlot both = slot({1, 0});
  both.begin().launch(kWork, {}, {}, 0);
  auto task = both.send();
  fake::advance();
  EXPECT_EQ(task->wait().how, How::over);

  both.begin().on(1).launch(kFail, {}, {}, 0);
  auto failing = both.send();
  fake::advance();
  EXPECT_EQ(failing->wait().how, How::failed);
  EXPECT_EQ(host_->device(1).rebuilds(), 0u);
}

TEST_F(PipelineTest, WhatADriverRefusesOnTheWayOutIsWaitedForInstead) {
  for (const char* call : {"eventRecord", "launchHostFunc"}) {
    TestSlot one = slot();
    one.begin().launch(kWork, {}, {}, 0);
    fake::world().nextCall[call] = CUDA_ERROR_OUT_OF_MEMORY;
    auto task = one.send();
    fake::advance();
    EXPECT_EQ(task->wait().how, How::over) << call;
    EXPECT_EQ(std::exchange(fake::world().waits, 0), 1) << call;
  }
}

TEST_F(PipelineTest, AResultThatCannotComeHomeFailsItsTask) {
  std::vector<int> result(4, -1);
  TestSlot one = slot();
  Context& gpu = one.begin();
  gpu.giveResult(gpu.allocate<int>(4), std::as_writable_bytes(std::span(result)));
  fake::world().nextCall["memcpyDtoHAsync"] = CUDA_ERROR_INVALID_VALUE;
  auto task = one.send();
  fake::advance();
  DeviceEnd end = task->wait();
  EXPECT_EQ(end.how, How::failed);
  EXPECT_THAT(end.why, HasSubstr("copying the result home"));
}

TEST_F(PipelineTest, WithoutPoolsMemoryIsFreedWhenItsTaskHasEnded) {
  fake::world().pools = false;
  TestSlot one = slot();
  Context& gpu = one.begin();
  auto array = gpu.allocate<int>(100);
  gpu.launch(kWork, {}, {}, 0);
  auto task = one.send();
  EXPECT_EQ(array.size(), 0u);
  EXPECT_EQ(fake::world().used, 400u);
  fake::advance();
  EXPECT_EQ(task->wait().how, How::over);
  EXPECT_EQ(fake::world().used, 0u);
}

}  // namespace
}  // namespace alnilam::gpu
