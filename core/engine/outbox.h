#pragma once
// What a worker's tasks have come to and its owner has not been told of yet.
//
// A worker reports the ends of several short tasks together.  If the next of them proves long, the
// ends before it must not wait for it: whoever submitted them does.  The worker cannot know before,
// and does not come by while that task runs, so somebody else empties the box: a Collector, a
// thread that sleeps until some worker holds an end back, and comes round a millisecond later.
//
// Threading: Outbox by anybody; its ends are handed on in the order in which they were put in,
//   whoever hands them on.  Collector::expect by anybody; `round` is called by the thread.
// Complexity: an uncontended lock an end; `expect` is one load where a round is due anyway.

#include "core/node/orders.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace alnilam {

class Outbox {
 public:
  // Returns how many there are now.
  std::size_t put(TaskDone done) {
    std::lock_guard lock(mutex_);
    ends_.push_back(std::move(done));
    return ends_.size();
  }

  // `report` is given the vector of all, if there are any, and leaves it empty.  Nothing is put in
  // meanwhile.
  template <typename Report>
  void empty(Report&& report) {
    std::lock_guard lock(mutex_);
    if (!ends_.empty()) report(ends_);
  }

 private:
  std::mutex mutex_;
  std::vector<TaskDone> ends_;
};

class Collector {
 public:
  static constexpr std::chrono::milliseconds kRound{1};

  // `onThread` is the first thing that the thread does, if it is set.
  Collector(std::function<void()> round, std::function<void()> onThread)
      : round_(std::move(round)), onThread_(std::move(onThread)) {}
  ~Collector();

  // Something was put in a box: a round is made within kRound or so, which begins after this call.
  void expect() {
    if (!isDue_.load()) wake();
  }

 private:
  void wake();
  void live();

  std::function<void()> round_, onThread_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::atomic<bool> isDue_{false};
  bool leaving_ = false;
  std::thread thread_;  // from the first `expect` on
};

}  // namespace alnilam
