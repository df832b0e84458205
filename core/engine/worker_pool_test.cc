// Workers against orders given by hand.

#include "core/engine/worker_pool.h"

#include "core/api/registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace alnilam {
namespace {

// A gate that tasks wait at, so that a test decides when they go on.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void awaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

Gate* gate = nullptr;

void echo(TaskCall& call) {
  auto room = call.result->room(call.arguments.size());
  if (!room.empty()) std::memcpy(room.data(), call.arguments.data(), room.size());
}
void throwing(TaskCall&) { throw std::out_of_range("no such thing"); }
void throwing42(TaskCall&) { throw 42; }
void gated(TaskCall& call) {
  gate->pass();
  call.result->room(0);
}
void whoAmI(TaskCall& call) {
  auto room = call.result->room(sizeof(TaskId));
  TaskId id = WorkerPool::currentTask();
  std::memcpy(room.data(), &id, sizeof id);
}

[[maybe_unused]] const bool registered = [] {
  registerTask({"echo", reinterpret_cast<const void*>(&echo), &echo, false});
  registerTask({"throwing", reinterpret_cast<const void*>(&throwing), &throwing, false});
  registerTask({"throwing42", reinterpret_cast<const void*>(&throwing42), &throwing42, false});
  registerTask({"gated", reinterpret_cast<const void*>(&gated), &gated, false});
  registerTask({"whoAmI", reinterpret_cast<const void*>(&whoAmI), &whoAmI, false});
  return true;
}();

TaskId task(std::uint32_t index) { return ObjectId::make(JobId{1}, index); }

class WorkerPoolTest : public testing::Test {
 protected:
  WorkerPoolTest()
      : pool_({.osCpus = {}, .node = "here", .onReport = [this] {
                 std::lock_guard lock(mutex_);
                 ++calls_;
                 called_.notify_all();
               },
               .onThread = {}}) {}

  void lane(ClassIndex index, const char* function, std::uint32_t slots = 1) {
    Orders orders;
    orders.lanes = {{index, function}};
    for (std::uint32_t i = 0; i < slots; ++i) {
      orders.open.push_back({SlotId{nextSlot_++}, index, {}, {}});
    }
    pool_.order(std::move(orders));
  }
  void run(ClassIndex lane, std::vector<std::uint32_t> indices, std::string_view arguments = {}) {
    Orders orders;
    for (std::uint32_t index : indices) {
      orders.run.push_back({task(index), Attempt{1}, lane,
                            Blob::copyOf(std::as_bytes(std::span(arguments))), {}});
    }
    pool_.order(std::move(orders));
  }
  // Waits until `done` tasks and `closed` slots have been reported in all.
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

  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0, seen_ = 0;
  std::uint32_t nextSlot_ = 1;
  WorkerPool pool_;
};

TEST_F(WorkerPoolTest, AResultIsHeldInTheReport) {
  lane(0, "echo");
  run(0, {1}, "hello");
  ExecutorReport report = collect(1);
  ASSERT_EQ(report.done.size(), 1u);
  EXPECT_EQ(report.done[0].how, TaskDone::How::held);
  EXPECT_EQ(report.done[0].held.size(), 5u);
  EXPECT_EQ(report.done[0].id, task(1));
}

TEST_F(WorkerPoolTest, WhatAFunctionThrowsIsAFailureAndTheWorkerGoesOn) {
  lane(0, "throwing");
  lane(1, "throwing42");
  run(0, {1, 2});
  run(1, {3});
  ExecutorReport report = collect(3);
  for (const TaskDone& done : report.done) {
    ASSERT_EQ(done.how, TaskDone::How::failed);
    EXPECT_EQ(done.failure->kind, FailureKind::exception);
    if (done.id == task(3)) {
      EXPECT_EQ(done.failure->type, "int");
    } else {
      EXPECT_EQ(done.failure->type, "std::out_of_range");
      EXPECT_EQ(done.failure->message, "no such thing");
      EXPECT_EQ(done.failure->function, "throwing");
      EXPECT_EQ(done.failure->node, "here");
    }
  }
}

TEST_F(WorkerPoolTest, AFunctionThatTheProgramLacksIsNamed) {
  lane(0, "missing");
  run(0, {1});
  ExecutorReport report = collect(1);
  ASSERT_EQ(report.done[0].how, TaskDone::How::failed);
  EXPECT_EQ(report.done[0].failure->kind, FailureKind::unknownFunction);
}

TEST_F(WorkerPoolTest, AThousandTasksOnFourSlotsEachRunOnce) {
  lane(0, "whoAmI", 4);
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= 1000; ++i) indices.push_back(i);
  run(0, indices);
  ExecutorReport report = collect(1000);
  std::set<std::uint64_t> seen;
  for (const TaskDone& done : report.done) {
    TaskId said;
    ASSERT_EQ(done.held.size(), sizeof said);
    std::memcpy(&said, done.held.bytes().data(), sizeof said);
    EXPECT_EQ(said, done.id) << "currentTask is the task that runs";
    EXPECT_TRUE(seen.insert(said.value).second);
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_FALSE(WorkerPool::currentTask());
}

TEST_F(WorkerPoolTest, AClosedSlotFinishesItsTaskAndLeavesTheQueue) {
  Gate here;
  gate = &here;
  lane(0, "gated");
  run(0, {1, 2});
  here.awaitWaiting(1);
  Orders close;
  close.close = {SlotId{1}};
  pool_.order(std::move(close));
  here.open();
  ExecutorReport report = collect(1, 1);
  EXPECT_EQ(report.done.size(), 1u);
  EXPECT_EQ(report.closed, std::vector<SlotId>{SlotId{1}});

  Orders again;
  again.open = {{SlotId{9}, 0, {}, {}}};
  pool_.order(std::move(again));
  EXPECT_EQ(collect(1).done[0].id, task(2));
}

TEST_F(WorkerPoolTest, ATaskThatComesWithTheEndOfASlotIsRunByTheOther) {
  lane(0, "echo", 2);
  std::uint32_t open = 1;  // the slot that stays, in turn
  for (std::uint32_t round = 1; round <= 500; ++round) {
    run(0, {4 * round, 4 * round + 1});
    collect(2);
    Orders orders;
    orders.close = {SlotId{open}};
    orders.run.push_back({task(4 * round + 2), Attempt{1}, 0, {}, {}});
    pool_.order(std::move(orders));
    collect(1, 1);
    Orders reopen;
    reopen.open = {{SlotId{nextSlot_}, 0, {}, {}}};
    pool_.order(std::move(reopen));
    open = nextSlot_++ - 1;
  }
}

TEST_F(WorkerPoolTest, AQueuedTaskCanBeCancelledAndARunningOneIsLeftAlone) {
  Gate here;
  gate = &here;
  lane(0, "gated");
  run(0, {1, 2});
  here.awaitWaiting(1);
  Orders cancel;
  cancel.cancel = {task(1), task(2), task(3)};
  pool_.order(std::move(cancel));
  here.open();
  ExecutorReport report = collect(2);
  for (const TaskDone& done : report.done) {
    if (done.id == task(1)) {
      EXPECT_EQ(done.how, TaskDone::How::held);
    } else {
      EXPECT_EQ(done.failure->kind, FailureKind::cancelled);
    }
  }
}

TEST_F(WorkerPoolTest, ATaskOnADeviceFailsWhereThereIsNoDriver) {
  Orders orders;
  orders.lanes = {{0, "echo"}};
  orders.open = {{SlotId{1}, 0, {}, {{0, Amount::whole(1), 0}}}};
  pool_.order(std::move(orders));
  run(0, {1});
  ExecutorReport report = collect(1);
  ASSERT_EQ(report.done[0].how, TaskDone::How::failed);
  EXPECT_EQ(report.done[0].failure->kind, FailureKind::device);
  EXPECT_EQ(report.done[0].failure->message, "this process has no CUDA driver");
}

}  // namespace
}  // namespace alnilam
