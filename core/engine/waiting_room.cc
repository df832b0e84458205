#include "core/engine/waiting_room.h"

#include <algorithm>
#include <utility>

namespace alnilam {
namespace {

// Nothing comes of an attempt, and nobody is to blame.
TaskDone returned(TaskId id, Attempt attempt) {
  TaskDone done;
  done.id = id;
  done.attempt = attempt;
  done.how = TaskDone::How::returned;
  return done;
}

}  // namespace

std::uint32_t WaitingRoom::enter(TaskId id, bool awaited) {
  std::uint32_t place;
  if (free_.empty()) {
    place = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  entries_[place].id = id;
  entries_[place].awaited = awaited;
  entries_[place].serial = ++lastSerial_;
  places_.insert(id, place);
  return place;
}

// Its ring has been drained.
void WaitingRoom::leave(std::uint32_t place) {
  places_.erase(entries_[place].id);
  entries_[place] = {};
  free_.push_back(place);
}

void WaitingRoom::fill(RunTask& task, const RunInput& result) {
  for (RunInput& input : task.inputs) {
    if (!input.coming || input.object != result.object) continue;
    input.held = result.held;
    input.stored = result.stored;
    input.coming = false;
  }
}

void WaitingRoom::expect(TaskId task) {
  std::lock_guard lock(mutex_);
  if (places_.find(task) == node::IdTable::kNone) enter(task, true);
}

bool WaitingRoom::admit(RunTask& task, bool mayGoAhead, Outcome& out) {
  std::lock_guard lock(mutex_);
  bool allComing = std::all_of(task.inputs.begin(), task.inputs.end(), [&](const RunInput& input) {
    if (!input.coming) return true;
    std::uint32_t maker = places_.find(input.object);
    return maker != node::IdTable::kNone && entries_[maker].awaited;
  });
  if (!allComing || places_.find(task.id) != node::IdTable::kNone) return false;
  std::uint32_t place = enter(task.id, task.awaited);
  Entry& entry = entries_[place];
  for (RunInput& input : task.inputs) {
    if (!input.coming) continue;
    Entry& maker = entries_[places_.find(input.object)];
    maker.waiters = waiters_.append(maker.waiters, {place, entry.serial});
    ++entry.missing;
    if (maker.isEnqueued) input.held = maker.begun;
    else ++entry.absent;
  }
  entry.state = State::waiting;
  entry.lane = task.lane;
  entry.mayGoAhead = mayGoAhead;
  entry.task = std::move(task);
  ++waiting_;
  if (mayGoAhead && entry.absent == 0) release(place, out);
  return true;
}

// All that it waits for is made, or enqueued at least.
void WaitingRoom::release(std::uint32_t place, Outcome& out) {
  Entry& entry = entries_[place];
  --waiting_;
  out.released.push_back(std::move(entry.task));
  entry.state = entry.missing > 0 ? State::ahead : State::expected;
  if (entry.state == State::expected && !entry.awaited) leave(place);
}

void WaitingRoom::enqueued(TaskId task, const Blob& begun, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place == node::IdTable::kNone) return;  // it has ended meanwhile
  Entry& maker = entries_[place];
  maker.isEnqueued = true;
  maker.begun = begun;
  waiters_.each(maker.waiters, [&](Waiter waiter) {
    Entry& entry = entries_[waiter.place];
    if (entry.serial != waiter.serial || entry.state != State::waiting || !entry.mayGoAhead) {
      return true;
    }
    for (RunInput& input : entry.task.inputs) {
      if (input.coming && input.object == task) input.held = begun;
    }
    if (--entry.absent == 0) release(waiter.place, out);
    return true;
  });
}

void WaitingRoom::made(TaskId task, const RunInput& result, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place != node::IdTable::kNone) settle(place, true, result, out);
}

void WaitingRoom::unmade(TaskId task, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place != node::IdTable::kNone) settle(place, false, {}, out);
}

// Whoever waits for the one at `place`, at any distance, learns what became of it; it leaves.
void WaitingRoom::settle(std::uint32_t first, bool isMade, RunInput result, Outcome& out) {
  std::vector<Settled> settled{{first, isMade, std::move(result)}};
  std::vector<Settled> next;
  for (std::size_t i = 0; i < settled.size(); ++i) {
    std::uint32_t place = settled[i].place;
    waiters_.drain(std::exchange(entries_[place].waiters, 0), [&](Waiter waiter) {
      Entry& entry = entries_[waiter.place];
      if (entry.serial == waiter.serial) settleInput(entry, waiter.place, settled[i], next, out);
    });
    leave(place);
    std::move(next.begin(), next.end(), std::back_inserter(settled));
    next.clear();
  }
}

void WaitingRoom::settleInput(Entry& entry, std::uint32_t place, const Settled& input,
                              std::vector<Settled>& next, Outcome& out) {
  if (entry.state == State::expected) return;  // an input that it names twice has ended it
  if (entry.state == State::ahead) {
    if (input.isMade) {
      --entry.missing;
      entry.made.push_back(input.result);
    } else {
      entry.spoilt = Spoilt::returned;
      out.recalled.emplace_back(entry.id, entry.lane);
    }
    return;
  }
  if (!input.isMade) {
    TaskDone& done = out.ended.emplace_back(returned(entry.id, entry.task.attempt));
    if (entry.state == State::held) {
      done.health = entry.done.health;
      done.sickGpu = entry.done.sickGpu;
      out.voided.push_back(std::move(entry.done));
    } else {
      --waiting_;
    }
    entry.state = State::expected;
    next.push_back({place, false, {}});
    return;
  }
  --entry.missing;
  if (entry.state == State::held) {
    if (entry.missing > 0) return;
    bool isMade = entry.done.how != TaskDone::How::failed;
    bool isStored = entry.done.how == TaskDone::How::stored;
    next.push_back({place, isMade, {entry.id, entry.done.held, isStored}});
    out.ended.push_back(std::move(entry.done));
    entry.state = State::expected;
    return;
  }
  fill(entry.task, input.result);
  if (!entries_[input.place].isEnqueued) --entry.absent;
  if (entry.missing == 0 || (entry.mayGoAhead && entry.absent == 0)) release(place, out);
}

void WaitingRoom::undone(TaskId task, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place != node::IdTable::kNone) spoil(place, out);
}

// What follows the one at `place`, at any distance, has to wait until it is made.
void WaitingRoom::spoil(std::uint32_t first, Outcome& out) {
  std::vector<std::uint32_t> spoilt{first};
  for (std::size_t i = 0; i < spoilt.size(); ++i) {
    entries_[spoilt[i]].isEnqueued = false;
    entries_[spoilt[i]].begun = {};
    waiters_.each(entries_[spoilt[i]].waiters, [&](Waiter waiter) {
      Entry& entry = entries_[waiter.place];
      if (entry.serial != waiter.serial) return true;
      entry.mayGoAhead = false;
      if (entry.state == State::ahead) {
        entry.spoilt = std::max(entry.spoilt, Spoilt::again);
        out.recalled.emplace_back(entry.id, entry.lane);
      } else if (entry.state == State::held) {
        out.voided.push_back(std::move(entry.done));
        RunTask again = std::move(entry.task);
        waitAgain(waiter.place, std::move(again), out);
        spoilt.push_back(waiter.place);
      }
      return true;
    });
  }
}

// For all its inputs to be made.
void WaitingRoom::waitAgain(std::uint32_t place, RunTask task, Outcome& out) {
  Entry& entry = entries_[place];
  for (const RunInput& result : std::exchange(entry.made, {})) fill(task, result);
  entry.task = std::move(task);
  entry.done = {};
  entry.spoilt = Spoilt::no;
  entry.mayGoAhead = false;
  entry.state = State::waiting;
  ++waiting_;
  if (entry.missing == 0) release(place, out);
}

void WaitingRoom::cameBack(RunTask task, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task.id);
  ALNILAM_ASSERT(place != node::IdTable::kNone && entries_[place].state == State::ahead);
  if (entries_[place].spoilt == Spoilt::returned) {
    out.ended.push_back(returned(task.id, task.attempt));
    settle(place, false, {}, out);
    return;
  }
  spoil(place, out);
  waitAgain(place, std::move(task), out);
}

void WaitingRoom::ended(RunTask task, TaskDone done, Outcome& out) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task.id);
  ALNILAM_ASSERT(place != node::IdTable::kNone && entries_[place].state == State::ahead);
  Entry& entry = entries_[place];
  if (entry.spoilt == Spoilt::returned) {
    TaskDone& end = out.ended.emplace_back(returned(task.id, task.attempt));
    end.health = done.health;
    end.sickGpu = done.sickGpu;
    out.voided.push_back(std::move(done));
    settle(place, false, {}, out);
  } else if (entry.spoilt == Spoilt::again) {
    out.voided.push_back(std::move(done));
    spoil(place, out);
    waitAgain(place, std::move(task), out);
  } else if (entry.missing > 0) {
    entry.state = State::held;
    entry.task = std::move(task);
    entry.done = std::move(done);
  } else {
    bool isMade = done.how != TaskDone::How::failed;
    RunInput result{task.id, done.held, done.how == TaskDone::How::stored};
    out.ended.push_back(std::move(done));
    settle(place, isMade, std::move(result), out);
  }
}

bool WaitingRoom::take(TaskId task, RunTask& taken) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place == node::IdTable::kNone || entries_[place].state != State::waiting) return false;
  taken = std::move(entries_[place].task);
  entries_[place].state = State::expected;
  --waiting_;
  // It stays expected until `unmade`; rings that name it find nothing to fill.
  entries_[place].serial = ++lastSerial_;
  return true;
}

std::size_t WaitingRoom::size() const {
  std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace alnilam
