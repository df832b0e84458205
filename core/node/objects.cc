// Objects: what the store holds, what is being pulled, and who uses it.

#include "core/node/state.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {

std::uint32_t NodeBrain::State::newObject(ObjectId id) {
  std::uint32_t index;
  if (freeObjects.empty()) {
    index = static_cast<std::uint32_t>(objects.size());
    objects.emplace_back();
  } else {
    index = freeObjects.back();
    freeObjects.pop_back();
  }
  objects[index].id = id;
  objectIndex.insert(id, index);
  return index;
}

void NodeBrain::State::eraseObject(std::uint32_t index) {
  objectIndex.erase(objects[index].id);
  objects[index] = {};
  freeObjects.push_back(index);
}

void NodeBrain::State::dropObject(std::uint32_t index) {
  owed.push_back(Drop{objects[index].id});
  eraseObject(index);
}

bool NodeBrain::State::pin(ObjectId id, const Value& value, std::uint32_t waiter) {
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone) {
    index = newObject(id);
    objects[index].size = value.size;
    objects[index].holders = value.holders;
    objects[index].tried = value.holders.size();
    objects[index].asked = callTime;
    owed.push_back(Pull{id, value.size, value.holders});
  }
  Object& object = objects[index];
  ++object.pins;
  if (object.here) return true;
  for (NodeId holder : value.holders) {
    bool isNew = std::find(object.holders.begin(), object.holders.end(), holder) ==
                 object.holders.end();
    if (isNew) object.holders.push_back(holder);
  }
  object.waiters.push_back({waiter, tasks[waiter].serial});
  return false;
}

void NodeBrain::State::unpin(ObjectId id) {
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone) return;  // its pull has failed just now
  Object& object = objects[index];
  ALNILAM_ASSERT(object.pins > 0);
  if (--object.pins == 0 && object.unwanted && object.here) dropObject(index);
}

// It lies in the store now, whoever put it there.
void NodeBrain::State::arrived(ObjectId id, Bytes size) {
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone) index = newObject(id);
  objects[index].size = size;
  objects[index].here = true;
  objects[index].unwanted = false;
  objects[index].holders.clear();
  auto waiters = std::exchange(objects[index].waiters, {});
  for (const Waiter& waiter : waiters) {
    Task& task = tasks[waiter.task];
    if (task.serial != waiter.serial) continue;  // cancelled meanwhile
    if (--task.missing > 0) continue;
    if (task.unmade == 0) enqueue(waiter.task);
    else mayFollow(waiter.task);
  }
}

void NodeBrain::State::pulled(ObjectId id, Bytes size) {
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone) {  // nobody remembers having asked
    owed.push_back(Drop{id});
    return;
  }
  if (objects[index].here) return;  // made here in the meantime
  if (objects[index].pins == 0) return dropObject(index);
  pulls.observe(size, callTime - objects[index].asked);
  owedReport.pullRate = pulls.perSecond();
  bool unwanted = objects[index].unwanted;
  arrived(id, size);
  objects[index].unwanted = unwanted;
  if (!unwanted) owedReport.kept.push_back({id, size});
}

void NodeBrain::State::pullFailed(ObjectId id, const std::string& why) {
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone || objects[index].here) return;
  Object& object = objects[index];
  if (object.pins > 0 && object.tried < object.holders.size()) {  // others were named since
    std::vector<NodeId> rest(object.holders.begin() + static_cast<std::ptrdiff_t>(object.tried),
                             object.holders.end());
    object.tried = object.holders.size();
    object.asked = callTime;
    owed.push_back(Pull{id, object.size, std::move(rest)});
    return;
  }
  auto waiters = std::exchange(object.waiters, {});
  eraseObject(index);
  for (const Waiter& waiter : waiters) {
    if (tasks[waiter.task].serial != waiter.serial) continue;
    fail(waiter.task, FailureKind::objectLost, "object " + show(id) + " cannot be had: " + why, id);
  }
}

void NodeBrain::State::localPut(ObjectId id, Bytes size) {
  arrived(id, size);
  owedReport.kept.push_back({id, size});
}

void NodeBrain::State::release(ObjectId id) {
  if (Job* job = jobOf(id.job()); job && job->executor) {
    Executor& executor = executors.at(job->executor);
    if (executor.hasDevices) executor.orders.forget.push_back(id);
  }
  std::uint32_t index = objectIndex.find(id);
  if (index == IdTable::kNone) return;
  objects[index].unwanted = true;
  if (objects[index].here && objects[index].pins == 0) dropObject(index);
}

// After the job's tasks and its executor: nothing is pinned any more.  What is on its way is
// dropped on arrival.
void NodeBrain::State::dropObjectsOf(JobId job) {
  for (std::uint32_t index = 0; index < objects.size(); ++index) {
    Object& object = objects[index];
    if (!object.id || object.id.job() != job) continue;
    ALNILAM_ASSERT(object.pins == 0);
    if (object.here) dropObject(index);
    else object.unwanted = true;
  }
}

}  // namespace alnilam::node
