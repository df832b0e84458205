#include "gpu/driver/nvml.h"

#include "gpu/driver/fake_nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <string>

namespace alnilam::gpu::nvml {
namespace {

using testing::HasSubstr;

void tell(const char* script) {
  void* fake = dlopen(ALNILAM_FAKE_NVML, RTLD_NOW);
  ASSERT_NE(fake, nullptr) << dlerror();
  auto told = reinterpret_cast<FakeNvmlTell*>(dlsym(fake, "fakeNvmlTell"));
  ASSERT_NE(told, nullptr);
  told(script);
}

TEST(Nvml, WhereItIsNotThereSaysSo) {
  auto loaded = load("libnvidia-ml-that-nobody-has.so.1");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, RefusalCode::unavailable);
  EXPECT_THAT(loaded.error().why, HasSubstr("libnvidia-ml-that-nobody-has.so.1"));
}

TEST(Nvml, WhateverThisMachineHasIsATypedAnswer) {
  auto loaded = load();
  if (loaded) EXPECT_FALSE(loaded.value()->version.empty());
  else EXPECT_FALSE(loaded.error().why.empty());
}

TEST(Nvml, TellsAbsenceFromBreakage) {
  struct Row {
    const char* script;
    RefusalCode code;
    const char* says;
  };
  const Row rows[] = {
      {"init 9", RefusalCode::unavailable, "no NVIDIA driver"},
      {"init 18", RefusalCode::invalid, "different versions"},
      {"init 999", RefusalCode::invalid, "nvmlInit_v2 answered 999"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.script);
    tell(row.script);
    auto loaded = load(ALNILAM_FAKE_NVML);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, row.code);
    EXPECT_THAT(loaded.error().why, HasSubstr(row.says));
  }
}

TEST(Nvml, ALibraryThatIsNoneIsBroken) {
  auto loaded = load("libdl.so.2");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, RefusalCode::invalid);
  EXPECT_THAT(loaded.error().why, HasSubstr("nvmlInit_v2"));
}

TEST(Nvml, IsInitialisedOnceLoadedAndShutDownWhenItGoes) {
  tell("gpu GPU-1 0000:3b:00.0 Tesla_T4");
  unsigned count = 0;
  Nvml kept;
  {
    auto loaded = load(ALNILAM_FAKE_NVML);
    ASSERT_TRUE(loaded) << loaded.error().why;
    EXPECT_EQ(loaded.value()->version, "550.54.15");
    EXPECT_EQ(loaded.value()->count(&count), kSuccess);
    EXPECT_EQ(count, 1u);
    kept.count = loaded.value()->count;
  }
  EXPECT_NE(kept.count(&count), kSuccess);
}

}  // namespace
}  // namespace alnilam::gpu::nvml
