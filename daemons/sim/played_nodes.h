#pragma once
// Nodes that do nothing but keep the head's promises: they start tasks in the order in which they
// were sent, as far as cores and devices go, and end them when their time is over.
//
// Virtual time: `start` says when a task will end, the caller comes back with `end` then.
//
// Threading: none.

#include "core/node/assignment.h"

#include <cstdint>
#include <deque>
#include <vector>

namespace alnilam::sim {

class PlayedNode {
 public:
  struct Queued {
    TaskId id;
    Attempt attempt;
    ResourceSet needs;
  };

  explicit PlayedNode(ResourceSet total) : free_(std::move(total)) {}

  void queue(Queued task) { waiting_.push_back(std::move(task)); }

  // Takes what can start now off the queue, the first first; a task that does not fit lets those
  // behind it pass, as a node does.
  template <typename Started>
  void start(Started&& started) {
    for (std::size_t i = 0; i < waiting_.size() && free_.cpus.parts > 0;) {
      if (!free_.covers(waiting_[i].needs)) {
        ++i;
        continue;
      }
      free_.subtract(waiting_[i].needs);
      started(waiting_[i]);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void end(const ResourceSet& needs) { free_.add(needs); }

 private:
  ResourceSet free_;
  std::deque<Queued> waiting_;
};

}  // namespace alnilam::sim
