// What a task meets on its device: memory up to its bound, copies that live long enough, errors
// that end one context and no other task's promises.  On the fake driver, which does everything as
// late as it may; device_emulated_test.cc does the same on the emulator with real kernels.

#include "gpu/device/context.h"

#include "core/api/errors.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/fake_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <thread>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPtx = "fake";
const Kernel<void(int*, unsigned, int)> kAdd{kPtx, "add"};
const Kernel<void()> kFail{kPtx, "fail"};

// out[i] += amount, read at the launch as a driver reads it.
std::function<CUresult()> addKernel(void** parameters) {
  int* values = *static_cast<int**>(parameters[0]);
  unsigned count = *static_cast<unsigned*>(parameters[1]);
  int amount = *static_cast<int*>(parameters[2]);
  return [values, count, amount] {
    for (unsigned i = 0; i < count; ++i) values[i] += amount;
    return CUDA_SUCCESS;
  };
}

std::function<CUresult()> failingKernel(void**) {
  return [] { return CUDA_ERROR_ILLEGAL_ADDRESS; };
}

class ContextTest : public testing::Test {
 protected:
  void begin(fake::World world = {}) {
    world.kernels["add"] = addKernel;
    world.kernels["fail"] = failingKernel;
    fake::reset(std::move(world));
    std::vector<OfferedGpu> offered;
    for (int i = 0; i < fake::world().devices; ++i) {
      OfferedGpu one;
      one.ordinal = i;
      one.gpu.model = "Fake";
      one.gpu.emulated = true;
      offered.push_back(one);
    }
    auto loaded = std::make_unique<Loaded>();
    loaded->driver = fake::driver();
    loaded->emulated = true;
    host_ = std::make_unique<GpuHost>(std::move(loaded), std::move(offered), "");
  }

  std::unique_ptr<TestSlot> slot(Bytes bound = 0, std::vector<std::uint32_t> gpus = {0}) {
    return std::make_unique<TestSlot>(openSlot(*host_, std::move(gpus), bound), fake::advance);
  }

  void TearDown() override {
    host_.reset();
    EXPECT_EQ(fake::world().used, 0u) << "device memory was not given back";
    EXPECT_EQ(fake::world().liveStreams, 0);
    EXPECT_EQ(fake::world().livePinned, 0);
    EXPECT_EQ(fake::world().liveContexts, 0);
  }

  std::unique_ptr<GpuHost> host_;
};

template <typename Error, typename Action>
std::string messageOf(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(ContextTest, CopiesLaunchesAndCopiesBackInTheOrderOfTheStream) {
  begin();
  auto devices = slot();
  Context& gpu = devices->begin();
  std::vector<int> values(1000);
  std::iota(values.begin(), values.end(), 0);
  std::vector<int> back(1000, -1);

  auto array = gpu.copyToDevice(values);
  values.assign(1000, 777);  // was read already
  gpu.launch(kAdd, {blocksFor(array.size(), 256)}, {256}, 0, array, 1000u, 5);
  gpu.copyToHost(array, back);
  gpu.fill(array, 0);
  int before = back[10];
  gpu.synchronize();

  EXPECT_EQ(before, -1) << "nothing is written to the task's memory before it waits";
  EXPECT_EQ(back[0], 5);
  EXPECT_EQ(back[999], 1004);
  EXPECT_EQ(gpu.name(), "Fake [emulated]");
  EXPECT_TRUE(gpu.emulated());
  devices->finish();
}

TEST_F(ContextTest, ManyStagedCopiesAreCutAndDeliveredWhole) {
  begin({.memory = 512 << 20});
  auto devices = slot();
  Context& gpu = devices->begin();
  std::vector<std::uint32_t> big(25'000'000);
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<std::uint32_t>(i * 2654435761u);
  std::vector<std::uint32_t> back(big.size());

  auto array = gpu.copyToDevice(big);
  gpu.copyToHost(array, back);
  gpu.synchronize();

  EXPECT_EQ(back, big);
  devices->finish();
}

TEST_F(ContextTest, ABoundHoldsAndNamesItself) {
  begin();
  auto devices = slot(10'000);
  Context& gpu = devices->begin();
  auto kept = gpu.allocate<std::byte>(6'000);
  std::string first = messageOf<OutOfDeviceMemory>([&] { gpu.allocate<std::byte>(4'001); });
  kept = {};
  auto now = gpu.allocate<std::byte>(10'000);

  EXPECT_EQ(first,
            "GPU 0 (Fake [emulated]): 3.9KiB of device memory asked for; the task's bound is "
            "9.8KiB, of which 5.9KiB is used; the device has 1018.1KiB of 1MiB free");
  EXPECT_EQ(gpu.memoryUsed(), 10'000u);
  devices->finish();
}

TEST_F(ContextTest, WithoutABoundTheDeviceItselfIsTheLimit) {
  begin();
  auto devices = slot();
  Context& gpu = devices->begin();
  auto most = gpu.allocate<std::byte>(1 << 20);
  std::string none = messageOf<OutOfDeviceMemory>([&] { gpu.allocate<std::byte>(1); });
  most = {};  // is free once the stream has passed, which the next one waits for
  auto again = gpu.allocate<std::byte>(1 << 20);
  std::string absurd = messageOf<OutOfDeviceMemory>([&] { gpu.allocate<double>(SIZE_MAX / 4); });

  EXPECT_THAT(none, HasSubstr("the task has no bound"));
  EXPECT_THAT(absurd, HasSubstr("asked for"));
  EXPECT_EQ(again.size(), 1u << 20);
  devices->finish();
}

TEST_F(ContextTest, WorksOnADeviceWithoutPools) {
  begin({.pools = false});
  auto devices = slot();
  Context& gpu = devices->begin();
  auto array = gpu.copyToDevice(std::vector<int>{1, 2, 3});
  int back[3] = {};
  gpu.copyToHost(array, back);
  gpu.synchronize();
  EXPECT_EQ(back[2], 3);
  devices->finish();
}

TEST_F(ContextTest, AnArrayThatOutlivesItsTaskIsEmptyAndHarmless) {
  begin();
  auto devices = slot();
  Array<int> kept = devices->begin().allocate<int>(10);
  devices->finish();
  EXPECT_EQ(kept.size(), 0u);
  EXPECT_EQ(kept.data(), nullptr);
  EXPECT_EQ(fake::world().used, 0u);
}

TEST_F(ContextTest, TheNextTaskOfASlotStartsCleanOnAStreamThatIsKept) {
  begin();
  auto devices = slot(1000);
  for (int task = 0; task < 5; ++task) {
    Context& gpu = devices->begin();
    EXPECT_EQ(gpu.memoryUsed(), 0u);
    auto array = gpu.allocate<std::byte>(900);
    devices->finish();
  }
  EXPECT_EQ(fake::world().liveStreams, 2) << "one for its work, one for what comes after";
  EXPECT_EQ(fake::world().contexts, 1);
}

TEST_F(ContextTest, ModulesAreLoadedOnceADevice) {
  begin();
  auto one = slot(), two = slot();
  for (auto* devices : {one.get(), two.get(), one.get()}) {
    Context& gpu = devices->begin();
    auto array = gpu.copyToDevice(std::vector<int>{1});
    gpu.launch(kAdd, {}, {}, 0, array, 1u, 1);
    devices->finish();
  }
  EXPECT_EQ(fake::world().modules, 1);
}

TEST_F(ContextTest, AStickyErrorFailsItsTaskByNameAndTheContextIsMadeAnew) {
  begin();
  auto devices = slot();
  Context& gpu = devices->begin();
  gpu.launch(kFail, {}, {}, 0);
  std::string failed = messageOf<DeviceError>([&] { devices->finish(); });
  Context& again = devices->begin();
  auto array = again.copyToDevice(std::vector<int>{1, 2});
  int back[2] = {};
  again.launch(kAdd, {}, {2}, 0, array, 2u, 10);
  again.copyToHost(array, back);
  again.synchronize();
  devices->finish();

  EXPECT_THAT(failed, HasSubstr("GPU 0 (Fake [emulated]): cuStreamQuery: "
                                "CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
  EXPECT_EQ(back[1], 12);
  EXPECT_EQ(fake::world().contexts, 2);
}

TEST_F(ContextTest, ADeadContextIsMadeAnewOnlyWhenItsOtherTasksHaveLeft) {
  begin();
  auto culprit = slot(), innocent = slot();
  Context& other = innocent->begin();
  auto array = other.allocate<int>(10);
  culprit->begin().launch(kFail, {}, {}, 0);
  EXPECT_THROW(culprit->finish(), DeviceError);
  int contextsSeen = 0;
  std::thread next([&] {
    culprit->begin();  // waits
    contextsSeen = fake::world().contexts;
    culprit->finish();
  });
  EXPECT_THROW(other.allocate<int>(10), DeviceError);
  EXPECT_EQ(fake::world().contexts, 1);
  EXPECT_THROW(innocent->finish(), DeviceError);
  next.join();
  EXPECT_EQ(contextsSeen, 2);
  innocent->begin();
  innocent->finish();
}

TEST_F(ContextTest, ARefusedCallIsNamedAndEndsNothing) {
  begin();
  auto devices = slot();
  Context& gpu = devices->begin();
  auto array = gpu.allocate<int>(1);
  fake::world().nextCall["launchKernel"] = CUDA_ERROR_INVALID_VALUE;
  std::string launch =
      messageOf<DeviceError>([&] { gpu.launch(kAdd, {2}, {32}, 0, array, 1u, 1); });
  const Kernel<void()> missing{kPtx, "nobody"};
  std::string unknown = messageOf<InvalidError>([&] { gpu.launch(missing, {}, {}, 0); });
  std::string large = messageOf<InvalidError>([&] {
    int room[1];
    gpu.copyToHost(gpu.allocate<int>(2), room);
  });
  devices->finish();

  EXPECT_THAT(launch, HasSubstr("launching kernel add on 2x1x1 blocks of 32x1x1 threads"));
  EXPECT_THAT(unknown, HasSubstr("kernel nobody: there is no kernel of this name"));
  EXPECT_EQ(large, "a copy of 2 elements into room for 1");
  EXPECT_EQ(fake::world().contexts, 1);
}

TEST_F(ContextTest, ATaskWithSeveralDevicesHasAllAndCopiesBetweenThem) {
  begin({.devices = 3});
  auto devices = slot(0, {2, 0});
  Context& gpu = devices->begin();
  ASSERT_EQ(gpu.deviceCount(), 2u);
  Context& peer = gpu.on(1);
  EXPECT_EQ(gpu.device(), 2);
  EXPECT_EQ(peer.device(), 0);
  EXPECT_EQ(&peer.on(0), &gpu);
  EXPECT_THAT(messageOf<DeviceError>([&] { gpu.on(2); }), HasSubstr("has 2 devices"));

  auto here = gpu.copyToDevice(std::vector<int>{1, 2, 3});
  gpu.launch(kAdd, {}, {3}, 0, here, 3u, 100);
  auto there = peer.copyHere(here.view(), gpu);
  here = {};
  peer.launch(kAdd, {}, {3}, 0, there, 3u, 1000);
  int back[3] = {};
  peer.copyToHost(there, back);
  peer.synchronize();
  devices->finish();

  EXPECT_EQ(back[0], 1101);
  EXPECT_EQ(back[2], 1103);
}

TEST_F(ContextTest, ADeviceThatIsNotThereIsRefused) {
  begin();
  std::string why = messageOf<DeviceError>([&] { slot(0, {1}); });
  EXPECT_THAT(why, HasSubstr("GPU 1 is not there"));
}

TEST_F(ContextTest, WhenNoContextCanBeMadeTheTaskFailsAndALaterOneWorks) {
  begin({.nextCall = {{"streamCreateWithPriority", CUDA_ERROR_OUT_OF_MEMORY}}});
  auto devices = slot();
  EXPECT_THROW(devices->begin(), OutOfDeviceMemory);
  devices->begin();
  devices->finish();
}

}  // namespace
}  // namespace alnilam::gpu
