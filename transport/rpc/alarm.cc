#include "transport/rpc/alarm.h"

#include <kj/debug.h>

namespace alnilam::rpc {

Alarm::Alarm(kj::Timer& timer, kj::Function<void()> ring)
    : timer_(timer), ring_(kj::mv(ring)), tasks_(*this) {
  tasks_.add(loop());
}

void Alarm::set(std::optional<Instant> due) {
  bool earlier = due && (!due_ || *due < *due_);
  if (earlier || !due) due_ = due;
  if (earlier) moved_->fulfill();
}

kj::Promise<void> Alarm::loop() {
  auto moved = kj::newPromiseAndFulfiller<void>();
  moved_ = kj::mv(moved.fulfiller);
  kj::Promise<void> wake = kj::mv(moved.promise);
  if (due_) {
    auto at = kj::origin<kj::TimePoint>() + due_->count() * kj::NANOSECONDS;
    auto rung = timer_.atTime(at).then([this]() {
      due_ = std::nullopt;
      ring_();
    });
    wake = rung.exclusiveJoin(kj::mv(wake));
  }
  return wake.then([this]() { return loop(); });
}

void Alarm::taskFailed(kj::Exception&& e) { KJ_LOG(ERROR, "an alarm's callback failed", e); }

}  // namespace alnilam::rpc
