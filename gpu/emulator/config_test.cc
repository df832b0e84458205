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

TEST(EmulatorConfig, AProcessHasOneSetOfDevicesWhileTheyAreInUse) {
  Emulated gpu("1x1GiB");
  EXPECT_TRUE(loadEmulator(ALNILAM_EMULATOR, "1x1GiB"));
  auto other = loadEmulator(ALNILAM_EMULATOR, "3x1GiB");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().why, HasSubstr("already uses emulated GPUs '1x1GiB'"));
}

}  // namespace
}  // namespace alnilam::gpu
