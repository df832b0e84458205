// Device memory, host memory, pools and copies of the emulated driver.

#include "gpu/emulator/emulator_fixture_test.h"

#include <gmock/gmock.h>

#include <cstring>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

TEST(EmulatedMemory, IsAccountedAndRunsOut) {
  Emulated gpu("1x1GiB");
  const Driver& driver = gpu.driver();
  std::size_t free = 0, total = 0;
  ASSERT_EQ(driver.memGetInfo(&free, &total), CUDA_SUCCESS);
  EXPECT_EQ(total, std::size_t{1} << 30);
  CUdeviceptr half = 0, rest = 0;
  ASSERT_EQ(driver.memAlloc(&half, 512u << 20), CUDA_SUCCESS);
  EXPECT_EQ(driver.memAlloc(&rest, (512u << 20) + 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(driver.memAlloc(&rest, 512u << 20), CUDA_SUCCESS);
  EXPECT_EQ(driver.memFree(half), CUDA_SUCCESS);
  EXPECT_EQ(driver.memFree(half), CUDA_ERROR_INVALID_VALUE) << "freed twice";
  std::size_t after = 0;
  driver.memGetInfo(&after, &total);
  EXPECT_EQ(after, free - (512u << 20));
}

TEST(EmulatedMemoryDeathTest, TheHostCannotReadItOutsideACopy) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Emulated gpu;
        auto* stray = reinterpret_cast<volatile int*>(gpu.upload(std::vector<int>{1, 2, 3}));
        static_cast<void>(*stray);
      },
      "");
}

TEST(EmulatedMemory, CopiesOutsideAnAllocationAreRefused) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  CUdeviceptr at = gpu.upload(std::vector<int>(100));
  std::vector<int> host(200);
  EXPECT_EQ(driver.memcpyDtoH(host.data(), at, 401), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.memcpyHtoD(at + 396, host.data(), 8), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.memsetD8Async(at, 1, 401, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.memcpyDtoH(host.data(), at, 400), CUDA_SUCCESS);
}

TEST(EmulatedMemory, CopiesBetweenDevicesAndFills) {
  Emulated gpu("2x1GiB");
  const Driver& driver = gpu.driver();
  auto second = PrimaryContext::retain(driver, 1);
  ASSERT_TRUE(second);
  CUdeviceptr here = gpu.upload(std::vector<unsigned>(64)), there = 0;
  ASSERT_EQ(driver.memsetD32Async(here, 0xabcd1234u, 64, nullptr), CUDA_SUCCESS);
  {
    CurrentContext current(driver, second.value().get());
    ASSERT_EQ(driver.memAlloc(&there, 256), CUDA_SUCCESS);
  }
  ASSERT_EQ(driver.memcpyPeerAsync(there, second.value().get(), here, gpu.context(), 256, nullptr),
            CUDA_SUCCESS);
  ASSERT_EQ(driver.streamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<unsigned>(there, 64), std::vector<unsigned>(64, 0xabcd1234u));
}

TEST(EmulatedMemory, PointersTellWhatTheyAre) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  CUdeviceptr at = gpu.upload(std::vector<int>(100));
  unsigned type = 0;
  CUdeviceptr start = 0;
  EXPECT_EQ(driver.pointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at + 40),
            CUDA_SUCCESS);
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  EXPECT_EQ(driver.pointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, at + 40),
            CUDA_SUCCESS);
  EXPECT_EQ(start, at);
  void* pinned = nullptr;
  ASSERT_EQ(driver.memHostAlloc(&pinned, 4096, kMemHostAllocPortable), CUDA_SUCCESS);
  auto asAddress = reinterpret_cast<CUdeviceptr>(pinned);
  EXPECT_EQ(driver.pointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, asAddress),
            CUDA_SUCCESS);
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  EXPECT_EQ(driver.memFreeHost(pinned), CUDA_SUCCESS);
  EXPECT_EQ(driver.pointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, asAddress),
            CUDA_ERROR_INVALID_VALUE);
}

TEST(EmulatedMemory, PinnedHostMemoryIsSeenByKernels) {
  Emulated gpu;
  const Driver& driver = gpu.driver();
  Module module = gpu.loadFile("linear.ptx");
  auto pinned = allocateHost(driver, 64 * sizeof(float));
  ASSERT_TRUE(pinned);
  auto* values = static_cast<float*>(pinned.value().get());
  for (int i = 0; i < 64; ++i) values[i] = 1;
  auto at = reinterpret_cast<CUdeviceptr>(values);
  ASSERT_EQ(run(driver, gpu.find(module, "saxpy"), {2, 1, 32}, 2.0f, at, at, 64), CUDA_SUCCESS);
  EXPECT_EQ(values[63], 3.0f);
}

TEST(EmulatedMemory, PoolsCountWhatTheyUseAndKeepNoMoreThanTheirThreshold) {
  Emulated gpu("1x1GiB");
  const Driver& driver = gpu.driver();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
  properties.maxSize = 1u << 20;
  CUmemoryPool pool = nullptr;
  ASSERT_EQ(driver.memPoolCreate(&pool, &properties), CUDA_SUCCESS);
  std::uint64_t threshold = 4096;
  ASSERT_EQ(driver.memPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold),
            CUDA_SUCCESS);
  auto amount = [&](CUmemPool_attribute attribute) {
    std::uint64_t value = 0;
    EXPECT_EQ(driver.memPoolGetAttribute(pool, attribute, &value), CUDA_SUCCESS);
    return value;
  };
  auto stream = createStream(driver);
  CUdeviceptr first = 0, second = 0;
  ASSERT_EQ(driver.memAllocFromPoolAsync(&first, 700'000, pool, stream.value().get()),
            CUDA_SUCCESS);
  EXPECT_EQ(driver.memAllocFromPoolAsync(&second, 700'000, pool, stream.value().get()),
            CUDA_ERROR_OUT_OF_MEMORY)
      << "past the pool's own bound";
  EXPECT_EQ(amount(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 700'000u);
  EXPECT_EQ(driver.memPoolDestroy(pool), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(driver.memFreeAsync(first, stream.value().get()), CUDA_SUCCESS);
  ASSERT_EQ(driver.streamSynchronize(stream.value().get()), CUDA_SUCCESS);
  EXPECT_EQ(amount(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_EQ(amount(CU_MEMPOOL_ATTR_USED_MEM_HIGH), 700'000u);
  EXPECT_EQ(driver.memPoolTrimTo(pool, 0), CUDA_SUCCESS);
  EXPECT_EQ(amount(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 0u);
  EXPECT_EQ(driver.memPoolDestroy(pool), CUDA_SUCCESS);
  std::size_t free = 0, total = 0;
  driver.memGetInfo(&free, &total);
  EXPECT_EQ(free, total);
}

// Nobody can free a failed context's memory: its pool ends with it, and another one is empty.
TEST(EmulatedMemory, PoolsOfAFailedContext) {
  Emulated gpu("1x1GiB");
  const Driver& driver = gpu.driver();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
  CUmemoryPool ended = nullptr, kept = nullptr;
  CUdeviceptr at = 0, other = 0;
  ASSERT_EQ(driver.memPoolCreate(&ended, &properties), CUDA_SUCCESS);
  ASSERT_EQ(driver.memPoolCreate(&kept, &properties), CUDA_SUCCESS);
  ASSERT_EQ(driver.memAllocFromPoolAsync(&at, 1 << 20, ended, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(driver.memAllocFromPoolAsync(&other, 1 << 20, kept, nullptr), CUDA_SUCCESS);
  Module module = gpu.loadFile("control.ptx");
  ASSERT_EQ(run(driver, gpu.find(module, "outOfBounds"), {1, 1, 1}, CUdeviceptr{64}, 0ll),
            CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(driver.memPoolDestroy(ended), CUDA_SUCCESS) << "though memory of it is out";
  EXPECT_EQ(driver.memPoolDestroy(ended), CUDA_ERROR_INVALID_VALUE) << "there is none any more";

  module = Module();
  ASSERT_EQ(driver.devicePrimaryCtxRelease(0), CUDA_SUCCESS);
  CUcontext next = nullptr;
  ASSERT_EQ(driver.devicePrimaryCtxRetain(&next, 0), CUDA_SUCCESS);
  CurrentContext current(driver, next);
  std::uint64_t used = 1, reserved = 1;
  EXPECT_EQ(driver.memPoolGetAttribute(kept, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used),
            CUDA_SUCCESS);
  EXPECT_EQ(driver.memPoolGetAttribute(kept, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved),
            CUDA_SUCCESS);
  EXPECT_EQ(used, 0u);
  EXPECT_EQ(reserved, 0u);
  EXPECT_EQ(driver.memPoolDestroy(kept), CUDA_SUCCESS);
  std::size_t free = 0, total = 0;
  driver.memGetInfo(&free, &total);
  EXPECT_EQ(free, total);
}

TEST(EmulatedMemory, WhatAStreamWillGiveBackMayBeAllocatedAtOnce) {
  Emulated gpu("1x64MiB");
  const Driver& driver = gpu.driver();
  auto stream = createStream(driver);
  for (int i = 0; i < 50; ++i) {  // the host is far ahead of the stream
    CUdeviceptr at = 0;
    ASSERT_EQ(driver.memAllocAsync(&at, 48 << 20, stream.value().get()), CUDA_SUCCESS) << i;
    ASSERT_EQ(driver.memsetD8Async(at, 1, 1 << 20, stream.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(driver.memFreeAsync(at, stream.value().get()), CUDA_SUCCESS);
    ASSERT_EQ(driver.memFreeAsync(0, stream.value().get()), CUDA_SUCCESS);
  }
  EXPECT_EQ(driver.streamSynchronize(stream.value().get()), CUDA_SUCCESS);
}

TEST(EmulatedMemory, AnInjectedFailureHitsTheNthAllocation) {
  Emulated gpu("1x1GiB;oom=2");
  CUdeviceptr at = 0;
  EXPECT_EQ(gpu.driver().memAlloc(&at, 512), CUDA_SUCCESS);
  EXPECT_EQ(gpu.driver().memAlloc(&at, 512), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(gpu.driver().memAlloc(&at, 512), CUDA_SUCCESS);
}

TEST(EmulatedMemory, AnInjectedFailureHitsStreamOrderedAllocationsOfItsDeviceAsWell) {
  Emulated gpu("2x1GiB;oom=2@1");
  const Driver& driver = gpu.driver();
  CUdeviceptr at = 0;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(driver.memAllocAsync(&at, 512, nullptr), CUDA_SUCCESS);
  auto second = PrimaryContext::retain(driver, 1);
  CurrentContext current(driver, second.value().get());
  EXPECT_EQ(driver.memAllocAsync(&at, 512, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(driver.memAllocAsync(&at, 512, nullptr), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(driver.memAllocAsync(&at, 512, nullptr), CUDA_SUCCESS);
}

}  // namespace
}  // namespace alnilam::gpu
