#pragma once
// One part of a device that does work: its multiprocessors, or a copy engine, in modelled time.
//
// Streams' threads run as the host lets them; when the same work would have run on a device follows
// from what it waits for and from who else wants the same engine.  An engine keeps a calendar of
// what is reserved, and whoever comes gets the first moment, from its own time on, at which enough
// is free for long enough.  So two copies in one direction follow each other, a copy and a kernel
// overlap, and two kernels do if both fit, whichever thread was first.
//
// The calendar is bounded: of what is long past only the end is kept, and nothing is reserved
// before that.
//
// Threading: any thread may call anything.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace alnilam::gpu::emulator {

class Engine {
 public:
  using Time = std::chrono::nanoseconds;

  // `name` must outlive the engine.
  Engine(const char* name, std::uint32_t capacity) : name_(name), capacity_(capacity) {}

  // Reserves `amount` (of the capacity; more is taken for all of it) for `length`, and returns the
  // first moment from `earliest` on at which it's free.  Takes as long as the calendar is, which
  // is a step or two where work comes in order.
  Time reserve(Time earliest, Time length, std::uint32_t amount = 1);

  const char* name() const { return name_; }
  std::uint32_t capacity() const { return capacity_; }

 private:
  static constexpr std::size_t kMostSteps = 1024;
  struct Step {
    Time from;           // until the next step's
    std::uint32_t used;  // of the capacity
  };

  std::size_t stepAt(Time when);

  const char* const name_;
  const std::uint32_t capacity_;
  std::mutex mutex_;
  std::deque<Step> steps_{{Time{0}, 0}};  // the last one is free, for ever
};

}  // namespace alnilam::gpu::emulator
