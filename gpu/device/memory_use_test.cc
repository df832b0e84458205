// What a device's pool holds, and when it gives that back.  On the emulator, whose pools are pools.

#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/device_fixture_test.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace alnilam::gpu {
namespace {

std::unique_ptr<GpuHost> open() {
  OpenOptions options;
  options.emulate = "2x256MiB";
  auto host = openGpus(options);
  EXPECT_TRUE(host) << host.error().why;
  return std::move(host).value();
}

// Waits for the pool to have given back all that is in no allocation.
DeviceMemoryUse trimmed(GpuHost& host) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    auto use = host.memoryUse();
    bool isTrimmed = use.size() == 1 && use[0].reserved < 32_MiB;
    if (isTrimmed || std::chrono::steady_clock::now() > deadline) return use.at(0);
    std::this_thread::yield();
  }
}

TEST(EmulatedMemoryUse, IsToldOfTheDevicesThatWereUsed) {
  auto host = open();
  EXPECT_TRUE(host->memoryUse().empty());
  TestSlot slot(openSlot(*host, {1}));
  auto array = slot.begin().allocate<std::byte>(48_MiB);
  auto during = host->memoryUse();
  ASSERT_EQ(during.size(), 1u);
  EXPECT_EQ(during[0].gpu, 1u);
  EXPECT_GE(during[0].used, 48_MiB);
  EXPECT_GE(during[0].reserved, during[0].used);
  array = {};
  slot.finish();
  auto after = host->memoryUse();
  EXPECT_LT(after.at(0).used, 48_MiB);
  EXPECT_GE(after.at(0).mostUsed, 48_MiB);
}

TEST(EmulatedMemoryUse, AnIdleDeviceGivesBackWhatItsPoolKeepsAndResultsStay) {
  auto host = open();
  TestSlot slot(openSlot(*host, {0}));
  std::vector<std::byte> home(16_MiB);
  TaskId result = TaskId::make(JobId{1}, 1);
  Context& gpu = slot.begin(result);
  gpu.allocate<std::byte>(100_MiB);
  gpu.giveResult(gpu.allocate<std::byte>(home.size()), home);
  slot.finish();
  EXPECT_GE(host->memoryUse().at(0).reserved, 100_MiB) << "kept for the next task";
  DeviceMemoryUse idle = trimmed(*host);
  EXPECT_LT(idle.reserved, 32_MiB);
  EXPECT_GE(idle.used, 16_MiB) << "the result is still there";
  EXPECT_GE(idle.mostReserved, 100_MiB);
  host->forget(result);
  EXPECT_LT(host->memoryUse().at(0).used, 16_MiB);
}

TEST(DeviceMemoryUse, OfSeveralProcessesIsTheirSumAndTheHighestThatWasSeen) {
  std::vector<DeviceMemoryUse> all;
  addTo(all, {0, 10, 20, 30, 40});
  addTo(all, {1, 1, 2, 3, 4});
  addTo(all, {0, 25, 30, 26, 31});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], (DeviceMemoryUse{0, 35, 50, 35, 50}));
  EXPECT_DOUBLE_EQ(all[0].fragmentation(), 0.3);
  EXPECT_EQ(all[1], (DeviceMemoryUse{1, 1, 2, 3, 4}));
  EXPECT_EQ(DeviceMemoryUse{}.fragmentation(), 0);
}

}  // namespace
}  // namespace alnilam::gpu
