// Jobs and their executors: start, serve, die, stop.

#include "core/node/state.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {

Job* NodeBrain::State::jobOf(JobId id) {
  if (lastJob && lastJob->notice.job == id) return lastJob;
  auto at = std::lower_bound(jobs.begin(), jobs.end(), id, [](const auto& job, JobId wanted) {
    return job->notice.job < wanted;
  });
  if (at == jobs.end() || (*at)->notice.job != id) return nullptr;
  return lastJob = at->get();
}

Lane* NodeBrain::State::laneOf(TaskId task, ClassIndex index) {
  Job* job = jobOf(task.job());
  return job && index < job->lanes.size() ? job->lanes[index].get() : nullptr;
}

void NodeBrain::State::learn(JobNotice&& notice) {
  if (jobOf(notice.job)) return;
  auto at = std::lower_bound(jobs.begin(), jobs.end(), notice.job, [](const auto& job, JobId id) {
    return job->notice.job < id;
  });
  auto job = std::make_unique<Job>();
  job->notice = std::move(notice);
  jobs.insert(at, std::move(job));
}

void NodeBrain::State::learn(ClassNotice&& notice) {
  Job* job = jobOf(notice.job);
  if (!job || notice.index >= kMaxClasses) return;
  if (job->lanes.size() <= notice.index) job->lanes.resize(notice.index + 1);
  if (job->lanes[notice.index]) return;
  if (notice.definition.hasVariants()) return learnVariants(*job, std::move(notice));
  job->lanes[notice.index] = newLane(*job, notice.index, std::move(notice.definition));
}

std::unique_ptr<Lane> NodeBrain::State::newLane(Job& job, ClassIndex index, TaskClass definition) {
  auto lane = std::make_unique<Lane>();
  lane->job = &job;
  lane->index = index;
  lane->definition = std::move(definition);
  placement::NodeRoom trial = idleRoom;
  lane->feasible = placement::take(config.topology, trial, lane->definition.needs).has_value();
  return lane;
}

void NodeBrain::State::ended(JobId id) {
  Job* job = jobOf(id);
  if (!job) return;
  for (Object& object : objects) {  // none is dropped while a thread of the job may still read it
    if (object.id && object.id.job() == id) object.unwanted = false;
  }
  for (std::uint32_t index = 0; index < tasks.size(); ++index) {
    if (tasks[index].lane && tasks[index].lane->job == job) forget(index);
  }
  std::erase_if(active, [&](const Lane* lane) { return lane->job == job; });
  for (auto& [slotId, slot] : slots) {
    if (!slot.lane || slot.lane->job != job) continue;
    slot.lane = nullptr;
    if (!std::exchange(slot.closing, true)) ++closingSlots;
  }
  if (job->executor) {
    executors.at(job->executor) = {};
    executors.at(job->executor).ended = id;
    owed.push_back(StopExecutor{job->executor});
  } else {
    dropObjectsOf(id);
  }
  lastJob = nullptr;
  std::erase_if(jobs, [&](const auto& other) { return other.get() == job; });
  planDue = true;
}

void NodeBrain::State::startExecutors() {
  for (auto& job : jobs) {
    if (job->tasks == 0 || job->executor) continue;
    job->executor = {++lastExecutor};
    executors[job->executor].job = job.get();
    owed.push_back(StartExecutor{job->executor, job->notice});
  }
}

bool NodeBrain::State::isUp(ExecutorId id) const {
  auto at = executors.find(id);
  return at != executors.end() && at->second.up;
}

void NodeBrain::State::executorUp(ExecutorId id) {
  auto at = executors.find(id);
  if (at == executors.end() || !at->second.job) return;
  at->second.up = true;
  planDue = true;
}

void NodeBrain::State::executorFailed(Instant now, ExecutorId id, const std::string& why) {
  auto at = executors.find(id);
  if (at == executors.end()) return;
  Job* job = at->second.job;
  retire(id);
  if (!job) return;
  job->failedAt = now;
  job->failedWhy = why;
  failAll(*job, FailureKind::executorFailed, why);
}

void NodeBrain::State::executorGone(Instant now, const ExecutorGone& gone) {
  auto at = executors.find(gone.executor);
  if (at == executors.end()) return;
  Job* job = at->second.job;
  retire(gone.executor);
  if (!job) return;
  bool wasIdle = job->sent + job->following == 0;
  if (wasIdle && job->tasks > 0 && std::exchange(job->diedIdle, true)) {
    // It dies before it runs anything: starting it again for ever would help nobody.
    job->failedAt = now;
    job->failedWhy = "the program ended before it ran a task: " + gone.why;
    failAll(*job, FailureKind::executorFailed, job->failedWhy);
    return;
  }
  charge(*job, gone);
  straysDue = true;
  for (auto* lanes : {&job->lanes, &job->moreLanes}) {
    for (auto& lane : *lanes) {
      if (lane) requeueSent(*lane);
    }
  }
  for (auto& lane : job->lanes) {
    if (lane) requeueFollowing(*lane);
  }
}

// Finds who it was; the others are innocent, or all are suspects.
void NodeBrain::State::charge(Job& job, const ExecutorGone& gone) {
  std::uint32_t culprit = taskIndex.find(gone.culprit);
  auto isOnBoard = [&job](const Task& task) {
    bool isThere = task.at == Task::At::sent || task.at == Task::At::following;
    return isThere && task.lane->job == &job;
  };
  bool known = gone.culprit && culprit != kNoTask && isOnBoard(tasks[culprit]);
  auto suspect = [&](const Lane& lane) {
    for (std::uint32_t at = lane.sent.first; at != kNoTask; at = tasks[at].next) {
      // One that followed may have been running: what it waited for was made and not reported.
      if (job.sent == 1 && job.following == 0) {
        culprit = at;
        known = true;
        break;
      }
      if (!std::exchange(tasks[at].suspect, true)) ++job.suspects;
    }
  };
  for (auto* lanes : {&job.lanes, &job.moreLanes}) {
    for (auto& lane : *lanes) {
      if (lane && !known) suspect(*lane);
    }
  }
  if (known) fail(culprit, gone.how, gone.why);
}

// Back to the front of the queue, in the order in which they were sent.
void NodeBrain::State::requeueSent(Lane& lane) {
  std::uint32_t next = kNoTask;
  for (std::uint32_t at = lane.sent.first; at != kNoTask; at = next) {
    next = tasks[at].next;
    if (tasks[at].cancelled) fail(at, FailureKind::cancelled, "cancelled");
  }
  if (lane.sent.size == 0) return;
  lane.job->sent -= lane.sent.size;
  sentTasks -= lane.sent.size;
  for (std::uint32_t at = lane.sent.first; at != kNoTask; at = tasks[at].next) {
    tasks[at].at = Task::At::queued;
  }
  if (lane.queue.size == 0) {
    lane.queue = lane.sent;
  } else {
    tasks[lane.sent.last].next = lane.queue.first;
    tasks[lane.queue.first].previous = lane.sent.last;
    lane.queue.first = lane.sent.first;
    lane.queue.size += lane.sent.size;
  }
  lane.sent = {};
  planDue = true;
}

// Its threads are gone: so are its slots.
void NodeBrain::State::retire(ExecutorId id) {
  auto at = executors.find(id);
  if (Job* job = at->second.job) job->executor = {};
  else dropObjectsOf(at->second.ended);
  executors.erase(at);
  for (auto slot = slots.begin(); slot != slots.end();) {
    auto here = slot++;
    if (here->second.executor == id) freeSlot(here);
  }
  planDue = true;
}

void NodeBrain::State::report(ExecutorId id, ExecutorReport&& report) {
  for (TaskDone& finished : report.done) done(id, std::move(finished));
  for (SlotId closed : report.closed) {
    auto at = slots.find(closed);
    if (at != slots.end() && at->second.executor == id) slotClosed(closed);
  }
}

}  // namespace alnilam::node
