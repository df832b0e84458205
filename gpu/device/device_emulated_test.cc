// The device layer on the emulator: kernels' PTX runs, and what context_test.cc shows on the fake
// driver holds on one that executes in streams of its own.

#include "core/api/errors.h"
#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/device_fixture_test.h"
#include "vectors.ptx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <vector>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

const Kernel<void(const float*, float*, unsigned, float)> kScale{alnilam_kernels::vectors_ptx,
                                                                 "scale"};
const Kernel<void(int*, unsigned, int)> kAddTo{alnilam_kernels::vectors_ptx, "addTo"};
const Kernel<void(int*)> kAstray{alnilam_kernels::vectors_ptx, "astray"};

class EmulatedDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    OpenOptions options;
    options.emulate = "2x64MiB";
    auto opened = openGpus(options);
    ASSERT_TRUE(opened) << opened.error().why;
    host_ = std::move(opened).value();
  }

  std::unique_ptr<TestSlot> slot(std::vector<std::uint32_t> gpus, Bytes bound = 0) {
    return std::make_unique<TestSlot>(openSlot(*host_, std::move(gpus), bound));
  }

  std::unique_ptr<GpuHost> host_;
};

TEST_F(EmulatedDeviceTest, DevicesAreListedAndCalledEmulated) {
  ASSERT_EQ(host_->offered().size(), 2u);
  EXPECT_THAT(host_->title(), HasSubstr("emulated"));
  for (const OfferedGpu& offered : host_->offered()) {
    EXPECT_TRUE(offered.gpu.emulated);
    EXPECT_THAT(offered.gpu.label(), HasSubstr("[emulated]"));
    EXPECT_THAT(offered.gpu.uuid, testing::StartsWith("EMU-"));
    EXPECT_EQ(offered.gpu.memory, 64_MiB);
  }
  EXPECT_NE(host_->offered()[0].gpu.uuid, host_->offered()[1].gpu.uuid);
}

TEST_F(EmulatedDeviceTest, AKernelComputesOnWhatWasCopiedThere) {
  auto devices = slot({1});
  Context& gpu = devices->begin();
  std::vector<float> values(10'000);
  std::iota(values.begin(), values.end(), 0.f);
  std::vector<float> back(values.size());

  auto in = gpu.copyToDevice(values);
  auto out = gpu.allocate<float>(in.size());
  gpu.launch(kScale, {blocksFor(in.size(), 128)}, {128}, 0, in, out, 10'000u, 2.f);
  gpu.copyToHost(out, back);
  gpu.synchronize();
  devices->finish();

  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_EQ(back[i], 2.f * static_cast<float>(i));
}

TEST_F(EmulatedDeviceTest, ManyTasksOnManyThreadsKeepToThemselves) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, &wrong, t] {
      auto devices = slot({static_cast<std::uint32_t>(t % 2)});
      for (int task = 0; task < 20; ++task) {
        Context& gpu = devices->begin();
        auto array = gpu.copyToDevice(std::vector<int>(500, t));
        for (int i = 0; i < 5; ++i) gpu.launch(kAddTo, {4}, {128}, 0, array, 500u, task);
        std::vector<int> back(500);
        gpu.copyToHost(array, back);
        gpu.synchronize();
        for (int value : back) wrong[static_cast<std::size_t>(t)] += value != t + 5 * task;
        devices->finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST_F(EmulatedDeviceTest, MemoryIsBoundedByTheTaskAndByTheDevice) {
  auto bounded = slot({0}, 1_MiB), free = slot({0});
  EXPECT_THROW(bounded->begin().allocate<std::byte>(2_MiB), OutOfDeviceMemory);
  bounded->finish();
  try {
    free->begin().allocate<std::byte>(65_MiB);
    FAIL() << "65 MiB were allocated on a device of 64";
  } catch (const OutOfDeviceMemory& error) {
    EXPECT_THAT(error.what(), HasSubstr("[emulated]"));
    EXPECT_THAT(error.what(), HasSubstr("of 64MiB free"));
  }
  free->finish();
  for (int task = 0; task < 10; ++task) {
    auto array = free->begin().allocate<std::byte>(60_MiB);
    free->finish();
  }
}

TEST_F(EmulatedDeviceTest, AnIllegalAddressFailsTheTaskAndTheDeviceComesBack) {
  auto devices = slot({0});
  Context& gpu = devices->begin();
  auto array = gpu.allocate<int>(1);
  gpu.launch(kAstray, {}, {}, 0, array);
  try {
    devices->finish();
    FAIL() << "a kernel wrote where nothing is, and nobody said so";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
    EXPECT_THAT(error.what(), HasSubstr("[emulated]"));
  }
  Context& again = devices->begin();
  auto values = again.copyToDevice(std::vector<int>{1, 2, 3});
  again.launch(kAddTo, {}, {3}, 0, values, 3u, 1);
  std::vector<int> back(3);
  again.copyToHost(values, back);
  again.synchronize();
  devices->finish();
  EXPECT_EQ(back, (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(host_->device(0).rebuilds(), 1u);
}

TEST_F(EmulatedDeviceTest, ArraysGoFromDeviceToDevice) {
  auto devices = slot({0, 1});
  Context& gpu = devices->begin();
  Context& peer = gpu.on(1);
  auto here = gpu.copyToDevice(std::vector<int>{1, 2, 3});
  gpu.launch(kAddTo, {}, {3}, 0, here, 3u, 10);
  auto there = peer.copyHere(here.view(), gpu);
  here = {};
  peer.launch(kAddTo, {}, {3}, 0, there, 3u, 100);
  std::vector<int> back(3);
  peer.copyToHost(there, back);
  peer.synchronize();
  devices->finish();
  EXPECT_EQ(back, (std::vector<int>{111, 112, 113}));
}

TEST(EmulatedOffer, CudaVisibleDevicesBoundsIt) {
  OpenOptions options;
  options.emulate = "2x64MiB";
  options.visible = "1";
  auto opened = openGpus(options);
  ASSERT_TRUE(opened) << opened.error().why;
  ASSERT_EQ(opened.value()->offered().size(), 1u);
  EXPECT_EQ(opened.value()->offered()[0].ordinal, 1);
  options.visible = "";
  auto none = openGpus(options);
  ASSERT_TRUE(none) << none.error().why;
  EXPECT_TRUE(none.value()->offered().empty());
  EXPECT_THAT(none.value()->why(), HasSubstr("CUDA_VISIBLE_DEVICES"));
}

TEST(EmulatedOffer, AnEmulationThatDoesNotParseIsRefused) {
  OpenOptions options;
  options.emulate = "two big ones";
  auto opened = openGpus(options);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().why, HasSubstr("two big ones"));
}

}  // namespace
}  // namespace alnilam::gpu
