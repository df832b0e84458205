#pragma once
// Lets the messages that only acknowledge travel with those that say something.
//
// A Cap'n Proto call is three messages: call, return, finish.  Where both sides call each other all
// the time, the latter two say nothing that could not wait, yet each wakes the other process.  So a
// server answers by `answerLater`, and a caller `keeps` its responses, until `goesOut` says that a
// call is being made in the other direction of the same connection: then all of them leave in that
// call's write.  With nothing to go with, answers leave after `kPatience`, or when kMost wait, so
// that a caller with a bound on calls in flight is not held up.
//
// Measured by tests/bench/bench_tasks_cluster (roundtrip_cluster): without it a task's six hops
// were eighteen messages with a wake-up each, and kept two cores busy for the whole trip.
//
// Threading: one event loop.  Lifetime: the timer outlives it; answers that wait when it goes fail,
//   with their connection.

#include <kj/async.h>
#include <kj/memory.h>
#include <kj/timer.h>
#include <kj/vector.h>

namespace alnilam::rpc {

class Piggyback {
 public:
  explicit Piggyback(kj::Timer& timer) : timer_(timer) {}
  KJ_DISALLOW_COPY(Piggyback);

  // For a method that answers nothing: resolves with the next `goesOut`, or soon.
  kj::Promise<void> answerLater();

  // For a caller: dropping a response is what sends `finish`.
  template <typename Response>
  void keep(Response&& response) {
    if (spent_.size() == kMost) spent_.clear();
    spent_.add(kj::heap(kj::mv(response)));
  }

  // A call to the same peer is being made in this turn of the loop.
  void goesOut();

  static constexpr auto kPatience = 1 * kj::MILLISECONDS;
  static constexpr std::size_t kMost = 4;

 private:
  kj::Timer& timer_;
  kj::Vector<kj::Own<kj::PromiseFulfiller<void>>> waiting_;
  kj::Vector<kj::Own<void>> spent_;
  kj::Promise<void> patience_ = nullptr;
};

}  // namespace alnilam::rpc
