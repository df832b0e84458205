// Tasks: from an assignment to its report.

#include "core/node/state.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {
namespace {

constexpr Duration kRetryStart = std::chrono::seconds(1);  // see ExecutorFailed
// How far the usual duration moves towards a run: faster down than up, because a first run is often
// slow (a cold cache, a context made), and too much sent ahead costs less than too little.
constexpr std::int64_t kDown = 2;
constexpr std::int64_t kUp = 8;

}  // namespace

// ---- The pool and its lists.

std::uint32_t NodeBrain::State::newTask() {
  std::uint32_t index;
  if (freeTasks.empty()) {
    index = static_cast<std::uint32_t>(tasks.size());
    tasks.emplace_back();
  } else {
    index = freeTasks.back();
    freeTasks.pop_back();
  }
  tasks[index].serial = ++lastSerial;
  return index;
}

void NodeBrain::State::append(TaskList& list, std::uint32_t index) {
  tasks[index].previous = list.last;
  tasks[index].next = kNoTask;
  (list.last == kNoTask ? list.first : tasks[list.last].next) = index;
  list.last = index;
  ++list.size;
}

void NodeBrain::State::prepend(TaskList& list, std::uint32_t index) {
  tasks[index].next = list.first;
  tasks[index].previous = kNoTask;
  (list.first == kNoTask ? list.last : tasks[list.first].previous) = index;
  list.first = index;
  ++list.size;
}

void NodeBrain::State::unlink(TaskList& list, std::uint32_t index) {
  Task& task = tasks[index];
  (task.previous == kNoTask ? list.first : tasks[task.previous].next) = task.next;
  (task.next == kNoTask ? list.last : tasks[task.next].previous) = task.previous;
  --list.size;
}

TaskList& NodeBrain::State::listOf(Task& task) {
  if (task.at == Task::At::following) return task.lane->following;
  if (task.at == Task::At::undecided) return task.lane->choice->undecided;
  return task.at == Task::At::sent ? task.lane->sent : task.lane->queue;
}

// ---- From the head.

void NodeBrain::State::assign(Instant now, Assignment&& assignment) {
  std::uint32_t known = taskIndex.find(assignment.id);
  if (known != kNoTask) {
    // Told twice: it is the same function on the same inputs, so the newest number is all that
    // matters, and whatever comes of it is reported under that one.
    tasks[known].attempt = std::max(tasks[known].attempt, assignment.attempt);
    return;
  }
  Lane* lane = laneOf(assignment.id, assignment.taskClass);
  if (!lane) {
    return refuse(assignment, FailureKind::executorFailed,
                  "the node was not told of class " + std::to_string(assignment.taskClass) +
                      " of job " + std::to_string(assignment.id.job().value));
  }
  Job& job = *lane->job;
  if (!isFeasible(*lane)) {
    if (wouldBeFeasible(*lane)) return returnUnbegun(assignment.id, assignment.attempt);
    std::string needs = show(lane->whole().needs);
    for (std::size_t way = 1; way < lane->whole().ways(); ++way) {
      needs += " or " + show(lane->whole().needsOf(way));
    }
    return refuse(assignment, FailureKind::infeasible,
                  lane->whole().function + " asks for " + needs + ", and node " + config.name +
                      " has " + show(config.total));
  }
  if (job.failedAt && now - *job.failedAt < kRetryStart) {
    return refuse(assignment, FailureKind::executorFailed, job.failedWhy);
  }
  job.failedAt.reset();

  std::uint32_t index = newTask();
  taskIndex.insert(assignment.id, index);
  Task& task = tasks[index];
  task.id = assignment.id;
  task.attempt = assignment.attempt;
  task.lane = lane;
  task.missing = task.unmade = 0;
  task.suspect = task.cancelled = task.recalled = task.announced = task.orphaned = false;
  task.awaited = assignment.awaited;
  task.hint = assignment.variant;
  task.trial = assignment.trial;
  task.bytes = assignment.arguments.size();
  task.arguments = std::move(assignment.arguments);
  task.inputs.reserve(assignment.inputs.size());
  bool canBe = true;
  for (auto& [object, value] : assignment.inputs) {
    bool stored = value.state == Value::State::stored;
    task.bytes += stored ? value.size : value.held.size();
    if (stored && !pin(object, value, index)) ++task.missing;
    task.inputs.push_back({object, std::move(value.held), stored});
    bool isComing = value.state == Value::State::pending;
    if (isComing && !awaitResult(object, index, task.inputs.back())) canBe = false;
  }
  ++job.tasks;
  task.at = Task::At::fetching;
  if (!canBe) return giveBack(index);
  if (!job.executor) planDue = true;  // it starts while the inputs are fetched
  if (task.missing == 0 && task.unmade == 0) enqueue(index);
  else if (task.missing == 0) mayFollow(index);
}

void NodeBrain::State::enqueue(std::uint32_t index) {
  Task& task = tasks[index];
  Lane& lane = *task.lane;
  straysDue = straysDue || !isFeasible(lane);
  if (lane.choice) {
    task.since = callTime;
    task.sizeClass = placement::sizeClassOf(task.bytes);
    task.at = Task::At::undecided;
    return append(lane.choice->undecided, index);
  }
  task.at = Task::At::queued;
  append(lane.queue, index);
  lane.drySince.reset();
  activate(lane);
  if (lane.tasks() > lane.open.size()) planDue = true;
}

void NodeBrain::State::cancel(TaskId id) {
  std::uint32_t index = taskIndex.find(id);
  if (index == kNoTask) return;  // its report is under way
  Task& task = tasks[index];
  bool isHere = task.at != Task::At::sent && task.at != Task::At::following;
  if (isHere) return fail(index, FailureKind::cancelled, "cancelled");
  task.cancelled = true;
  executors.at(task.lane->job->executor).orders.cancel.push_back(id);
}

// ---- From an executor.

void NodeBrain::State::done(ExecutorId executor, TaskDone&& done) {
  std::uint32_t index = taskIndex.find(done.id);
  bool expected = index != kNoTask &&
                  (tasks[index].at == Task::At::sent || tasks[index].at == Task::At::following) &&
                  tasks[index].sentAs == done.attempt &&
                  tasks[index].lane->job->executor == executor;
  bool stored = done.how == TaskDone::How::stored;
  if (!expected) {  // of a job that ended, or of an attempt that is charged already
    if (!stored || objectIndex.find(done.id) != kNoTask) return;
    auto from = executors.find(executor);
    bool mayBeRead = from != executors.end() && !from->second.job;  // by threads of the ended job
    if (mayBeRead) arrived(done.id, done.size);  // dropped with the others, when they are gone
    else owed.push_back(Drop{done.id});
    return;
  }
  if (done.how == TaskDone::How::returned) return returned(index);
  Task& task = tasks[index];
  Lane& lane = *task.lane;
  done.attempt = task.attempt;
  done.variant = lane.way;
  lane.job->diedIdle = false;
  if (stored) arrived(done.id, done.size);
  if (done.how == TaskDone::How::failed) {
    if (!done.failure) return fail(index, FailureKind::exception, "failed without a reason");
    bool wasDropped = done.failure->kind == FailureKind::cancelled && task.recalled;
    if (wasDropped && !task.cancelled) return giveBack(index);
    bool isOut = done.health != DeviceHealth::ok && endedBadly(lane, done);
    if (isOut && done.ran == Duration{}) {
      straysDue = true;
      return task.suspect ? giveBack(index) : returned(index);
    }
    if (done.failure->node.empty()) {
      auto placed = std::make_shared<Failure>(*done.failure);
      placed->node = config.name;
      done.failure = std::move(placed);
    }
    owedReport.done.push_back(std::move(done));
    unmade(index);
  } else {
    std::int64_t ran = std::max<std::int64_t>(0, done.ran.count());
    std::int64_t off = ran - lane.usual;
    lane.usual = lane.measured ? lane.usual + off / (off < 0 ? kDown : kUp) : ran;
    lane.measured = true;
    endedWell(lane, done.gpu);
    if (lane.choice) learnRun(lane, task.sizeClass, done);
    if (task.waiters != 0) made(index, done);
    owedReport.done.push_back(std::move(done));
  }
  forget(index);
  if (lane.tasks() < lane.open.size()) planDue = true;
}

// ---- Ends.

void NodeBrain::State::fail(std::uint32_t index, FailureKind kind, std::string message,
                            TaskId where) {
  Task& task = tasks[index];
  auto failure = std::make_shared<Failure>();
  failure->kind = kind;
  failure->task = where ? where : task.id;
  bool isPicked = task.at == Task::At::queued || task.at == Task::At::sent;
  failure->function = (isPicked ? task.lane->definition : task.lane->whole()).function;
  failure->node = config.name;
  failure->attempt = task.attempt;
  failure->message = cleanMessage(message);
  TaskDone done;
  done.id = task.id;
  done.attempt = task.attempt;
  done.variant = isPicked ? task.lane->way : task.hint;
  done.how = TaskDone::How::failed;
  done.failure = std::move(failure);
  owedReport.done.push_back(std::move(done));
  unmade(index);
  forget(index);
}

// Reports an assignment that never became a task here.
void NodeBrain::State::refuse(const Assignment& assignment, FailureKind kind, std::string message) {
  const Lane* lane = laneOf(assignment.id, assignment.taskClass);
  auto failure = std::make_shared<Failure>();
  failure->kind = kind;
  failure->task = assignment.id;
  if (lane) failure->function = lane->whole().function;
  failure->node = config.name;
  failure->attempt = assignment.attempt;
  failure->message = cleanMessage(message);
  TaskDone done;
  done.id = assignment.id;
  done.attempt = assignment.attempt;
  done.how = TaskDone::How::failed;
  done.failure = std::move(failure);
  owedReport.done.push_back(std::move(done));
}

// Nothing came of an assignment; the head is to think again.
void NodeBrain::State::returnUnbegun(TaskId id, Attempt attempt) {
  TaskDone done;
  done.id = id;
  done.attempt = attempt;
  done.how = TaskDone::How::returned;
  owedReport.done.push_back(std::move(done));
}

void NodeBrain::State::forget(std::uint32_t index) {
  Task& task = tasks[index];
  Job& job = *task.lane->job;
  if (task.at == Task::At::queued || task.at == Task::At::sent) leaveBacklog(*task.lane);
  if (task.at != Task::At::fetching) {
    unlink(listOf(task), index);
    if (task.lane->tasks() == 0) planDue = true;  // its slots are to spare now
  }
  if (task.at == Task::At::sent) {
    --job.sent;
    --sentTasks;
  } else if (task.at == Task::At::following) {
    --job.following;
    --sentTasks;
  }
  rings.drain(std::exchange(task.waiters, 0), [](const Waiter&) {});
  if (task.suspect) {
    --job.suspects;
    planDue = true;  // it is the turn of another lane's, or of everybody
  }
  --job.tasks;
  taskIndex.erase(task.id);
  for (const RunInput& input : task.inputs) {
    if (input.stored) unpin(input.object);
  }
  task.id = {};
  task.at = Task::At::nowhere;
  task.lane = nullptr;
  task.serial = 0;
  task.arguments = {};
  task.inputs.clear();
  freeTasks.push_back(index);
}

void NodeBrain::State::failAll(Job& job, FailureKind kind, const std::string& message) {
  for (std::uint32_t index = 0; index < tasks.size(); ++index) {
    const Task& task = tasks[index];
    if (!task.lane || task.lane->job != &job) continue;
    if (task.unmade > 0) giveBack(index);  // what it waits for fails with this, and it by that
    else fail(index, kind, message);
  }
}

}  // namespace alnilam::node
