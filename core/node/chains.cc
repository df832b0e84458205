// Chains: tasks that wait for what other tasks of this node are making.

#include "core/node/state.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {

bool NodeBrain::State::awaitResult(ObjectId id, std::uint32_t index, RunInput& input) {
  std::uint32_t maker = taskIndex.find(id);
  if (maker != kNoTask && maker != index) {
    tasks[maker].waiters = rings.append(tasks[maker].waiters, {index, tasks[index].serial});
    ++tasks[index].unmade;
    input.coming = true;
    return true;
  }
  // Made and reported meanwhile: a stored one is still here, a held one is known to the head alone.
  std::uint32_t object = objectIndex.find(id);
  if (object == kNoTask || !objects[object].here) return false;
  ++objects[object].pins;
  tasks[index].bytes += objects[object].size;
  input.stored = true;
  return true;
}

void NodeBrain::State::made(std::uint32_t index, const TaskDone& done) {
  bool isStored = done.how == TaskDone::How::stored;
  rings.drain(std::exchange(tasks[index].waiters, 0), [&](const Waiter& waiter) {
    Task& task = tasks[waiter.task];
    if (task.serial != waiter.serial) return;  // it has ended
    for (RunInput& input : task.inputs) {
      if (!input.coming || input.object != done.id) continue;
      input.coming = false;
      input.stored = isStored;
      task.bytes += isStored ? done.size : done.held.size();
      if (isStored) ++objects[objectIndex.find(done.id)].pins;
      else input.held = done.held;
    }
    if (--task.unmade == 0 && task.missing == 0) runnable(waiter.task);
  });
}

void NodeBrain::State::runnable(std::uint32_t index) {
  Task& task = tasks[index];
  if (task.at != Task::At::following) return enqueue(index);
  // The executor has seen to it already.
  Lane& lane = *task.lane;
  unlink(lane.following, index);
  --lane.job->following;
  task.at = Task::At::sent;
  append(lane.sent, index);
  ++lane.job->sent;
  lane.drySince.reset();
  activate(lane);
  if (lane.tasks() > lane.open.size()) planDue = true;
}

// Those that follow it at the executor are returned by that.
void NodeBrain::State::unmade(std::uint32_t index) {
  if (tasks[index].waiters == 0) return;
  std::vector<std::uint32_t> orphans;
  auto gather = [&](std::uint32_t maker) {
    rings.drain(std::exchange(tasks[maker].waiters, 0), [&](const Waiter& waiter) {
      Task& task = tasks[waiter.task];
      if (task.serial != waiter.serial) return;
      if (task.at == Task::At::following) task.orphaned = true;
      if (task.at != Task::At::fetching) return;
      task.at = Task::At::nowhere;  // so that it is gathered once
      orphans.push_back(waiter.task);
    });
  };
  gather(index);
  for (std::size_t i = 0; i < orphans.size(); ++i) gather(orphans[i]);
  for (std::uint32_t orphan : orphans) {
    tasks[orphan].at = Task::At::fetching;
    giveBack(orphan);
  }
}

void NodeBrain::State::giveBack(std::uint32_t index) {
  returnUnbegun(tasks[index].id, tasks[index].attempt);
  unmade(index);
  forget(index);
}

// What is with an executor has begun, or may at any moment: it stays.
void NodeBrain::State::giveBackUnbegun(TaskId id) {
  std::uint32_t index = taskIndex.find(id);
  if (index == kNoTask) return;  // its report is under way
  Task& task = tasks[index];
  if (task.at == Task::At::following) return;
  if (task.at != Task::At::sent) return giveBack(index);
  // Its executor may not have begun it: then it drops it, and tells so.
  if (task.cancelled || std::exchange(task.recalled, true)) return;
  executors.at(task.lane->job->executor).orders.cancel.push_back(id);
}

// The executor will not run it: what it waited for is not made there, or was made too early.
void NodeBrain::State::returned(std::uint32_t index) {
  Task& task = tasks[index];
  Lane& lane = *task.lane;
  if (task.cancelled) return fail(index, FailureKind::cancelled, "cancelled");
  bool canRun = task.at == Task::At::sent;
  if (task.orphaned) return giveBack(index);
  if (canRun) leaveBacklog(lane);
  unlink(listOf(task), index);
  --(canRun ? lane.job->sent : lane.job->following);
  --sentTasks;
  task.at = Task::At::fetching;
  if (canRun) enqueue(index);
}

void NodeBrain::State::mayFollow(std::uint32_t index) {
  followers.push_back({index, tasks[index].serial});
}

// Those who wait for it may be sent behind it.
void NodeBrain::State::mayFollowTo(const Task& maker) {
  rings.each(maker.waiters, [this](const Waiter& waiter) {
    followers.push_back(waiter);
    return true;
  });
}

// All that it waits for is with the job's executor, or on the way there.
bool NodeBrain::State::canFollow(const Task& task) const {
  if (task.at != Task::At::fetching || task.missing > 0) return false;
  if (task.lane->choice) return false;  // which variant it will be depends on what it waits for
  if (task.lane->job->suspects > 0 || !serves(*task.lane)) return false;
  return std::all_of(task.inputs.begin(), task.inputs.end(), [this](const RunInput& input) {
    if (!input.coming) return true;
    std::uint32_t index = taskIndex.find(input.object);
    if (index == kNoTask || !tasks[index].announced) return false;
    return tasks[index].at == Task::At::sent || tasks[index].at == Task::At::following;
  });
}

void NodeBrain::State::follow() {
  for (std::size_t i = 0; i < followers.size(); ++i) {
    auto [index, serial] = followers[i];
    Task& task = tasks[index];
    if (task.serial != serial || !canFollow(task)) continue;
    Lane& lane = *task.lane;
    announce(lane);
    task.at = Task::At::following;
    task.recalled = false;
    append(lane.following, index);
    ++lane.job->following;
    ++sentTasks;
    task.sentAs = task.attempt;
    task.announced = task.awaited || task.waiters != 0;
    mayFollowTo(task);
    executors.at(lane.job->executor)
        .orders.run.push_back({task.id, task.attempt, lane.index, task.arguments, task.inputs,
                               task.announced});
  }
  followers.clear();
}

// Their executor is gone, and with it what was made there and not reported.
void NodeBrain::State::requeueFollowing(Lane& lane) {
  while (lane.following.size > 0) {
    std::uint32_t index = lane.following.first;
    Task& task = tasks[index];
    unlink(lane.following, index);
    --lane.job->following;
    --sentTasks;
    task.at = Task::At::fetching;
    if (task.cancelled) fail(index, FailureKind::cancelled, "cancelled");
    else if (task.orphaned) giveBack(index);
  }
}

}  // namespace alnilam::node
