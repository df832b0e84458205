#pragma once
// Virtual time: what happens when, and links that keep their order.
//
// Events at the same instant happen in the order in which they were asked for, so a world's course
// follows from its seed alone.  A Link delivers like a connection does: late, but in order.

#include "core/base/units.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace alnilam::sim {

class Timeline {
 public:
  Instant now() const { return now_; }
  std::size_t events() const { return events_; }
  bool empty() const { return queue_.empty(); }

  void at(Instant when, std::function<void()> what) {
    queue_.push({std::max(when, now_), ++last_, std::move(what)});
  }
  void after(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

  // Lets the next thing happen; there must be one.
  void step() {
    Event next = std::move(const_cast<Event&>(queue_.top()));
    queue_.pop();
    now_ = next.when;
    ++events_;
    next.what();
  }

 private:
  struct Event {
    Instant when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {  // the queue's top is the largest
      return std::pair(when, order) > std::pair(other.when, other.order);
    }
  };

  std::priority_queue<Event> queue_;
  Instant now_{};
  std::uint64_t last_ = 0;
  std::size_t events_ = 0;
};

struct Link {
  Instant busyUntil{};

  void carry(Timeline& time, Duration delay, std::function<void()> what) {
    busyUntil = std::max(busyUntil, time.now() + delay);
    time.at(busyUntil, std::move(what));
  }
};

}  // namespace alnilam::sim
