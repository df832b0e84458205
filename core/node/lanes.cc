// Who gets slots, who gives them back, and how much is sent ahead.
//
// A plan goes through the lanes by claim: priority, then lanes that starve, then age.  It opens
// what fits.  A lane that got nothing bars those behind it from the kinds of resources it lacks, so
// that a wide task is not starved by narrow ones that keep slipping into the gap.  Then slots that
// somebody with a better claim waits for are asked to close.

#include "core/node/state.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {
namespace {

// How long a class goes without any slot before it may take one from its equals.
constexpr Duration kPatience = std::chrono::milliseconds(100);
// Above so many victims for one slot it is not worth finding out which of them could be spared.
constexpr std::size_t kSpared = 16;

// The kinds of resources that a lane lacks, so that those behind it leave them alone.
struct Lack {
  bool cpus = false, gpus = false, memory = false, gpuMemory = false;
  std::vector<std::string> named;

  bool touches(const ResourceSet& needs) const {
    if ((cpus && needs.cpus.parts) || (gpus && needs.gpus.parts) || (memory && needs.memory) ||
        (gpuMemory && needs.gpuMemory)) {
      return true;
    }
    return std::any_of(needs.named.begin(), needs.named.end(), [&](const NamedAmount& wanted) {
      return std::find(named.begin(), named.end(), wanted.name) != named.end();
    });
  }

  void add(const ResourceSet& free, const ResourceSet& needs) {
    bool pieces = free.covers(needs);  // the sums would do: it is whole pieces that lack
    cpus |= needs.cpus.parts && (pieces || free.cpus < needs.cpus);
    gpus |= needs.gpus.parts && (pieces || free.gpus < needs.gpus);
    gpuMemory |= needs.gpuMemory && (pieces || free.gpuMemory < needs.gpuMemory);
    memory |= free.memory < needs.memory;
    for (const NamedAmount& wanted : needs.named) {
      ResourceSet one;
      one.named.push_back(wanted);
      if (!free.covers(one)) named.push_back(wanted.name);
    }
  }
};

// Whether a slot of `held` has any of what `needs` asks for.
bool overlaps(const ResourceSet& held, const ResourceSet& needs) {
  Lack all;
  all.cpus = all.gpus = all.memory = all.gpuMemory = true;
  for (const NamedAmount& wanted : needs.named) all.named.push_back(wanted.name);
  ResourceSet common = held;
  if (!needs.cpus.parts) common.cpus = {};
  if (!needs.gpus.parts) common.gpus = {};
  if (!needs.memory) common.memory = 0;
  if (!needs.gpuMemory) common.gpuMemory = 0;
  return all.touches(common);
}

}  // namespace

// ---- Which lanes there are.

void NodeBrain::State::activate(Lane& lane) {
  if (std::exchange(lane.active, true)) return;
  lane.age = ++lastAge;
  auto at = std::upper_bound(active.begin(), active.end(), &lane, [](const Lane* a, const Lane* b) {
    return a->definition.priority > b->definition.priority;
  });
  active.insert(at, &lane);
}

void NodeBrain::State::deactivateIdle() {
  std::erase_if(active, [](Lane* lane) {
    bool idle = lane->tasks() == 0 && lane->open.empty() && lane->closing == 0;
    if (!idle) return false;
    lane->active = false;
    lane->drySince.reset();
    lane->slotlessSince.reset();
    return true;
  });
}

bool NodeBrain::State::holdsSuspect(const Lane& lane) const {
  auto isSuspect = [&](std::uint32_t index) { return index != kNoTask && tasks[index].suspect; };
  return isSuspect(lane.sent.first) || isSuspect(lane.queue.first);
}

std::size_t NodeBrain::State::wantedSlots(const Lane& lane) const {
  const Job& job = *lane.job;
  if (job.suspects > 0) {
    if (!holdsSuspect(lane)) return 0;
    return job.slots == 0 || !lane.open.empty() ? 1 : 0;
  }
  return std::min<std::size_t>(config.maxSlotsPerLane, lane.tasks());
}

bool NodeBrain::State::starving(Instant now, const Lane& lane) const {
  return lane.slotlessSince && now - *lane.slotlessSince >= kPatience;
}

// ---- The plan.

void NodeBrain::State::plan(Instant now) {
  planDue = false;
  startExecutors();
  closeIdle(now);
  openSlots(now);
  deactivateIdle();
}

void NodeBrain::State::closeIdle(Instant now) {
  for (Lane* lane : active) {
    if (lane->tasks() != 0) {
      lane->drySince.reset();
    } else if (!lane->drySince) {
      lane->drySince = now;
    } else if (now - *lane->drySince >= config.idleAfter) {
      while (!lane->open.empty()) closeSlot(lane->open.back());
    }
    bool yields = lane->job->suspects > 0 && !holdsSuspect(*lane);
    while (yields && !lane->open.empty()) closeSlot(lane->open.back());
  }
}

void NodeBrain::State::openSlots(Instant now) {
  std::vector<Lane*> order = active;
  auto claim = [&](const Lane* lane) {
    return std::pair(-lane->definition.priority, !starving(now, *lane));
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Lane* a, const Lane* b) { return claim(a) < claim(b); });

  Lack lack;
  std::vector<Lane*> blocked;
  for (Lane* lane : order) {
    if (!serves(*lane) || !lane->feasible) continue;
    const ResourceSet& needs = lane->definition.needs;
    bool isBlocked = false;
    while (!isBlocked && lane->open.size() < wantedSlots(*lane)) {
      std::optional<placement::Taken> taken;
      if (!lack.touches(needs)) taken = placement::take(config.topology, room, needs);
      if (taken) {
        openSlot(*lane, std::move(*taken));
        continue;
      }
      isBlocked = true;
      blocked.push_back(lane);
      if (lane->open.empty()) lack.add(room.free, needs);
    }
    bool slotless = lane->tasks() > 0 && lane->open.empty() && wantedSlots(*lane) > 0;
    if (!slotless) lane->slotlessSince.reset();
    else if (!lane->slotlessSince) lane->slotlessSince = now;
  }
  if (!blocked.empty()) reclaim(now, blocked);
}

void NodeBrain::State::openSlot(Lane& lane, placement::Taken taken) {
  SlotId id{++lastSlot};
  Executor& executor = executors.at(lane.job->executor);
  announce(lane);
  if (!taken.devices.empty()) executor.hasDevices = true;
  executor.orders.open.push_back({id, lane.index, taken.cores, taken.devices});
  slots[id] = {std::move(taken), lane.definition.needs, &lane, lane.job->executor, false};
  lane.open.push_back(id);
  ++lane.job->slots;
}

// Its executor knows the lane after this.
void NodeBrain::State::announce(Lane& lane) {
  if (lane.announced == lane.job->executor) return;
  lane.announced = lane.job->executor;
  executors.at(lane.job->executor).orders.lanes.emplace_back(lane.index, lane.definition.function);
}

// Asks for slots back on behalf of the lanes that got fewer than they could use, best claim first.
// What is closing already is promised in the same order, so that nothing is asked for twice.
void NodeBrain::State::reclaim(Instant now, const std::vector<Lane*>& blocked) {
  bool spare = false;  // some lane has slots that it does not need
  std::int32_t lowest = TaskClass::kMaxPriority;
  for (const Lane* lane : active) {
    if (lane->open.empty()) continue;
    spare = spare || lane->open.size() > lane->tasks();
    lowest = std::min(lowest, lane->definition.priority);
  }
  auto mayTake = [&](const Lane* lane) {
    return spare || lowest < lane->definition.priority || starving(now, *lane);
  };
  if (std::none_of(blocked.begin(), blocked.end(), mayTake)) return;

  placement::NodeRoom projected = room;
  for (const auto& [id, slot] : slots) {
    if (slot.closing) placement::give(projected, slot.needs, slot.taken);
  }
  for (const Lane* lane : blocked) {
    bool starves = starving(now, *lane);
    std::size_t wanted = wantedSlots(*lane) - std::min(wantedSlots(*lane), lane->open.size());
    if (starves) wanted = std::min<std::size_t>(wanted, 1);
    for (; wanted > 0; --wanted) {
      if (placement::take(config.topology, projected, lane->definition.needs)) continue;
      if (!mayTake(lane) || !makeWay(*lane, projected, victimsFor(*lane, starves))) break;
    }
  }
}

// Open slots that `lane` may have closed: those that their lane does not need, then those of lower
// priority, lowest first; if it starves, those of its equals as well.
std::vector<SlotId> NodeBrain::State::victimsFor(const Lane& lane, bool starves) const {
  const ResourceSet& needs = lane.definition.needs;
  std::int32_t priority = lane.definition.priority;
  std::vector<SlotId> victims;
  std::vector<SlotId> needed;
  for (auto at = active.rbegin(); at != active.rend(); ++at) {
    const Lane& other = **at;
    if (other.open.empty() || &other == &lane || !overlaps(other.definition.needs, needs)) continue;
    std::size_t busy = std::min(other.open.size(), other.tasks());
    bool lower = other.definition.priority < priority ||
                 (starves && other.definition.priority == priority);
    for (std::size_t i = other.open.size(); i-- > 0;) {
      if (i >= busy) victims.push_back(other.open[i]);
      else if (lower) needed.push_back(other.open[i]);
    }
  }
  victims.insert(victims.end(), needed.begin(), needed.end());
  return victims;
}

// Closes as many of `victims`, in order, as one slot of `lane` takes; none if all are not enough.
bool NodeBrain::State::makeWay(const Lane& lane, placement::NodeRoom& projected,
                               const std::vector<SlotId>& victims) {
  const ResourceSet& needs = lane.definition.needs;
  std::vector<SlotId> chosen;
  placement::NodeRoom trial = projected;
  bool fits = false;
  for (SlotId victim : victims) {
    const Slot& slot = slots.at(victim);
    placement::give(trial, slot.needs, slot.taken);
    chosen.push_back(victim);
    fits = placement::take(config.topology, trial, needs).has_value();
    if (fits) break;
  }
  if (!fits) return false;

  for (std::size_t i = 0; chosen.size() <= kSpared && i + 1 < chosen.size();) {
    placement::NodeRoom without = projected;
    for (SlotId other : chosen) {
      const Slot& slot = slots.at(other);
      if (other != chosen[i]) placement::give(without, slot.needs, slot.taken);
    }
    if (placement::take(config.topology, without, needs)) {
      chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(i));
      trial = std::move(without);
    } else {
      ++i;
    }
  }
  for (SlotId victim : chosen) closeSlot(victim);
  projected = std::move(trial);
  return true;
}

// ---- Slots.

void NodeBrain::State::closeSlot(SlotId id) {
  Slot& slot = slots.at(id);
  ALNILAM_ASSERT(!slot.closing);
  slot.closing = true;
  ++closingSlots;
  std::erase(slot.lane->open, id);
  ++slot.lane->closing;
  executors.at(slot.executor).orders.close.push_back(id);
}

void NodeBrain::State::slotClosed(SlotId id) {
  auto at = slots.find(id);
  if (!at->second.closing) return;  // an executor that closes what it was not asked to
  freeSlot(at);
  planDue = true;
}

void NodeBrain::State::freeSlot(std::map<SlotId, Slot>::iterator at) {
  Slot& slot = at->second;
  placement::give(room, slot.needs, slot.taken);
  if (slot.closing) --closingSlots;
  if (slot.lane) {
    --slot.lane->job->slots;
    if (slot.closing) --slot.lane->closing;
    else std::erase(slot.lane->open, at->first);
  }
  slots.erase(at);
}

// ---- Sending.

std::size_t NodeBrain::State::sendLimit(const Lane& lane) const {
  if (lane.job->suspects > 0) {
    return holdsSuspect(lane) && lane.job->sent == lane.sent.size ? 1 : 0;
  }
  std::int64_t ahead = 1;  // while nothing is known
  if (lane.measured) {
    ahead = config.sendAhead.count() / std::max<std::int64_t>(1, lane.usual);
    ahead = std::clamp<std::int64_t>(ahead, 1, config.maxAhead);
  }
  return lane.open.size() * static_cast<std::size_t>(1 + ahead);
}

void NodeBrain::State::send(Lane& lane) {
  if (lane.queue.size == 0 || lane.open.empty() || !serves(lane)) return;
  std::size_t limit = sendLimit(lane);
  if (lane.sent.size >= limit) return;
  ExecutorId executor = lane.job->executor;
  std::vector<RunTask>& run = executors.at(executor).orders.run;
  run.reserve(run.size() + std::min(lane.queue.size, limit - lane.sent.size));
  while (lane.queue.size > 0 && lane.sent.size < limit) {
    std::uint32_t index = lane.queue.first;
    unlink(lane.queue, index);
    append(lane.sent, index);
    Task& task = tasks[index];
    task.at = Task::At::sent;
    task.recalled = false;
    task.sentAs = task.attempt;
    task.announced = task.awaited || task.waiters != 0;
    mayFollowTo(task);
    run.push_back(
        {task.id, task.attempt, lane.index, task.arguments, task.inputs, task.announced});
    ++lane.job->sent;
    ++sentTasks;
  }
}

// ---- Time.

void NodeBrain::State::setDeadline(Instant now) {
  deadline.reset();
  auto wakeAt = [&](Instant at) {
    if (at > now && (!deadline || at < *deadline)) deadline = at;
  };
  for (const Lane* lane : active) {
    if (lane->drySince && !lane->open.empty()) wakeAt(*lane->drySince + config.idleAfter);
    if (lane->slotlessSince) wakeAt(*lane->slotlessSince + kPatience);
  }
  for (const auto& job : jobs) {
    for (const auto& choice : job->choices) {
      if (choice->gaveUpAt) wakeAt(*choice->gaveUpAt);
    }
  }
}

}  // namespace alnilam::node
