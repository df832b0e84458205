#include "gpu/driver/error.h"
#include "gpu/driver/handle.h"

#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

TEST(DriverError, SeverityFollowsTheRemedy) {
  EXPECT_EQ(severityOf(CUDA_ERROR_INVALID_VALUE), Severity::call);
  EXPECT_EQ(severityOf(CUDA_ERROR_OUT_OF_MEMORY), Severity::retry);
  EXPECT_EQ(severityOf(CUDA_ERROR_ILLEGAL_ADDRESS), Severity::context);
  EXPECT_EQ(severityOf(CUDA_ERROR_ECC_UNCORRECTABLE), Severity::device);
  EXPECT_EQ(severityOf(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH), Severity::driver);
}

TEST(DriverError, IsDescribedInTheDriversWords) {
  Driver driver;
  EXPECT_EQ(describe(driver, {CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc"}),
            "cuMemAlloc: unknown error (2)");
  driver.getErrorName = [](CUresult, const char** text) {
    *text = "CUDA_ERROR_OUT_OF_MEMORY";
    return CUDA_SUCCESS;
  };
  driver.getErrorString = [](CUresult, const char** text) {
    *text = "out of memory";
    return CUDA_SUCCESS;
  };
  EXPECT_EQ(describe(driver, {CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc"}),
            "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory");
}

int destroyed = 0;

TEST(Handle, DestroysOnceHoweverOftenItIsMoved) {
  destroyed = 0;
  Driver driver;
  driver.streamDestroy = [](CUstream) {
    ++destroyed;
    return CUDA_SUCCESS;
  };
  {
    Stream first(driver, reinterpret_cast<CUstream>(16));
    Stream second(std::move(first));
    Stream third;
    third = std::move(second);
    EXPECT_FALSE(first);
    EXPECT_TRUE(third);
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
}

}  // namespace
}  // namespace alnilam::gpu
