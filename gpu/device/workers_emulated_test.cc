// A pool of workers on emulated devices: tasks by name, in slots, as an executor runs them; and
// what becomes of them when a kernel fails or a device is lost.

#include "core/api/task.h"
#include "core/engine/worker_pool.h"
#include "gpu/device/device.h"
#include "gpu/device/device_host.h"
#include "gpu/device/task_codecs.h"
#include "vectors.ptx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>

namespace alnilam::gpu {
namespace {

using testing::HasSubstr;

const Kernel<void(int*, unsigned, int)> kAddTo{alnilam_kernels::vectors_ptx, "addTo"};
const Kernel<void(int*)> kAstray{alnilam_kernels::vectors_ptx, "astray"};

Array<int> addOne(Context& gpu, View<const int> values) {
  auto out = gpu.copyHere(values, gpu);
  gpu.launch(kAddTo, {blocksFor(out.size(), 128)}, {128}, 0, out,
             static_cast<unsigned>(out.size()), 1);
  return out;
}
Array<int> goAstray(Context& gpu, View<const int> values) {
  auto out = gpu.copyHere(values, gpu);
  gpu.launch(kAstray, {}, {}, 0, out);
  return out;
}

ALNILAM_TASK(addOne);
ALNILAM_TASK(goAstray);

class WorkersEmulatedTest : public testing::Test {
 protected:
  void begin(const std::string& devices) {
    OpenOptions options;
    options.emulate = devices;
    auto opened = openGpus(options);
    ASSERT_TRUE(opened) << opened.error().why;
    host_ = std::move(opened).value();
    WorkerPool::Config config;
    config.node = "here";
    config.devices = host_.get();
    config.onReport = [this] {
      std::lock_guard lock(mutex_);
      ++calls_;
      called_.notify_all();
    };
    pool_ = std::make_unique<WorkerPool>(std::move(config));
    Orders orders;
    orders.lanes = {{0, "addOne"}, {1, "goAstray"}};
    pool_->order(std::move(orders));
  }
  void TearDown() override { pool_.reset(); }

  void open(ClassIndex lane, std::uint32_t gpu) {
    Orders orders;
    orders.open = {{SlotId{++lastSlot_}, lane, {}, {{gpu, {Amount::kPerUnit / 4}, 0}}}};
    pool_->order(std::move(orders));
  }
  RunTask task(ClassIndex lane, std::uint32_t index) const {
    std::vector<int> values(1000);
    std::iota(values.begin(), values.end(), static_cast<int>(index));
    std::vector<std::byte> arguments{std::byte{1}, {}, {}, {}, {}};  // the first of the inputs
    RunTask run{TaskId::make(JobId{1}, index), Attempt{1}, lane, Blob::copyOf(arguments), {}};
    Blob input = Blob::fill(encodedSize(values), [&](auto room) { encode(values, room); });
    run.inputs.push_back({TaskId::make(JobId{1}, index + 100'000), std::move(input), false});
    return run;
  }
  std::map<std::uint32_t, TaskDone> run(std::vector<RunTask> tasks) {
    std::size_t count = tasks.size();
    Orders orders;
    orders.run = std::move(tasks);
    pool_->order(std::move(orders));
    std::map<std::uint32_t, TaskDone> all;
    while (all.size() < count) {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [&] { return calls_ > seen_; });
      seen_ = calls_;
      lock.unlock();
      for (TaskDone& done : pool_->report().done) {
        std::uint32_t index = done.id.index();
        EXPECT_TRUE(all.emplace(index, std::move(done)).second) << "reported twice";
      }
    }
    return all;
  }
  static void expectRight(std::uint32_t index, const TaskDone& done) {
    ASSERT_EQ(done.how, TaskDone::How::held) << index << ": " << done.failure->message;
    auto values = decode<std::vector<int>>(done.held.bytes());
    ASSERT_EQ(values.size(), 1000u);
    EXPECT_EQ(values[0], static_cast<int>(index) + 1);
    EXPECT_EQ(values[999], static_cast<int>(index) + 1000);
    EXPECT_GT(done.ran.count(), 0);
  }

  // Of a chain that begins at `index` 1 of a thousand.
  static void expectChained(std::uint32_t index, const TaskDone& done) {
    ASSERT_EQ(done.how, TaskDone::How::held) << index;
    auto values = decode<std::vector<int>>(done.held.bytes());
    ASSERT_EQ(values.size(), 1000u);
    EXPECT_EQ(values[0], static_cast<int>(index) + 1);
    EXPECT_EQ(values[999], static_cast<int>(index) + 1000);
  }

  std::unique_ptr<GpuHost> host_;
  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0, seen_ = 0;
  std::uint32_t lastSlot_ = 0;
  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(WorkersEmulatedTest, ManyTasksOfSeveralSlotsComeHomeRight) {
  begin("2x64MiB");
  for (std::uint32_t slot = 0; slot < 4; ++slot) open(0, slot % 2);
  std::vector<RunTask> tasks;
  for (std::uint32_t i = 1; i <= 200; ++i) tasks.push_back(task(0, i));
  for (auto& [index, done] : run(std::move(tasks))) expectRight(index, done);
}

TEST_F(WorkersEmulatedTest, AFailingKernelFailsItsTaskAndInnocentsAreRunAgain) {
  begin("1x64MiB");
  open(0, 0);
  open(0, 0);
  open(1, 0);
  std::vector<RunTask> tasks;
  for (std::uint32_t i = 1; i <= 60; ++i) tasks.push_back(task(i % 10 == 0 ? 1 : 0, i));
  auto all = run(std::move(tasks));
  for (auto& [index, done] : all) {
    if (index % 10 != 0) {
      expectRight(index, done);
      continue;
    }
    ASSERT_EQ(done.how, TaskDone::How::failed);
    EXPECT_EQ(done.failure->kind, FailureKind::device);
    EXPECT_THAT(done.failure->message, HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
    EXPECT_EQ(done.failure->function, "goAstray");
    EXPECT_EQ(done.health, DeviceHealth::contextLost);
    EXPECT_EQ(done.sickGpu, 0u);
  }
  EXPECT_GE(host_->device(0).rebuilds(), 6u);
}

// Links from `first` on, each of which takes the result of the one before.
std::vector<RunTask> linked(std::vector<RunTask> tasks) {
  for (std::size_t i = 1; i < tasks.size(); ++i) {
    tasks[i - 1].awaited = true;
    tasks[i].inputs[0] = {tasks[i - 1].id, {}, false, true};
  }
  return tasks;
}

TEST_F(WorkersEmulatedTest, AChainIsRightWhicheverSlotsItsLinksAreIn) {
  begin("2x64MiB");
  for (std::uint32_t slot = 0; slot < 3; ++slot) open(0, slot % 2);
  std::vector<RunTask> all;
  for (std::uint32_t chain = 0; chain < 4; ++chain) {
    std::vector<RunTask> links;
    for (std::uint32_t i = 0; i < 100; ++i) links.push_back(task(0, chain * 1000 + 1 + i));
    links = linked(std::move(links));
    std::move(links.begin(), links.end(), std::back_inserter(all));
  }
  for (auto& [index, done] : run(std::move(all))) expectChained(index, done);
}

TEST_F(WorkersEmulatedTest, WhatFollowsAFailingKernelIsReturnedAndWhatIsBesideItIsRunAgain) {
  begin("1x64MiB");
  open(0, 0);
  open(0, 0);
  open(1, 0);
  std::vector<RunTask> failing, sound;
  for (std::uint32_t i = 1; i <= 30; ++i) failing.push_back(task(i == 10 ? 1 : 0, i));
  for (std::uint32_t i = 1001; i <= 1030; ++i) sound.push_back(task(0, i));
  std::vector<RunTask> all = linked(std::move(failing)), others = linked(std::move(sound));
  std::move(others.begin(), others.end(), std::back_inserter(all));
  for (auto& [index, done] : run(std::move(all))) {
    if (index < 10 || index > 1000) expectChained(index, done);
    else if (index == 10) EXPECT_EQ(done.failure->kind, FailureKind::device);
    else EXPECT_EQ(done.how, TaskDone::How::returned) << index;
  }
}

TEST_F(WorkersEmulatedTest, ALostDeviceFailsWhatIsOnItAndNothingElse) {
  begin("2x64MiB;lost=7@1");
  open(0, 0);
  open(0, 1);
  std::vector<RunTask> tasks;
  for (std::uint32_t i = 1; i <= 400; ++i) tasks.push_back(task(0, i));
  auto all = run(std::move(tasks));
  int lost = 0;
  for (auto& [index, done] : all) {
    if (done.gpu == 0 || done.how == TaskDone::How::held) {
      expectRight(index, done);
      continue;
    }
    ++lost;
    EXPECT_EQ(done.failure->kind, FailureKind::device);
    EXPECT_THAT(done.failure->message, HasSubstr("CUDA_ERROR_DEVICE_UNAVAILABLE"));
    EXPECT_EQ(done.health, DeviceHealth::deviceLost);
    EXPECT_EQ(done.sickGpu, 1u);
  }
  EXPECT_GT(lost, 0);
}

}  // namespace
}  // namespace alnilam::gpu
