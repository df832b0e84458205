// Workers whose tasks go on on a device after their function has returned.  The test is the device.

#include "core/engine/worker_pool.h"

#include "core/api/errors.h"
#include "core/api/registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace alnilam {
namespace {

// Tasks stay on it until the test ends them.
class TestDevices final : public DeviceHost {
 public:
  struct Inside {
    TaskId id;
    DeviceTask* task;
    std::uint32_t gpu;
  };

  std::unique_ptr<SlotDevices> open(const SlotGrant& grant) override {
    return std::make_unique<Slot>(*this, grant.devices.front().gpu);
  }

  void forget(ObjectId object) override {
    std::lock_guard lock(mutex_);
    forgotten_.insert(object);
  }

  // Waits until `count` tasks have been sent and not ended.
  void await(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_.size() >= count; });
  }
  std::vector<TaskId> inside() {
    std::lock_guard lock(mutex_);
    std::vector<TaskId> ids;
    for (const Inside& one : inside_) ids.push_back(one.id);
    return ids;
  }
  // Whether what tasks make stays on the device, and is taken there.
  std::atomic<bool> keeps = false;
  std::set<ObjectId> forgotten() {
    std::lock_guard lock(mutex_);
    return forgotten_;
  }
  // Ends the one that was sent first.
  TaskId end(DeviceEnd::How how = DeviceEnd::How::over, Duration ran = {}) {
    return end(0, how, ran);
  }
  // Ends the one that was sent as number `index` of those that are there.
  TaskId end(std::size_t index, DeviceEnd::How how, Duration ran = {}) {
    Inside first;
    {
      std::lock_guard lock(mutex_);
      auto place = inside_.begin() + static_cast<std::ptrdiff_t>(index);
      first = *place;
      inside_.erase(place);
    }
    DeviceEnd end;
    end.how = how;
    end.ran = ran;
    if (how != DeviceEnd::How::over) end.why = "the device says no";
    first.task->ended(end);
    return first.id;
  }
  std::atomic<bool> refuses = false;
  std::size_t most() {
    std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  class Slot final : public SlotDevices {
   public:
    Slot(TestDevices& host, std::uint32_t gpu) : host_(host), gpu_(gpu) {}
    gpu::Context* begin(TaskId id, DeviceTask& task,
                        std::span<const DeviceInput> inputs) override {
      if (host_.refuses) throw DeviceError("no context can be made");
      for (const DeviceInput& input : inputs) {
        if (input.coming && !host_.keeps) return nullptr;
      }
      begun_ = {id, &task, gpu_};
      return reinterpret_cast<gpu::Context*>(&begun_);  // nobody looks into it
    }
    bool finish() override {
      std::lock_guard lock(host_.mutex_);
      host_.inside_.push_back(begun_);
      host_.most_ = std::max(host_.most_, host_.inside_.size());
      host_.changed_.notify_all();
      return host_.keeps;
    }

   private:
    TestDevices& host_;
    std::uint32_t gpu_;
    Inside begun_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Inside> inside_;
  std::set<ObjectId> forgotten_;
  std::size_t most_ = 0;
};

void resultOfThree(TaskCall& call) {
  auto room = call.result->room(3);
  std::memcpy(room.data(), "abc", 3);
}
void resultOfLink(TaskCall& call) { resultOfThree(call); }
void throwing(TaskCall&) { throw std::out_of_range("not on this device"); }

[[maybe_unused]] const bool registered = [] {
  registerTask({"three", reinterpret_cast<const void*>(&resultOfThree), &resultOfThree, true});
  registerTask(
      {"link", reinterpret_cast<const void*>(&resultOfLink), &resultOfLink, true, {true}});
  registerTask({"throwing", reinterpret_cast<const void*>(&throwing), &throwing, true});
  return true;
}();

TaskId task(std::uint32_t index) { return ObjectId::make(JobId{1}, index); }

class WorkerPoolDevicesTest : public testing::Test {
 protected:
  WorkerPoolDevicesTest()
      : pool_({.osCpus = {},
               .node = "here",
               .devices = &devices_,
               .onReport =
                   [this] {
                     std::lock_guard lock(mutex_);
                     ++calls_;
                     called_.notify_all();
                   },
               .onThread = {}}) {}
  ~WorkerPoolDevicesTest() override {
    while (!devices_.inside().empty()) devices_.end();
  }

  void lane(ClassIndex index, const char* function, std::uint32_t slots = 1) {
    Orders orders;
    orders.lanes = {{index, function}};
    for (std::uint32_t i = 0; i < slots; ++i) {
      orders.open.push_back({SlotId{nextSlot_++}, index, {}, {{i, Amount::whole(1), 0}}});
    }
    pool_.order(std::move(orders));
  }
  void run(std::vector<std::uint32_t> indices) {
    Orders orders;
    for (std::uint32_t index : indices) {
      orders.run.push_back({task(index), Attempt{1}, 0, {}, {}});
    }
    pool_.order(std::move(orders));
  }
  ExecutorReport collect(std::size_t done, std::size_t closed = 0) {
    ExecutorReport all;
    while (all.done.size() < done || all.closed.size() < closed) {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [&] { return calls_ > seen_; });
      seen_ = calls_;
      lock.unlock();
      ExecutorReport more = pool_.report();
      std::move(more.done.begin(), more.done.end(), std::back_inserter(all.done));
      all.closed.insert(all.closed.end(), more.closed.begin(), more.closed.end());
    }
    return all;
  }
  // Short tasks, as the pool has seen them.
  void warmUp() {
    run({1000});
    devices_.await(1);
    devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10));
    collect(1);
  }

  TestDevices devices_;
  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0, seen_ = 0;
  std::uint32_t nextSlot_ = 1;
  WorkerPool pool_;
};

TEST_F(WorkerPoolDevicesTest, ATaskIsReportedWhenTheDeviceIsThroughAndNotBefore) {
  lane(0, "three");
  run({1});
  devices_.await(1);
  EXPECT_TRUE(pool_.report().empty());
  devices_.end(DeviceEnd::How::over, std::chrono::milliseconds(7));
  TaskDone done = std::move(collect(1).done[0]);
  EXPECT_EQ(done.how, TaskDone::How::held);
  EXPECT_EQ(done.held.size(), 3u);
  EXPECT_EQ(done.ran, std::chrono::milliseconds(7));
  EXPECT_EQ(done.gpu, 0u);
}

TEST_F(WorkerPoolDevicesTest, ShortTasksFollowEachOtherOnTheDeviceUpToABound) {
  lane(0, "three");
  warmUp();
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= 100; ++i) indices.push_back(i);
  run(indices);
  devices_.await(32);
  for (std::uint32_t i = 1; i <= 100; ++i) {
    devices_.await(1);
    EXPECT_EQ(devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10)), task(i));
  }
  EXPECT_EQ(collect(100).done.size(), 100u);
  EXPECT_EQ(devices_.most(), 32u);
}

TEST_F(WorkerPoolDevicesTest, ASlotThatIsFullGivesInMoreWhenHalfIsOver) {
  lane(0, "three");
  warmUp();
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= 60; ++i) indices.push_back(i);
  run(indices);
  devices_.await(32);
  for (int i = 0; i < 16; ++i) devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10));
  devices_.await(32);
  EXPECT_EQ(devices_.inside().front(), task(17));
  for (int i = 0; i < 44; ++i) {
    devices_.await(1);
    devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10));
  }
  EXPECT_EQ(collect(60).done.size(), 60u);
}

TEST_F(WorkerPoolDevicesTest, ResultsThatNobodyWillTakeAreForgottenByTheDevices) {
  lane(0, "three");
  Orders orders;
  orders.forget = {task(5), task(7)};
  pool_.order(std::move(orders));
  EXPECT_EQ(devices_.forgotten(), (std::set<ObjectId>{task(5), task(7)}));
}

TEST_F(WorkerPoolDevicesTest, LongTasksDoNotQueueBehindOneAnother) {
  lane(0, "three");
  run({1});
  devices_.await(1);
  devices_.end(DeviceEnd::How::over, std::chrono::seconds(1));
  collect(1);
  run({2, 3, 4});
  for (int i = 0; i < 3; ++i) {
    devices_.await(1);
    devices_.end(DeviceEnd::How::over, std::chrono::seconds(1));
  }
  collect(3);
  EXPECT_EQ(devices_.most(), 1u);
}

TEST_F(WorkerPoolDevicesTest, ASlotLeavesATaskForEachOther) {
  lane(0, "three", 2);
  run({1, 2});
  devices_.await(2);
  devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10));
  devices_.end(DeviceEnd::How::over, std::chrono::microseconds(10));
  std::vector<TaskDone> done = std::move(collect(2).done);
  EXPECT_NE(done[0].gpu, done[1].gpu);
}

TEST_F(WorkerPoolDevicesTest, WhatWasUndoneIsRunAgainBeforeWhatQueues) {
  lane(0, "three");
  run({1, 2, 3});
  devices_.await(2);  // as nothing is known of their time: one runs, one is behind it
  ASSERT_EQ(devices_.inside(), (std::vector<TaskId>{task(1), task(2)}));
  devices_.end(DeviceEnd::How::undone);
  devices_.await(2);
  EXPECT_EQ(devices_.inside(), (std::vector<TaskId>{task(2), task(1)}));
  for (int i = 0; i < 3; ++i) {
    devices_.await(1);
    devices_.end();
  }
  EXPECT_EQ(collect(3).done.size(), 3u);
}

TEST_F(WorkerPoolDevicesTest, ADeviceErrorFailsTheTaskAndTheFunctionsOwnComesFirst) {
  lane(0, "three");
  run({1});
  devices_.await(1);
  devices_.end(DeviceEnd::How::failed);
  TaskDone done = std::move(collect(1).done[0]);
  ASSERT_EQ(done.how, TaskDone::How::failed);
  EXPECT_EQ(done.failure->kind, FailureKind::device);
  EXPECT_EQ(done.failure->message, "the device says no");

  Orders other;
  other.lanes = {{1, "throwing"}};
  other.open = {{SlotId{50}, 1, {}, {{0, Amount::whole(1), 0}}}};
  other.run.push_back({task(2), Attempt{1}, 1, {}, {}});
  pool_.order(std::move(other));
  devices_.await(1);
  devices_.end(DeviceEnd::How::failed);
  done = std::move(collect(1).done[0]);
  EXPECT_EQ(done.failure->kind, FailureKind::exception);
  EXPECT_EQ(done.failure->type, "std::out_of_range");
}

TEST_F(WorkerPoolDevicesTest, ASlotIsClosedWhenItsDeviceIsThrough) {
  lane(0, "three");
  warmUp();
  run({1, 2});
  devices_.await(2);
  Orders close;
  close.close = {SlotId{1}};
  pool_.order(std::move(close));
  devices_.end();
  ExecutorReport first = collect(1);
  EXPECT_TRUE(first.closed.empty());
  devices_.end();
  ExecutorReport second = collect(1, 1);
  EXPECT_EQ(second.closed.size(), 1u);
}

TEST_F(WorkerPoolDevicesTest, ATaskThatCannotBeginFailsAndTheNextIsTried) {
  lane(0, "three");
  devices_.refuses = true;
  run({1});
  TaskDone done = std::move(collect(1).done[0]);
  EXPECT_EQ(done.failure->message, "no context can be made");
  devices_.refuses = false;
  run({2});
  devices_.await(1);
  devices_.end();
  EXPECT_EQ(collect(1).done[0].how, TaskDone::How::held);
}

// Tasks that take the result of the one before on the device.
class WorkerPoolChainsTest : public WorkerPoolDevicesTest {
 protected:
  void SetUp() override {
    devices_.keeps = true;
    lane(0, "link");
    warmUp();
  }
  // `count` links from task 1 on.
  void chain(std::uint32_t count) {
    Orders orders;
    for (std::uint32_t index = 1; index <= count; ++index) {
      std::vector<std::byte> arguments{std::byte{1}, {}, {}, {}, {}};  // the first of the inputs
      RunTask link{task(index), Attempt{1}, 0, Blob::copyOf(arguments), {}, index < count};
      link.inputs.push_back({task(index - 1), {}, false, index > 1});
      orders.run.push_back(std::move(link));
    }
    pool_.order(std::move(orders));
  }
  std::string reported(std::size_t done) {
    std::string text;
    for (const TaskDone& one : collect(done).done) {
      const char* how = one.how == TaskDone::How::held       ? "held "
                        : one.how == TaskDone::How::returned ? "returned "
                                                             : "failed ";
      text += std::to_string(one.id.index()) + " " + how;
    }
    return text;
  }
};

TEST_F(WorkerPoolChainsTest, LinksAreOnTheDeviceBehindEachOtherBeforeTheFirstIsMade) {
  chain(5);
  devices_.await(5);
  EXPECT_EQ(devices_.inside(),
            (std::vector<TaskId>{task(1), task(2), task(3), task(4), task(5)}));
  EXPECT_TRUE(pool_.report().empty());
  for (int i = 0; i < 5; ++i) devices_.end();
  EXPECT_EQ(reported(5), "1 held 2 held 3 held 4 held 5 held ");
}

TEST_F(WorkerPoolChainsTest, NoLinkIsReportedBeforeTheOneThatItFollows) {
  chain(3);
  devices_.await(3);
  devices_.end(2, DeviceEnd::How::over);
  devices_.end(1, DeviceEnd::How::over);
  EXPECT_TRUE(pool_.report().empty());
  devices_.end();
  EXPECT_EQ(reported(3), "1 held 2 held 3 held ");
}

TEST_F(WorkerPoolChainsTest, LinksBehindAFailureAreReturnedWhateverTheyDid) {
  chain(4);
  devices_.await(4);
  devices_.end(2, DeviceEnd::How::over);
  devices_.end(DeviceEnd::How::failed);
  devices_.end(DeviceEnd::How::over);
  devices_.end(DeviceEnd::How::undone);
  EXPECT_EQ(reported(4), "1 failed 2 returned 3 returned 4 returned ");
  EXPECT_EQ(devices_.forgotten(), (std::set<ObjectId>{task(2), task(3)}));
}

TEST_F(WorkerPoolChainsTest, LinksOfAContextThatFailedUnderThemRunAgainOneByOne) {
  chain(3);
  devices_.await(3);
  for (std::size_t i : {2u, 1u, 0u}) devices_.end(i, DeviceEnd::How::undone);
  for (std::uint32_t index = 1; index <= 3; ++index) {
    devices_.await(1);
    EXPECT_EQ(devices_.inside(), (std::vector<TaskId>{task(index)}));
    devices_.end();
  }
  EXPECT_EQ(reported(3), "1 held 2 held 3 held ");
}

TEST_F(WorkerPoolChainsTest, ALinkWhoseInputIsNotThereAnyMoreWaitsForTheBytes) {
  chain(2);
  devices_.await(2);
  devices_.end(1, DeviceEnd::How::undone);  // meanwhile its input is lost
  EXPECT_EQ(devices_.inside(), (std::vector<TaskId>{task(1)}));
  devices_.end();
  devices_.await(1);
  EXPECT_EQ(devices_.end(), task(2));
  EXPECT_EQ(reported(2), "1 held 2 held ");
}

TEST_F(WorkerPoolChainsTest, ALinkThatHasNoSlotYetIsReturnedWhenItsMakerFails) {
  Orders other;
  other.lanes = {{1, "link"}};
  std::vector<std::byte> arguments{std::byte{1}, {}, {}, {}, {}};
  other.run.push_back({task(1), Attempt{1}, 0, Blob::copyOf(arguments), {{task(0), {}}}, true});
  other.run.push_back(
      {task(2), Attempt{1}, 1, Blob::copyOf(arguments), {{task(1), {}, false, true}}});
  pool_.order(std::move(other));
  devices_.await(1);
  devices_.end(DeviceEnd::How::failed);
  EXPECT_EQ(reported(2), "1 failed 2 returned ");
}

}  // namespace
}  // namespace alnilam
