#include "gpu/driver/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cstdio>
#include <string>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

void fakeAnswers(unsigned initCode, unsigned lookupCode, const char* missing) {
  void* fake = dlopen(ALNILAM_FAKE_CUDA, RTLD_NOW);
  ASSERT_NE(fake, nullptr);
  auto answer =
      reinterpret_cast<void (*)(unsigned, unsigned, const char*)>(dlsym(fake, "fakeCudaAnswer"));
  ASSERT_NE(answer, nullptr);
  answer(initCode, lookupCode, missing);
}

TEST(Loader, AMachineWithoutTheLibraryHasNoGpuToOffer) {
  auto loaded = loadDriver("libcuda-that-nobody-has.so.1");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, RefusalCode::unavailable);
  EXPECT_THAT(loaded.error().why, HasSubstr("libcuda-that-nobody-has.so.1"));
}

TEST(Loader, WhateverThisMachineHasIsATypedAnswer) {
  auto loaded = loadDriver();
  if (loaded) {
    EXPECT_GE(loaded.value().version, 12000);
    EXPECT_FALSE(loaded.value().emulated);
  } else {
    EXPECT_FALSE(loaded.error().why.empty());
  }
}

struct Case {
  const char* name;
  unsigned initCode, lookupCode;
  const char* missing;
  RefusalCode want;
  const char* says;
};

const Case kCases[] = {
    {"a stub that fails at cuInit", 34, 0, "", RefusalCode::unavailable, "stub"},
    {"a stub that fails at the first lookup", 0, 34, "", RefusalCode::unavailable, "stub"},
    {"a driver without device", 100, 0, "", RefusalCode::unavailable, "no CUDA device"},
    {"driver and library differ", 803, 0, "", RefusalCode::invalid, "different versions"},
    {"any other failure of cuInit", 999, 0, "", RefusalCode::invalid, "999"},
    {"a required function is missing", 0, 0, "cuLaunchKernel", RefusalCode::invalid,
     "cuLaunchKernel"},
};

TEST(Loader, TellsAbsenceFromBreakage) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    fakeAnswers(c.initCode, c.lookupCode, c.missing);
    auto loaded = loadDriver(ALNILAM_FAKE_CUDA);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, c.want);
    EXPECT_THAT(loaded.error().why, HasSubstr(c.says));
  }
}

TEST(Loader, FillsEveryRequiredFunctionAndLeavesMissingOptionalOnesNull) {
  fakeAnswers(0, 0, "cuMemPoolExportPointer");
  auto loaded = loadDriver(ALNILAM_FAKE_CUDA);
  ASSERT_TRUE(loaded) << loaded.error().why;
  const Driver& driver = loaded.value().driver;
#define ALNILAM_EXPECT_THERE(member, symbol, version, parameters) \
  EXPECT_NE(driver.member, nullptr) << #symbol;
  ALNILAM_DRIVER_REQUIRED(ALNILAM_EXPECT_THERE)
#undef ALNILAM_EXPECT_THERE
  EXPECT_EQ(driver.memPoolExportPointer, nullptr);
  EXPECT_EQ(driver.memcpyBatchAsync, nullptr) << "newer than the fake's 12.4";
  EXPECT_NE(driver.memPoolImportPointer, nullptr);
  EXPECT_EQ(loaded.value().title(), "CUDA driver 12.4");
}

TEST(Loader, ALibraryThatIsNoDriverIsRefusedAsSuch) {
  auto loaded = loadDriver("libm.so.6");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, RefusalCode::invalid);
  EXPECT_THAT(loaded.error().why, HasSubstr("not a CUDA driver"));
}

TEST(Loader, ALibraryThatIsNotTheEmulatorIsNotTakenForIt) {
  auto loaded = loadEmulator(ALNILAM_FAKE_CUDA, "1x1GiB");
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().why, HasSubstr("not Alnilam's CUDA emulator"));
}

TEST(Loader, AnEmulatorThatTheUserNamedIsNotReplacedByAnother) {
  auto found = findEmulator("/nowhere/libalnilam-emulated-cuda.so");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, RefusalCode::unavailable);
  EXPECT_THAT(found.error().why, HasSubstr("/nowhere/"));
}

}  // namespace
}  // namespace alnilam::gpu
