#pragma once
// The tasks that a worker has drawn and not yet begun, which others may take as long as that is so.
//
// A worker draws several short tasks at a time; if one of them proves long, the rest must not wait
// for it while somebody else has nothing to do.  So each is claimed before it is run, by one atomic
// step, and whoever comes for the rest claims that at once.
//
// Threading: fill, claim and clear by the worker; takeRest by anybody.
// Complexity: a claim is one compare-and-swap, without contention but for a taker's.

#include "core/node/orders.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace alnilam {

class Hoard {
 public:
  // Of an empty one; leaves `tasks` empty.
  void fill(std::vector<RunTask>& tasks) {
    std::lock_guard lock(mutex_);
    std::swap(tasks_, tasks);
    range_.store(static_cast<std::uint64_t>(tasks_.size()) << 32);
  }

  // The next task, which is the worker's from now on; null: there is none any more.
  RunTask* claim() {
    std::uint64_t range = range_.load();
    do {
      if (nextOf(range) >= endOf(range)) return nullptr;
    } while (!range_.compare_exchange_weak(range, range + 1));
    return &tasks_[nextOf(range)];
  }
  // Whether another claim would find none, for all that is known now.
  bool isDone() const {
    std::uint64_t range = range_.load();
    return nextOf(range) >= endOf(range);
  }
  // Once nothing is left to claim, and what was claimed is done with.
  void clear() {
    std::lock_guard lock(mutex_);
    tasks_.clear();
    range_.store(0);
  }

  // Appends what is not claimed, or the later half of it, rounded up, in order.
  void takeRest(bool half, std::vector<RunTask>& taken) {
    std::lock_guard lock(mutex_);
    std::uint64_t range = range_.load(), wanted = 0;
    do {
      std::uint64_t next = nextOf(range), end = endOf(range);
      if (next >= end) return;
      std::uint64_t kept = half ? (end - next) / 2 : 0;
      wanted = (next + kept) << 32 | next;
    } while (!range_.compare_exchange_weak(range, wanted));
    for (std::uint64_t i = endOf(wanted); i < endOf(range); ++i) {
      taken.push_back(std::move(tasks_[i]));
    }
  }

 private:
  static std::uint32_t nextOf(std::uint64_t range) { return static_cast<std::uint32_t>(range); }
  static std::uint32_t endOf(std::uint64_t range) {
    return static_cast<std::uint32_t>(range >> 32);
  }

  std::mutex mutex_;
  std::vector<RunTask> tasks_;
  std::atomic<std::uint64_t> range_{0};  // the next that is to be claimed, and above it the end
};

}  // namespace alnilam
