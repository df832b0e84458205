#include "gpu/emulator/emulator_fixture_test.h"

#include <gmock/gmock.h>

#include <set>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

TEST(EmulatorConfig, DevicesAreWhatTheTextSaysAndAlwaysCalledEmulated) {
  auto loaded = Emulated::load("2xH100:80GiB,1x4GiB;pci=0000:1b:00.0@1");
  const Driver& driver = loaded->driver;
  EXPECT_TRUE(loaded->emulated);
  EXPECT_EQ(loaded->title(), "emulated CUDA driver 13.0");
  int count = 0;
  ASSERT_EQ(driver.deviceGetCount(&count), CUDA_SUCCESS);
  ASSERT_EQ(count, 3);
  std::set<std::string> uuids;
  for (int i = 0; i < count; ++i) {
    char name[64], pci[32];
    CUuuid uuid;
    ASSERT_EQ(driver.deviceGetName(name, sizeof name, i), CUDA_SUCCESS);
    EXPECT_THAT(name, HasSubstr("Emulated"));
    ASSERT_EQ(driver.deviceGetUuid(&uuid, i), CUDA_SUCCESS);
    EXPECT_EQ(std::string(uuid.bytes, 4), "EMU-");
    uuids.insert(std::string(uuid.bytes, 16));
    ASSERT_EQ(driver.deviceGetPCIBusId(pci, sizeof pci, i), CUDA_SUCCESS);
    EXPECT_EQ(std::string(pci), i == 1 ? "0000:1b:00.0" : i == 0 ? "e000:01:00.0" : "e000:03:00.0");
    CUdevice back = -1;
    EXPECT_EQ(driver.deviceGetByPCIBusId(&back, pci), CUDA_SUCCESS);
    EXPECT_EQ(back, i);
  }
  EXPECT_EQ(uuids.size(), 3u);
  std::size_t bytes = 0;
  driver.deviceTotalMem(&bytes, 0);
  EXPECT_EQ(bytes, std::size_t{80} << 30);
  int value = 0;
  driver.deviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0);
  EXPECT_EQ(value, 132);
}

struct Case {
  const char* text;
  const char* says;
};
const Case kBad[] = {
    {"", "is not COUNTxSIZE"},
    {"4GiB", "is not COUNTxSIZE"},
    {"0x4GiB", "number of devices"},
    {"-1x4GiB", "number of devices"},
    {"65x1GiB", "more than 64"},
    {"40x1GiB,40x1GiB", "more than 64"},
    {"2x4", "size"},
    {"2x4GB", "size"},
    {"2x99999999999999999999GiB", "size"},
    {"1x9TiB", "size"},
    {"1x4KiB", "less than 1MiB"},
    {"2xH900:80GiB", "unknown model (known: T4"},
    {"1x1GiB;oom", "NAME=VALUE"},
    {"1x1GiB;oom=0", "counts from 1"},
    {"1x1GiB;oom=1@3", "names no device"},
    {"1x1GiB;pci=1b:00@0", "PCI address"},
    {"1x1GiB;colour=3", "known: oom"},
    {"1x1GiB;green=maybe", "neither on nor off"},
    {"1x1GiB;copy=25", "no rate such as 25GB/s"},
    {"1x1GiB;copy=0GB/s", "no rate such as 25GB/s"},
    {"2x1GiB;links=nvlink", "is not CLASS@DEVICE-DEVICE"},
    {"2x1GiB;links=rope@0-1", "is no link (known: nvlink"},
    {"2x1GiB;links=nvlink@0-2", "names no pair"},
    {"2x1GiB;links=nvlink@1-1", "names no pair"},
    {"2x1GiB;links=nvlink:fast@0-1", "no rate such as 25GB/s"},
    {"1xH100-MIG-big:10GiB", "no MIG profile such as 1g.10gb"},
    {"1xH100-MIG-8g.80gb:10GiB", "no MIG profile such as 1g.10gb"},
    {"1xT4-MIG-1g.5gb:5GiB", "can't be partitioned"},
    {"4xH100-MIG-2g.20gb:20GiB", "more than the 7 slices"},
    {"1x1GiB;trace=", "names no file"},
    {"1x1GiB;trace=/nowhere/at/all", "can't be written"},
};

TEST(EmulatorConfig, WhatIsNotUnderstoodIsRefusedWithTheReason) {
  for (const Case& c : kBad) {
    SCOPED_TRACE(c.text);
    auto loaded = loadEmulator(ALNILAM_EMULATOR, c.text);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, RefusalCode::invalid);
    EXPECT_THAT(loaded.error().why, HasSubstr(c.says));
  }
}

struct Pair {
  CUdevice from, to;
  int access, atomics, rank;
};

TEST(EmulatorConfig, LinksAreWhatTheTextSays) {
  auto loaded = Emulated::load("4xH100:1GiB;links=none@all,nvlink@0-1,nvlink:450GB/s@2-3,pcie@1-2");
  const Driver& driver = loaded->driver;
  const Pair kPairs[] = {{0, 1, 1, 1, 1}, {1, 0, 1, 1, 1}, {3, 2, 1, 1, 0},
                         {1, 2, 1, 0, 2}, {0, 3, 0, 0, 3}};
  for (const Pair& pair : kPairs) {
    SCOPED_TRACE(std::to_string(pair.from) + "-" + std::to_string(pair.to));
    int can = -1, access = -1, atomics = -1, rank = -1;
    driver.deviceCanAccessPeer(&can, pair.from, pair.to);
    driver.deviceGetP2PAttribute(&access, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, pair.from,
                                 pair.to);
    driver.deviceGetP2PAttribute(&atomics, CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED,
                                 pair.from, pair.to);
    driver.deviceGetP2PAttribute(&rank, CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK, pair.from,
                                 pair.to);
    EXPECT_EQ(can, pair.access);
    EXPECT_EQ(access, pair.access);
    EXPECT_EQ(atomics, pair.atomics);
    EXPECT_EQ(rank, pair.rank);
  }
  auto first = PrimaryContext::retain(driver, 0), second = PrimaryContext::retain(driver, 1),
       last = PrimaryContext::retain(driver, 3);
  CurrentContext current(driver, first.value().get());
  EXPECT_EQ(driver.ctxEnablePeerAccess(second.value().get(), 0), CUDA_SUCCESS);
  EXPECT_EQ(driver.ctxEnablePeerAccess(last.value().get(), 0),
            CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
}

TEST(EmulatorConfig, CopiesTakeTheTimeOfTheLinkTheyGoBy) {
  struct Row {
    const char* text;
    double milliseconds;  // for 100 MB from device 0 to device 1
  };
  const Row kRows[] = {{"2x1GiB", 4},
                       {"2x1GiB;copy=50GB/s", 2},
                       {"2x1GiB;copy=50GB/s@0", 4},
                       {"2x1GiB;links=nvlink@0-1", 1.0 / 3},
                       {"2x1GiB;links=nvlink:100GB/s@all", 1},
                       {"2x1GiB;links=none@0-1;copy=50GB/s", 4}};
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.text);
    Emulated gpu(row.text);
    const Driver& driver = gpu.driver();
    auto second = PrimaryContext::retain(driver, 1);
    CUdeviceptr here = 0, there = 0;
    ASSERT_EQ(driver.memAlloc(&here, 100'000'000), CUDA_SUCCESS);
    {
      CurrentContext current(driver, second.value().get());
      ASSERT_EQ(driver.memAlloc(&there, 100'000'000), CUDA_SUCCESS);
    }
    auto start = createEvent(driver, CU_EVENT_DEFAULT), end = createEvent(driver, CU_EVENT_DEFAULT);
    driver.eventRecord(start.value().get(), nullptr);
    ASSERT_EQ(driver.memcpyPeerAsync(there, second.value().get(), here, gpu.context(), 100'000'000,
                                     nullptr),
              CUDA_SUCCESS);
    driver.eventRecord(end.value().get(), nullptr);
    ASSERT_EQ(driver.streamSynchronize(nullptr), CUDA_SUCCESS);
    float took = 0;
    driver.eventElapsedTime(&took, start.value().get(), end.value().get());
    EXPECT_NEAR(took, row.milliseconds + 0.001, 0.0005);
  }
}

TEST(EmulatorConfig, InstancesOfMigAreDevicesOfTheirOwnAtOneAddress) {
  auto loaded = Emulated::load("3xH100-MIG-2g.20gb:20GiB,1xH100:80GiB");
  const Driver& driver = loaded->driver;
  std::set<std::string> uuids;
  for (int i = 0; i < 4; ++i) {
    char name[64], pci[32];
    CUuuid uuid;
    int multiprocessors = 0, can = -1;
    ASSERT_EQ(driver.deviceGetName(name, sizeof name, i), CUDA_SUCCESS);
    EXPECT_EQ(std::string(name), i < 3 ? "Emulated H100 MIG 2g.20gb" : "Emulated H100");
    driver.deviceGetUuid(&uuid, i);
    uuids.insert(std::string(uuid.bytes, 16));
    driver.deviceGetAttribute(&multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, i);
    EXPECT_EQ(multiprocessors, i < 3 ? 32 : 132);
    driver.deviceGetPCIBusId(pci, sizeof pci, i);
    EXPECT_EQ(std::string(pci), i < 3 ? "e000:01:00.0" : "e000:04:00.0");
    if (i > 0) driver.deviceCanAccessPeer(&can, 0, i);
    EXPECT_EQ(can, i > 0 ? 0 : -1);
  }
  EXPECT_EQ(uuids.size(), 4u);
}

TEST(EmulatorConfig, AProcessHasOneSetOfDevicesWhileTheyAreInUse) {
  Emulated gpu("1x1GiB");
  EXPECT_TRUE(loadEmulator(ALNILAM_EMULATOR, "1x1GiB"));
  auto other = loadEmulator(ALNILAM_EMULATOR, "3x1GiB");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().why, HasSubstr("already uses emulated GPUs '1x1GiB'"));
}

}  // namespace
}  // namespace alnilam::gpu
