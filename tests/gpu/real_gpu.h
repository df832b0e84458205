#pragma once
// A test on the machine's first real GPU, or a skipped one.
//
// Opens the devices as an executor does, and begins a task on the first: gpu() is what the task's
// function would be given.
//
// Threading: the test's thread.

#include "gpu/device/context.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/device_host.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace alnilam::gpu {

class RealGpu : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = openGpus({});
    if (!opened) GTEST_SKIP() << opened.error().why;
    if (opened.value()->offered().empty()) GTEST_SKIP() << opened.value()->why();
    host_ = std::move(opened).value();
    slot_.emplace(openSlot(*host_, {0}));
    gpu_ = &slot_->begin();
  }
  void TearDown() override {
    if (!gpu_) return;
    DeviceEnd end = slot_->end();
    EXPECT_EQ(end.how, DeviceEnd::How::over) << end.why;
  }

  Context& gpu() { return *gpu_; }

  template <typename T>
  std::vector<T> valuesOf(const Array<T>& array) {
    std::vector<T> values(array.size());
    gpu().copyToHost(array, values);
    gpu().synchronize();
    return values;
  }

 private:
  std::unique_ptr<GpuHost> host_;
  std::optional<TestSlot> slot_;
  Context* gpu_ = nullptr;
};

}  // namespace alnilam::gpu
