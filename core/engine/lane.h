#pragma once
// The tasks of one lane that no worker has drawn, and the workers that wait for some.
//
// Tasks queue for whichever worker comes first.  A task that follows another on a device is better
// off in the same slot, where it waits for nothing else: it is that worker's heir, and does not
// queue, unless the worker's slot closes.
//
// Threading: all but the constants with the mutex held.

#include "core/api/registry.h"
#include "core/node/orders.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace alnilam {

template <typename Worker>
struct Lane {
  std::string function;
  const TaskFunction* target = nullptr;  // null: the program has no such function
  std::mutex mutex;
  std::deque<RunTask> queue;
  std::vector<std::pair<Worker*, RunTask>> heirs;
  std::uint32_t slots = 0;
  std::vector<Worker*> drawers;  // those without devices: they may have drawn more than they run
  // Sleep until there is something to draw; those with tasks on their devices, which may take
  // another at most, are asked last.
  std::vector<Worker*> idle, ahead;

  // Whom to wake for a task, out of those that sleep; null if all are awake.
  Worker* nextIdle() {
    std::vector<Worker*>& from = idle.empty() ? ahead : idle;
    if (from.empty()) return nullptr;
    Worker* next = from.back();
    from.pop_back();
    return next;
  }

  // The first heir of `worker` goes to `drawn`; false: it has none.
  bool drawHeir(const Worker& worker, std::vector<RunTask>& drawn) {
    auto heir = std::find_if(heirs.begin(), heirs.end(),
                             [&](const auto& one) { return one.first == &worker; });
    if (heir == heirs.end()) return false;
    drawn.push_back(std::move(heir->second));
    heirs.erase(heir);
    return true;
  }
  // They are anybody's now.
  void giveUpHeirs(const Worker& worker) {
    for (auto& [whose, task] : heirs) {
      if (whose == &worker) queue.push_front(std::move(task));
    }
    std::erase_if(heirs, [&](const auto& heir) { return heir.first == &worker; });
  }

  // Takes a task out that no worker has drawn; false: it is not here.
  bool take(TaskId task, RunTask& taken) {
    auto heir = std::find_if(heirs.begin(), heirs.end(),
                             [&](const auto& one) { return one.second.id == task; });
    if (heir != heirs.end()) {
      taken = std::move(heir->second);
      heirs.erase(heir);
      return true;
    }
    auto queued = std::find_if(queue.begin(), queue.end(),
                               [&](const RunTask& one) { return one.id == task; });
    if (queued == queue.end()) return false;
    taken = std::move(*queued);
    queue.erase(queued);
    return true;
  }
};

}  // namespace alnilam
