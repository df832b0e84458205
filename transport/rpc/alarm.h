#pragma once
// The one timer that a brain's driver needs: rings when the brain's deadline has come.
//
// A deadline that moves later costs nothing: the old timer rings early, the driver's Tick does
// nothing, and the alarm is set again.  One that moves earlier interrupts the wait.
//
// Threading: one event loop.  Lifetime: the timer outlives the alarm; `ring` is called from the
//   loop, never from inside `set`.

#include "core/base/units.h"

#include <kj/async.h>
#include <kj/function.h>
#include <kj/timer.h>

#include <optional>

namespace alnilam::rpc {

// The time since the timer's origin: what drivers hand to brains as `now`.
inline Instant instantOf(const kj::Timer& timer) {
  return Instant((timer.now() - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS);
}

class Alarm final : private kj::TaskSet::ErrorHandler {
 public:
  Alarm(kj::Timer& timer, kj::Function<void()> ring);

  // Rings at `due` (at once if it has passed), and then not before it is set again.
  void set(std::optional<Instant> due);

 private:
  kj::Promise<void> loop();
  void taskFailed(kj::Exception&& e) override;

  kj::Timer& timer_;
  kj::Function<void()> ring_;
  std::optional<Instant> due_;
  kj::Own<kj::PromiseFulfiller<void>> moved_;
  kj::TaskSet tasks_;  // last: the loop uses the members above
};

}  // namespace alnilam::rpc
