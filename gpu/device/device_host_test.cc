// Opening the GPUs of a process: what a machine without any says, and what a wrong request gets.

#include "gpu/device/device_host.h"

#include "core/api/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

TEST(OpenGpus, AMachineWithoutADriverOffersNothingAndSaysWhy) {
  auto opened = openGpus(OpenOptions());
  ASSERT_TRUE(opened) << opened.error().why;
  GpuHost& host = *opened.value();
  if (!host.offered().empty()) GTEST_SKIP() << "this machine has " << host.title();
  EXPECT_FALSE(host.why().empty());
  SlotGrant grant;
  grant.devices.push_back({0, Amount::whole(1), 0});
  try {
    host.open(grant);
    FAIL() << "a device was opened that is not there";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("GPU 0 is not there: this process has 0 (" + host.why()));
  }
}

TEST(OpenGpus, DevicesAreThoseOfTheNodeByTheirNames) {
  auto all = openGpus({.emulate = "3x64MiB", .visible = {}, .emulatorPath = "", .order = {}});
  ASSERT_TRUE(all) << all.error().why;
  std::vector<std::string> order = {all.value()->offered()[2].gpu.uuid, "EMU-gone",
                                    all.value()->offered()[0].gpu.uuid};
  auto opened = openGpus({.emulate = "3x64MiB", .visible = {}, .emulatorPath = "", .order = order});
  ASSERT_TRUE(opened) << opened.error().why;
  ASSERT_EQ(opened.value()->offered().size(), 3u);
  EXPECT_EQ(opened.value()->offered()[0].ordinal, 2);
  SlotGrant grant;
  grant.devices.push_back({2, Amount::whole(1), 0});
  EXPECT_NE(opened.value()->open(grant), nullptr);
  grant.devices[0].gpu = 1;
  try {
    opened.value()->open(grant);
    FAIL() << "a device was opened that is not shown";
  } catch (const DeviceError& error) {
    EXPECT_STREQ(error.what(), "GPU 1, EMU-gone, is not shown to this process by the driver");
  }
}

TEST(OpenGpus, AnEmulatorThatIsNotThereIsRefusedWithThePlacesLookedAt) {
  OpenOptions options;
  options.emulate = "1x1GiB";
  options.emulatorPath = "/nowhere/emulator.so";
  auto opened = openGpus(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, RefusalCode::unavailable);
  EXPECT_THAT(opened.error().why, HasSubstr("/nowhere/emulator.so"));
}

}  // namespace
}  // namespace alnilam::gpu
