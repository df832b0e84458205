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
void gatedIfTold(TaskCall& call) {
  if (!call.arguments.empty()) gate->pass();
  call.result->room(0);
}
void whoAmI(TaskCall& call) {
  auto room = call.result->room(sizeof(TaskId));
  TaskId id = WorkerPool::currentTask();
  std::memcpy(room.data(), &id, sizeof id);
}
// One more than its input, or 1.
void next(TaskCall& call) {
  std::uint64_t value = 0;
  if (!call.inputs.empty()) {
    if (call.inputs[0].size() < sizeof value) throw std::out_of_range("no input");
    std::memcpy(&value, call.inputs[0].data(), sizeof value);
  }
  ++value;
  std::memcpy(call.result->room(sizeof value).data(), &value, sizeof value);
}
void large(TaskCall& call) {
  auto room = call.result->room(kInlineLimit + 8);
  std::memset(room.data(), 7, room.size());
}

[[maybe_unused]] const bool registered = [] {
  registerTask({"echo", reinterpret_cast<const void*>(&echo), &echo, false});
  registerTask({"throwing", reinterpret_cast<const void*>(&throwing), &throwing, false});
  registerTask({"throwing42", reinterpret_cast<const void*>(&throwing42), &throwing42, false});
  registerTask({"gated", reinterpret_cast<const void*>(&gated), &gated, false});
  registerTask({"gatedIfTold", reinterpret_cast<const void*>(&gatedIfTold), &gatedIfTold, false});
  registerTask({"next", reinterpret_cast<const void*>(&next), &next, false});
  registerTask({"large", reinterpret_cast<const void*>(&large), &large, false});
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
  // `index` takes the result that `before` is making.
  static RunTask link(std::uint32_t index, std::uint32_t before, ClassIndex lane) {
    return {task(index), Attempt{1}, lane, {}, {{task(before), {}, false, true}}, true};
  }
  static RunTask first(std::uint32_t index, ClassIndex lane) {
    return {task(index), Attempt{1}, lane, {}, {}, true};
  }
  static std::uint64_t number(const TaskDone& done) {
    std::uint64_t value = 0;
    if (done.held.size() >= sizeof value) {
      std::memcpy(&value, done.held.bytes().data(), sizeof value);
    }
    return value;
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

// Short tasks are drawn several at a time; here one that proves long is the first of them.
TEST_F(WorkerPoolTest, WhatIsDrawnBehindALongTaskIsCancelledOrRunByAnother) {
  Gate here;
  gate = &here;
  lane(0, "gatedIfTold");
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= 100; ++i) indices.push_back(i);
  run(0, indices);
  collect(100);
  Orders orders;
  for (std::uint32_t i = 101; i <= 140; ++i) {
    orders.run.push_back({task(i), Attempt{1}, 0, {}, {}});
  }
  orders.run.front().arguments = Blob::copyOf(std::as_bytes(std::span("wait")));
  pool_.order(std::move(orders));
  here.awaitWaiting(1);

  Orders cancel;
  cancel.cancel = {task(102), task(140)};
  pool_.order(std::move(cancel));
  for (const TaskDone& done : collect(2).done) {
    EXPECT_EQ(done.failure->kind, FailureKind::cancelled);
  }
  Orders open;
  open.open = {{SlotId{99}, 0, {}, {}}};
  pool_.order(std::move(open));
  EXPECT_EQ(collect(37).done.size(), 37u) << "all but the long one, which is on the first slot";
  here.open();
  EXPECT_EQ(collect(1).done[0].id, task(101));
}

TEST_F(WorkerPoolTest, WhatIsDoneBeforeALongTaskOfTheSameDrawIsReportedMeanwhile) {
  Gate here;
  gate = &here;
  lane(0, "gatedIfTold");
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 1; i <= 100; ++i) indices.push_back(i);
  run(0, indices);
  collect(100);
  Orders orders;
  for (std::uint32_t i = 101; i <= 140; ++i) {
    orders.run.push_back({task(i), Attempt{1}, 0, {}, {}});
  }
  orders.run[3].arguments = Blob::copyOf(std::as_bytes(std::span("wait")));
  pool_.order(std::move(orders));
  EXPECT_EQ(collect(3).done[2].id, task(103));
  here.open();
  EXPECT_EQ(collect(37).done[0].id, task(104));
}

TEST_F(WorkerPoolTest, AChainRunsWithoutItsOwnerInBetween) {
  for (std::uint32_t slots : {1u, 3u}) {
    ClassIndex here = 2 * slots;
    lane(here, "next", slots);
    lane(here + 1, "next", slots);
    Orders orders;
    orders.run.push_back(first(1, here));
    for (std::uint32_t i = 2; i <= 1000; ++i) {
      orders.run.push_back(link(i, i - 1, here + i % 2));
    }
    pool_.order(std::move(orders));
    ExecutorReport report = collect(1000);
    ASSERT_EQ(report.done.size(), 1000u);
    for (const TaskDone& done : report.done) EXPECT_EQ(number(done), done.id.index());
  }
}

TEST_F(WorkerPoolTest, WhatWaitsForAResultTakesNoSlotFromItsMaker) {
  Gate here;
  gate = &here;
  lane(0, "gated", 1);
  lane(1, "next", 1);
  Orders orders;
  orders.run.push_back(first(1, 0));
  for (std::uint32_t i = 2; i <= 9; ++i) orders.run.push_back(link(i, 1, 1));
  orders.run.push_back(first(10, 1));
  pool_.order(std::move(orders));
  EXPECT_EQ(collect(1).done[0].id, task(10)) << "the slot of lane 1 was free for it";
  here.open();
  ExecutorReport report = collect(9);
  EXPECT_EQ(report.done[0].id, task(1));
  EXPECT_EQ(report.done[1].failure->message, "no input") << "an empty result is passed on too";
}

TEST_F(WorkerPoolTest, WhatCannotBeMadeIsReturnedBehindTheFailure) {
  lane(0, "throwing", 1);
  lane(1, "next", 1);
  Orders orders;
  orders.run.push_back(first(1, 0));
  orders.run.push_back(link(2, 1, 1));
  orders.run.push_back(link(3, 2, 1));
  pool_.order(std::move(orders));
  ExecutorReport report = collect(3);
  EXPECT_EQ(report.done[0].id, task(1));
  EXPECT_EQ(report.done[0].how, TaskDone::How::failed);
  for (std::uint32_t i : {1u, 2u}) {
    EXPECT_EQ(report.done[i].id, task(i + 1));
    EXPECT_EQ(report.done[i].how, TaskDone::How::returned);
  }
  Orders late;
  late.run.push_back(link(4, 1, 1));
  pool_.order(std::move(late));
  EXPECT_EQ(collect(1).done[0].how, TaskDone::How::returned) << "1 has ended";
}

TEST_F(WorkerPoolTest, ATaskThatWaitsCanBeCancelledAndThoseBehindItAreReturned) {
  Gate here;
  gate = &here;
  lane(0, "gated", 1);
  lane(1, "next", 1);
  Orders orders;
  orders.run.push_back(first(1, 0));
  orders.run.push_back(link(2, 1, 1));
  orders.run.push_back(link(3, 2, 1));
  orders.run.push_back(first(4, 0));
  orders.run.push_back(link(5, 4, 1));
  pool_.order(std::move(orders));
  here.awaitWaiting(1);
  Orders cancel;
  cancel.cancel = {task(2), task(4)};
  pool_.order(std::move(cancel));
  ExecutorReport report = collect(4);
  EXPECT_EQ(report.done[0].failure->kind, FailureKind::cancelled);
  EXPECT_EQ(report.done[0].failure->function, "next");
  EXPECT_EQ(report.done[1].id, task(3));
  EXPECT_EQ(report.done[1].how, TaskDone::How::returned);
  EXPECT_EQ(report.done[2].failure->kind, FailureKind::cancelled);
  EXPECT_EQ(report.done[3].id, task(5));
  EXPECT_EQ(report.done[3].how, TaskDone::How::returned);
  here.open();
  EXPECT_EQ(collect(1).done[0].id, task(1));
}

// A store of one object.
class OneStore final : public ResultStore {
 public:
  Result<std::span<std::byte>> allocate(TaskId, Bytes size) override {
    bytes.resize(size);
    return std::span(bytes);
  }
  void abandon(TaskId) override {}
  std::vector<std::byte> bytes;
};

TEST(WorkerPoolStores, AStoredResultIsReadWhereItLies) {
  OneStore store;
  std::mutex mutex;
  std::condition_variable reported;
  bool any = false;
  WorkerPool pool({.osCpus = {}, .node = "here", .store = &store, .onReport = [&] {
                     std::lock_guard lock(mutex);
                     any = true;
                     reported.notify_all();
                   }, .onThread = {}});
  Orders orders;
  orders.lanes = {{0, "large"}, {1, "next"}};
  orders.open = {{SlotId{1}, 0, {}, {}}, {SlotId{2}, 1, {}, {}}};
  orders.run.push_back({task(1), Attempt{1}, 0, {}, {}, true});
  orders.run.push_back({task(2), Attempt{1}, 1, {}, {{task(1), {}, false, true}}, false});
  pool.order(std::move(orders));
  std::vector<TaskDone> done;
  while (done.size() < 2) {
    std::unique_lock lock(mutex);
    reported.wait(lock, [&] { return std::exchange(any, false); });
    lock.unlock();
    for (TaskDone& one : pool.report().done) done.push_back(std::move(one));
  }
  if (done[0].id != task(1)) std::swap(done[0], done[1]);
  EXPECT_EQ(done[0].how, TaskDone::How::stored);
  EXPECT_EQ(done[0].held.bytes().data(), store.bytes.data());
  std::uint64_t value = 0;
  ASSERT_EQ(done[1].held.size(), sizeof value);
  std::memcpy(&value, done[1].held.bytes().data(), sizeof value);
  EXPECT_EQ(value, 0x0707070707070708u);
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
