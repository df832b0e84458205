// Results that stay on the device, and who takes them there.  On the fake driver, where nothing
// happens before the test says so.

#include "gpu/device/residents.h"

#include "core/api/errors.h"
#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using How = DeviceEnd::How;

constexpr std::size_t kMemory = 1 << 20;
const Kernel<void(const int*)> kRead{"fake", "read"};
const Kernel<void()> kFail{"fake", "fail"};

using Values = std::array<int, 4>;

// A result in host memory, as it will be or is.
struct Result {
  TaskId id;
  Values values{};
  std::span<std::byte> room() { return std::as_writable_bytes(std::span(values)); }
  DeviceInput input(bool coming = true) { return {id, std::as_bytes(std::span(values)), coming}; }
};

class ResidentsTest : public testing::Test {
 protected:
  ResidentsTest() {
    fake::World world;
    world.devices = 2;
    world.memory = 2 * kMemory;  // of both
    world.kernels["read"] = [this](void** parameters) {
      auto* values = *static_cast<const int**>(parameters[0]);
      return [this, values] {
        seen_.push_back(*values);
        return CUDA_SUCCESS;
      };
    };
    world.kernels["fail"] = [](void**) { return [] { return CUDA_ERROR_ILLEGAL_ADDRESS; }; };
    fake::reset(std::move(world));
    std::vector<OfferedGpu> offered(2);
    offered[1].ordinal = 1;
    for (OfferedGpu& one : offered) one.gpu.memory = kMemory;
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::move(offered), "");
  }
  ~ResidentsTest() override {
    host_.reset();
    EXPECT_EQ(fake::world().used, 0u) << "device memory was not given back";
    EXPECT_EQ(fake::world().liveContexts, 0);
  }

  TestSlot slot(std::vector<std::uint32_t> gpus = {0}, Bytes bound = 0) {
    return TestSlot(openSlot(*host_, std::move(gpus), bound), fake::advance);
  }
  // A task that makes {value, ...} of `count` ints.
  std::unique_ptr<HeardTask> make(TestSlot& slot, Result& result, int value) {
    Context& gpu = slot.begin(result.id);
    auto array = gpu.copyToDevice(Values{value, value, value, value});
    gpu.giveResult(std::move(array), result.room());
    return slot.send();
  }
  std::unique_ptr<HeardTask> take(TestSlot& slot, const DeviceInput& input, TaskId id = task(9)) {
    Context* gpu = slot.begin(id, {input});
    if (!gpu) return nullptr;
    read(*gpu, gpu->takeInput(input.bytes));
    return slot.send();
  }
  static void read(Context& gpu, std::uintptr_t address) {
    gpu.launch(kRead, {}, {}, 0, View<const int>(reinterpret_cast<const int*>(address), 4));
  }
  // Since the last call.
  static std::vector<std::string> enqueued() { return std::exchange(fake::world().enqueued, {}); }
  // Makes a result of `bytes`, to its end.
  void fillWith(TestSlot& slot, std::uint32_t index, std::size_t bytes) {
    std::vector<std::byte> room(bytes);
    Context& gpu = slot.begin(task(index));
    gpu.giveResult(gpu.allocate<std::byte>(bytes), room);
    EXPECT_EQ(slot.end().how, How::over);
  }
  static TaskId task(std::uint32_t index) { return TaskId::make(JobId{1}, index); }

  std::vector<int> seen_;  // by `read`
  std::unique_ptr<GpuHost> host_;
};

TEST_F(ResidentsTest, ATaskOfTheSameSlotTakesAResultThatIsNotMadeYetAndNothingIsCopied) {
  TestSlot one = slot();
  Result result{task(1)};
  auto maker = make(one, result, 7);
  enqueued();
  auto taker = take(one, result.input());
  EXPECT_THAT(enqueued(), ElementsAre("launch read 1", "wait 1 2", "host 2"));
  fake::advance();
  EXPECT_EQ(maker->wait().how, How::over);
  EXPECT_EQ(taker->wait().how, How::over);
  EXPECT_THAT(seen_, ElementsAre(7));
  EXPECT_EQ(result.values[3], 7) << "it came home all the same";
}

TEST_F(ResidentsTest, AnotherSlotWaitsForTheWorkThatMakesItAndNotForItsWayHome) {
  TestSlot one = slot(), two = slot();
  Result result{task(1)};
  two.begin();  // its streams are 1 and 2
  two.end();
  auto maker = make(one, result, 7);
  enqueued();
  auto taker = take(two, result.input());
  EXPECT_THAT(enqueued(), ElementsAre("wait 3 1", "launch read 1", "wait 1 2", "host 2"));
  fake::advance();
  EXPECT_EQ(taker->wait().how, How::over);
  EXPECT_THAT(seen_, ElementsAre(7)) << "stream 1 is the first to be advanced";
  EXPECT_EQ(maker->wait().how, How::over);

  auto later = take(two, result.input(false));
  EXPECT_THAT(enqueued(), ElementsAre("launch read 1", "wait 1 2", "host 2")) << "it is made";
  fake::advance();
  EXPECT_EQ(later->wait().how, How::over);
}

TEST_F(ResidentsTest, AnotherDeviceCopiesItAcross) {
  TestSlot there = slot({1}), here = slot({0});
  here.begin();
  here.end();
  Result result{task(1)};
  auto maker = make(there, result, 7);
  enqueued();
  auto taker = take(here, result.input());
  EXPECT_THAT(enqueued(), ElementsAre("wait 3 5", "copy across 5", "wait 5 1", "launch read 1",
                                      "free 1", "wait 1 2", "host 2"));
  fake::advance();
  EXPECT_EQ(taker->wait().how, How::over);
  EXPECT_EQ(maker->wait().how, How::over);
  EXPECT_THAT(seen_, ElementsAre(7));
  EXPECT_THAT(fake::world().reached, ElementsAre("0 to 1")) << "directly, from now on";
  auto again = take(here, result.input(false));
  fake::advance();
  EXPECT_EQ(again->wait().how, How::over);
  EXPECT_EQ(fake::world().reached.size(), 1u);
}

TEST_F(ResidentsTest, InputsAreCopiedBesideTheWorkOfEarlierTasks) {
  TestSlot one = slot();
  Result first{task(1), {1, 1, 1, 1}}, second{task(2), {2, 2, 2, 2}};
  std::vector<std::unique_ptr<HeardTask>> sent;
  sent.push_back(take(one, first.input(false), task(8)));
  enqueued();
  sent.push_back(take(one, second.input(false), task(9)));
  EXPECT_THAT(enqueued(), ElementsAre("copy in 3", "wait 3 1", "launch read 1", "free 1",
                                      "wait 1 2", "host 2"));
  fake::advance();
  for (auto& task : sent) EXPECT_EQ(task->wait().how, How::over);
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(ResidentsTest, WhereDevicesCannotCopyFromEachOtherItComesByTheHost) {
  fake::world().peers = false;
  TestSlot there = slot({1}), here = slot({0});
  Result result{task(1)};
  auto maker = make(there, result, 7);
  EXPECT_EQ(take(here, result.input()), nullptr) << "the bytes are not there yet";
  fake::advance();
  EXPECT_EQ(maker->wait().how, How::over);
  enqueued();
  auto taker = take(here, result.input(false));
  EXPECT_THAT(enqueued(), ElementsAre("copy in 5", "wait 5 3", "launch read 3", "free 3",
                                      "wait 3 4", "host 4"));
  fake::advance();
  EXPECT_EQ(taker->wait().how, How::over);
  EXPECT_THAT(seen_, ElementsAre(7));
}

TEST_F(ResidentsTest, NothingIsTakenThatIsUnknownForgottenOrOfATaskThatFailed) {
  TestSlot one = slot();
  Result result{task(1)}, failed{task(2)};
  EXPECT_EQ(take(one, result.input()), nullptr);
  auto maker = make(one, result, 7);
  host_->forget(result.id);
  EXPECT_EQ(take(one, result.input()), nullptr);
  Context& gpu = one.begin(failed.id);
  gpu.giveResult(gpu.allocate<int>(4), failed.room());
  fake::world().nextCall["memcpyDtoHAsync"] = CUDA_ERROR_INVALID_VALUE;
  auto failing = one.send();
  fake::advance();
  EXPECT_EQ(failing->wait().how, How::failed);
  EXPECT_EQ(take(one, failed.input()), nullptr);
  EXPECT_EQ(maker->wait().how, How::over);
  EXPECT_EQ(fake::world().used, 0u);
}

TEST_F(ResidentsTest, WhoFollowsATaskThatKillsTheContextIsUndoneWithIt) {
  TestSlot one = slot();
  Result result{task(1)};
  Context& gpu = one.begin(result.id);
  gpu.launch(kFail, {}, {}, 0);
  gpu.giveResult(gpu.copyToDevice(Values{1, 2, 3, 4}), result.room());
  auto maker = one.send();
  auto taker = take(one, result.input());
  fake::advance();
  EXPECT_EQ(maker->wait().how, How::undone);
  EXPECT_EQ(taker->wait().how, How::undone);
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_EQ(take(one, result.input()), nullptr);
}

TEST_F(ResidentsTest, AContextIsNotMadeAnewUnderATaskOfAnotherDeviceThatCopiesFromIt) {
  TestSlot there = slot({1}), here = slot({0});
  Result result{task(1)};
  auto maker = make(there, result, 7);
  fake::advance();
  EXPECT_EQ(maker->wait().how, How::over);
  Context* gpu = here.begin(task(9), {result.input()});
  ASSERT_NE(gpu, nullptr);
  there.begin(task(2)).launch(kFail, {}, {}, 0);
  EXPECT_EQ(there.end().how, How::failed);
  std::atomic<bool> entered = false;
  std::unique_ptr<HeardTask> last;
  std::thread next([&] {
    there.begin(task(3));
    entered = true;
    last = there.send();
  });
  EXPECT_FALSE(entered) << "its guest is still there";
  auto taker = here.send();
  fake::advance();
  taker->wait();
  next.join();
  EXPECT_EQ(host_->device(1).rebuilds(), 1u);
  fake::advance();
  EXPECT_EQ(last->wait().how, How::over);
}

TEST_F(ResidentsTest, AQuarterOfTheMemoryIsKeptAndTheLeastRecentlyUsedGoesFirst) {
  TestSlot one = slot();
  constexpr std::size_t kPart = kMemory / 16;
  for (std::uint32_t i = 1; i <= 4; ++i) fillWith(one, i, kPart);
  EXPECT_EQ(fake::world().used, 4 * kPart);
  std::vector<std::byte> bytes(kPart);
  ASSERT_NE(one.begin(task(8), {{task(1), bytes, true}}), nullptr);
  one.finish();
  fillWith(one, 5, kPart);
  EXPECT_EQ(fake::world().used, 4 * kPart);
  ASSERT_NE(one.begin(task(8), {{task(1), bytes, true}}), nullptr);
  one.finish();
  EXPECT_EQ(one.begin(task(8), {{task(2), bytes, true}}), nullptr);
}

TEST_F(ResidentsTest, AnAllocationThatFindsNoRoomHasWhatIsIdle) {
  TestSlot one = slot();
  fillWith(one, 1, kMemory / 4);
  std::size_t rest = fake::world().memory - kMemory / 4;
  Context& gpu = one.begin();
  auto all = gpu.allocate<std::byte>(rest);
  EXPECT_EQ(fake::world().used, rest + kMemory / 4);
  EXPECT_THROW(gpu.allocate<std::byte>(kMemory), OutOfDeviceMemory);
  EXPECT_EQ(fake::world().used, rest);
  one.finish();
}

TEST_F(ResidentsTest, WhatEarlierTasksOfTheSlotUseIsWaitedForWhereThereIsNoOtherRoom) {
  TestSlot one = slot();
  std::vector<std::byte> room(kMemory / 4);
  Context& gpu = one.begin(task(1));
  gpu.giveResult(gpu.allocate<std::byte>(room.size()), room);
  auto maker = one.send();
  std::atomic<bool> isOver = false;
  std::thread device([&isOver] {
    while (!isOver) {
      fake::advance();
      std::this_thread::yield();
    }
  });
  auto all = one.begin().allocate<std::byte>(2 * kMemory);
  isOver = true;
  device.join();
  EXPECT_EQ(all.size(), 2 * kMemory);
  EXPECT_EQ(maker->wait().how, How::over);
  one.finish();
}

TEST_F(ResidentsTest, WhatIsTakenCountsAgainstTheBoundAsACopyDoes) {
  TestSlot one = slot(), two = slot({0}, 16);
  Result result{task(1)};
  auto maker = make(one, result, 7);
  Context* gpu = two.begin(task(2), {result.input()});
  gpu->takeInput(result.input().bytes);
  EXPECT_EQ(gpu->memoryUsed(), 16u);
  EXPECT_THROW(gpu->takeInput(result.input().bytes), OutOfDeviceMemory);
  two.finish();
  EXPECT_EQ(maker->wait().how, How::over);
}

}  // namespace
}  // namespace alnilam::gpu
