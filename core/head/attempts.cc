// Attempts: how a ready task is queued, handed to a node, and what happens when its attempt ends.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {

ReadyQueue& Tables::readyOf(Class& cls, const Item& item) {
  return cls.choice ? cls.choice->ready[item.sizeClass] : cls.ready;
}

std::uint32_t Tables::firstReady(const Job& job, const Class& cls) const {
  if (!cls.choice) return cls.ready.first;
  std::uint32_t oldest = 0;
  for (const ReadyQueue& queue : cls.choice->ready) {
    if (queue.first == 0) continue;
    auto age = [&](std::uint32_t index) { return std::pair(job.items.at(index).age, index); };
    if (oldest == 0 || age(queue.first) < age(oldest)) oldest = queue.first;
  }
  return oldest;
}

void Tables::enqueue(Job& job, std::uint32_t index, bool first) {
  Item& item = job.items.at(index);
  Class& cls = job.classes[item.taskClass];
  if (cls.times && mustDelay(cls, index)) return;
  setStage(job, item, Stage::ready);
  if (cls.choice) item.sizeClass = sizeOf(job, item);
  ReadyQueue& queue = readyOf(cls, item);
  item.previous = first ? 0 : queue.last;
  item.next = first ? queue.first : 0;
  if (cls.definition.deadline > Duration{} && !first) {
    // Tasks become ready nearly in the order of their deadlines.
    Instant due = deadlineOf(cls, index);
    for (int i = 0; i < kLateSteps && item.previous != 0; ++i) {
      if (deadlineOf(cls, item.previous) <= due) break;
      item.next = item.previous;
      item.previous = job.items.at(item.next).previous;
    }
  }
  (item.previous != 0 ? job.items.at(item.previous).next : queue.first) = index;
  (item.next != 0 ? job.items.at(item.next).previous : queue.last) = index;
  ++queue.count;
  ++cls.readyCount;
  again = true;
  if (!cls.listed) list(cls);
}

void Tables::unqueue(Job& job, Class& cls, Item& item) {
  ReadyQueue& queue = readyOf(cls, item);
  (item.previous != 0 ? job.items.at(item.previous).next : queue.first) = item.next;
  (item.next != 0 ? job.items.at(item.next).previous : queue.last) = item.previous;
  --queue.count;
  --cls.readyCount;
}

void Tables::assign(Node& node, Lane& lane, Job& job, Class& cls, std::uint32_t index,
                    Sent how) {
  Item& item = job.items.at(index);
  Lane& told = item.variant == 0 ? lane : laneOf(node, cls);
  if (!told.noticed) {
    told.noticed = true;
    if (node.jobsTold.insert(job.id).second) node.orders.jobs.push_back(job.notice);
    node.orders.classes.push_back({job.id, cls.index, cls.definition});
  }
  setStage(job, item, Stage::assigned);
  ++item.attempt;
  item.node = node.id.value;
  item.onBoard = true;
  item.chained = how == Sent::chained;
  item.inherited = item.askedBack = false;
  item.previous = 0;
  item.next = lane.first;
  if (lane.first != 0) job.items.at(lane.first).previous = index;
  lane.first = index;

  const ResourceSet& needs = cls.definition.needsOf(item.variant);
  switch (how) {
    case Sent::fitting:
      if (lane.fitting + lane.ahead == 0) lane.movedAt = now;
      ++lane.fitting;
      hold(node, job, needs);
      commit(job, needs);
      break;
    case Sent::ahead:
      if (lane.fitting + lane.ahead == 0) lane.movedAt = now;
      ++lane.ahead;
      ++node.ahead;
      commit(job, needs);
      break;
    case Sent::chained:
      ++lane.chained;
      ++node.chained;
      break;
  }
  ++node.live;
  if (how != Sent::chained) {
    node.load += lane.cost;
    cls.level->since = job.lastPlaced = cls.waitingSince = now;
    cls.hasPreempted = false;
    if (cls.reserved != 0) std::erase(reservations, &cls);  // the same node, if it is again
  }
  owe(node);

  // Arguments stay here too, for another attempt; a Blob is cheap to copy.
  Assignment& order = node.orders.assign.emplace_back();
  order.id = ObjectId::make(job.id, index);
  order.attempt = {item.attempt};
  order.taskClass = cls.index;
  order.arguments = item.blob;
  order.variant = item.variant;
  order.trial = item.trial;
  order.awaited = item.lastEdge != 0 && callFollowers(job, item);
  order.inputs.reserve(item.inputs.size());
  for (ObjectId input : item.inputs) {
    order.inputs.emplace_back(input, valueOf(job.items.at(input.index())));
  }
}

// Takes the attempt off its lane and gives back what it held.
void Tables::detach(Node& node, Job& job, Item& item) {
  Class& cls = job.classes[item.taskClass];
  Lane& lane = laneOf(node, cls, item.variant);
  if (cls.choice) {
    lane.backlog -= lane.backlog / static_cast<std::int64_t>(lane.fitting + lane.ahead);
    cls.choice->heldSince.reset();  // it goes on: waiting for it is no mistake
    leaveVariant(node, cls, item);
  }
  (item.previous != 0 ? job.items.at(item.previous).next : lane.first) = item.next;
  if (item.next != 0) job.items.at(item.next).previous = item.previous;
  item.onBoard = false;
  lane.movedAt = now;
  --node.live;
  noteChange(node);
  if (std::exchange(item.chained, false)) {
    --lane.chained;
    --node.chained;
    return roomForLinks(node, cls, lane);
  }
  const ResourceSet& needs = cls.definition.needsOf(item.variant);
  uncommit(job, needs);
  if (lane.ahead > 0) {
    --lane.ahead;  // one that waited takes its place
    --node.ahead;
  } else {
    --lane.fitting;
    letGo(node, job, needs);
    node.freed = true;
  }
  node.load -= lane.cost;
}

void Tables::note(const Job& job, std::uint32_t index, const Item& item, Duration ran,
                  bool failed) {
  FinishedTask task{ObjectId::make(job.id, index), item.taskClass, item.age, item.node,
                    item.attempt, ran, failed, item.variant};
  if (recent.size() < kRecent) recent.push_back(task);
  else recent[recentCount % kRecent] = task;
  ++recentCount;
}

void Tables::done(Node& node, TaskDone done, std::vector<Output>& out) {
  Job* job = find(done.id.job());
  std::uint32_t index = done.id.index();
  Item* item = job ? job->items.find(index) : nullptr;
  if (!item || !item->onBoard || item->node != node.id.value ||
      item->attempt != done.attempt.value) {
    ++stale;
    // What it stored is nobody's, unless the node told us twice of a result that we took, or is
    // making it again just now.
    bool isOurs = item && (item->node == node.id.value || holds(*item, node.id));
    if (done.how == TaskDone::How::stored && job && !isOurs) {
      node.orders.release.push_back(done.id);
      owe(node);
    }
    return;
  }
  detach(node, *job, *item);
  if (done.variant < job->classes[item->taskClass].definition.variants.size()) {
    item->variant = done.variant;  // the node may have known better
  }
  if (item->stage != Stage::assigned) {  // cancelled while it ran
    bool isOnDevice = done.how == TaskDone::How::held && done.gpu != TaskDone::kNoGpu;
    if (done.how == TaskDone::How::stored || isOnDevice) {
      node.orders.release.push_back(done.id);
      owe(node);
    }
    dropIfUnneeded(*job, index);
    return settle(*job);
  }
  Class& cls = job->classes[item->taskClass];
  switch (done.how) {
    case TaskDone::How::held:
      item->blob = std::move(done.held);
      item->onDevice = done.gpu != TaskDone::kNoGpu;
      setStage(*job, *item, Stage::held);
      break;
    case TaskDone::How::stored:
      item->slot = addStored({done.id, done.size, {node.id}});
      setStage(*job, *item, Stage::stored);
      break;
    case TaskDone::How::returned:
      if (item->askedBack || item->returns < kMaxReturns) {
        giveBack(*job, index, *item);
        return settle(*job);
      }
      [[fallthrough]];  // it was not sent as a link any more
    default:
      if (!done.failure) {
        done.failure = failureOf(FailureKind::exception, *job, index, *item,
                                 "the node gave no reason");
      }
      endedBadly(node, cls, *done.failure, out);
      attemptFailed(node, *job, index, *item, std::move(done.failure),
                    done.health == DeviceHealth::deviceLost || isWithdrawn(node, done.sickGpu)
                        ? Fault::device
                        : Fault::task);
      return settle(*job);
  }
  cls.runTime.observe(done.ran);
  endedWell(node, cls);
  ++node.finished;
  note(*job, index, *item, done.ran, false);
  conclude(*job, index);
  settle(*job);
}

// A node could not get `object`, an input of `item`, from any of its holders.  A result is then
// given up and made again; a value that was put cannot be, and is asked for once more.
void Tables::unreachable(Job& job, const Item& item, ObjectId object) {
  if (std::find(item.inputs.begin(), item.inputs.end(), object) == item.inputs.end()) return;
  Item& input = job.items.at(object.index());
  if (input.stage != Stage::stored || input.put) return;
  freeStoredSlot(input, true);
  setStage(job, input, Stage::evicted);
}

void Tables::attemptFailed(Node& node, Job& job, std::uint32_t index, Item& item,
                           FailurePtr why, Fault fault) {
  const TaskClass& definition = job.classes[item.taskClass].definition;
  bool retry = false;
  bool charge = true;
  switch (why->kind) {
    case FailureKind::crashed:
    case FailureKind::exited:
    case FailureKind::nodeLost:
    case FailureKind::storeFull:  // another node may have room
      retry = true;
      break;
    case FailureKind::exception:
      retry = definition.retryExceptions;
      break;
    case FailureKind::objectLost:
      // Not the task's fault, and no retry lost: it waits until the input has been made again.
      charge = false;
      retry = item.losses < kMaxLosses;
      if (retry) {
        ++item.losses;
        unreachable(job, item, why->task);
      }
      break;
    case FailureKind::device:
      // It may have lost the device itself: no task takes one after another along for nothing.
      retry = fault == Fault::device;
      charge = std::exchange(item.lostDevice, item.lostDevice || retry);
      break;
    default:
      break;
  }
  if (retry && charge) {
    retry = item.charged < definition.retries;
    if (retry) ++item.charged;
  }
  if (retry) {
    item.nearData = false;
    if (checkInputs(job, index, item)) enqueue(job, index, true);
    return;
  }
  // An executor knows what happened, not always to which task of which node.
  if (!why->task || why->function.empty() || why->node.empty() || !why->attempt) {
    auto whole = std::make_shared<Failure>(*why);
    if (!whole->task) whole->task = ObjectId::make(job.id, index);
    if (whole->function.empty()) whole->function = definition.function;
    if (whole->node.empty()) whole->node = node.name;
    if (!whole->attempt) whole->attempt = {item.attempt};
    why = std::move(whole);
  }
  fail(job, index, std::move(why));
}

}  // namespace alnilam::head
