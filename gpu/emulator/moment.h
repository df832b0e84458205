#pragma once
// A point in what happens on devices: its modelled time, and what is known to have happened before.
//
// What happens on a stream is numbered, 1, 2, 3; a Clock says of each stream up to which number
// everything has happened.  Clocks are joined wherever the driver's rules say that one thing waits
// for another: a stream for an event, the default stream for the blocking ones, the host for a
// stream, work for what the host knew when it enqueued it.  Nothing else orders anything, however
// the threads of this process happen to run.  Of two accesses that no clock orders, races.h tells.
//
// Where nobody checks for races there are no clocks, and all of them are null.
//
// Source: vector clocks, Fidge and Mattern 1988.
// Threading: a Clock that is shared is never changed.

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace alnilam::gpu::emulator {

class Clock {
 public:
  // Up to which number everything on `stream` has happened; 0: nothing known.
  std::uint64_t of(std::uint64_t stream) const;
  void raise(std::uint64_t stream, std::uint64_t number);
  void join(const Clock& other);
  bool covers(const Clock& other) const;

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> known_;  // by stream
};
using SharedClock = std::shared_ptr<const Clock>;

// Both together; either may be null, and one that covers the other is returned itself.
SharedClock joined(const SharedClock& one, const SharedClock& other);

struct Moment {
  std::chrono::nanoseconds time{};
  SharedClock clock;  // null: nobody checks

  void join(const Moment& other);
};

}  // namespace alnilam::gpu::emulator
