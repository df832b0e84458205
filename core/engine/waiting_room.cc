#include "core/engine/waiting_room.h"

#include <algorithm>
#include <utility>

namespace alnilam {

std::uint32_t WaitingRoom::enter(TaskId id) {
  std::uint32_t place;
  if (free_.empty()) {
    place = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  entries_[place].id = id;
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

void WaitingRoom::expect(TaskId task) {
  std::lock_guard lock(mutex_);
  if (places_.find(task) == node::IdTable::kNone) enter(task);
}

bool WaitingRoom::admit(RunTask& task) {
  std::lock_guard lock(mutex_);
  bool allComing = std::all_of(task.inputs.begin(), task.inputs.end(), [&](const RunInput& input) {
    if (!input.coming) return true;
    std::uint32_t maker = places_.find(input.object);
    if (maker == node::IdTable::kNone) return false;
    return entries_[maker].missing == 0 || entries_[maker].task.awaited;
  });
  if (!allComing || places_.find(task.id) != node::IdTable::kNone) return false;
  std::uint32_t place = enter(task.id);
  for (const RunInput& input : task.inputs) {
    if (!input.coming) continue;
    Entry& maker = entries_[places_.find(input.object)];
    maker.waiters = waiters_.append(maker.waiters, {place, entries_[place].serial});
    ++entries_[place].missing;
  }
  entries_[place].task = std::move(task);
  ++waiting_;
  return true;
}

void WaitingRoom::made(TaskId task, const RunInput& result, std::vector<RunTask>& released) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place == node::IdTable::kNone) return;
  waiters_.drain(std::exchange(entries_[place].waiters, 0), [&](Waiter waiter) {
    Entry& entry = entries_[waiter.place];
    if (entry.serial != waiter.serial) return;
    for (RunInput& input : entry.task.inputs) {
      if (!input.coming || input.object != task) continue;
      input.held = result.held;
      input.stored = result.stored;
      input.coming = false;
    }
    if (--entry.missing > 0) return;
    --waiting_;
    bool isAwaited = entry.task.awaited;
    released.push_back(std::move(entry.task));
    if (!isAwaited) leave(waiter.place);
  });
  leave(place);
}

void WaitingRoom::unmade(TaskId task, std::vector<TaskDone>& ended) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place == node::IdTable::kNone) return;
  std::vector<std::uint32_t> gone{place};
  for (std::size_t i = 0; i < gone.size(); ++i) {
    waiters_.drain(std::exchange(entries_[gone[i]].waiters, 0), [&](Waiter waiter) {
      Entry& entry = entries_[waiter.place];
      if (entry.serial != waiter.serial || entry.missing == 0) return;
      TaskDone& done = ended.emplace_back();
      done.id = entry.id;
      done.attempt = entry.task.attempt;
      done.how = TaskDone::How::returned;
      entry.missing = 0;
      --waiting_;
      gone.push_back(waiter.place);
    });
  }
  for (std::uint32_t one : gone) leave(one);
}

bool WaitingRoom::take(TaskId task, RunTask& taken) {
  std::lock_guard lock(mutex_);
  std::uint32_t place = places_.find(task);
  if (place == node::IdTable::kNone || entries_[place].missing == 0) return false;
  taken = std::move(entries_[place].task);
  entries_[place].missing = 0;
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
