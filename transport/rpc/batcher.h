#pragma once
// Sends what there is, in few calls: the first at once, the rest gathered while those are under
// way.
//
// A Batcher asks its source for a batch whenever fewer than `mostInFlight` calls are unanswered.
// So a source with one thing to say is heard in the same turn of the event loop, and one with a
// million makes a few large calls: what came meanwhile waits with the source and goes together.
// Outbox is a source for who has none: it gathers into one batch itself.
//
// A batch larger than kMaxBatchBytes is cut (batch_size.h's `cut`, found by the batch's type), and
// the parts go in order, within the same bound on calls in flight.
//
// Threading: one event loop.
// Lifetime: destroying it cancels the calls under way.
// Errors: after a call has failed nothing more is sent, and `failed` hears of it once.

#include <kj/async.h>
#include <kj/function.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

namespace alnilam::rpc {

template <typename Batch>
class Batcher final : private kj::TaskSet::ErrorHandler {
 public:
  struct Wiring {
    kj::Function<bool(Batch&)> take;              // moves out what there is; false: nothing
    kj::Function<kj::Promise<void>(Batch&)> send;  // one call; the batch lives until it is answered
    kj::Function<void(kj::Exception&&)> failed;
    unsigned mostInFlight = 4;
  };

  explicit Batcher(Wiring wiring) : wiring_(kj::mv(wiring)), calls_(*this) {}

  // There may be something to take.  Costs next to nothing if that was said before in this turn.
  void wake() {
    if (awake_ || failed_) return;
    awake_ = true;
    if (inFlight_ < wiring_.mostInFlight) calls_.add(kj::evalLast([this]() { pump(); }));
  }

  unsigned inFlight() const { return inFlight_; }
  bool idle() const { return !awake_ && inFlight_ == 0 && parts_.empty(); }

 private:
  void pump() {
    while (!failed_ && inFlight_ < wiring_.mostInFlight) {
      if (parts_.empty()) {
        Batch batch;
        if (!awake_) return;
        if (!wiring_.take(batch)) {
          awake_ = false;
          return;
        }
        for (auto& part : cut(std::move(batch))) parts_.push_back(std::move(part));
      }
      auto part = std::make_unique<Batch>(std::move(parts_.front()));
      parts_.pop_front();
      ++inFlight_;
      Batch& sent = *part;
      calls_.add(kj::evalNow([&]() { return wiring_.send(sent); })
                     .attach(kj::heap(std::move(part)))
                     .then([this]() {
                       --inFlight_;
                       pump();
                     }));
    }
  }

  void taskFailed(kj::Exception&& cause) override {
    if (failed_) return;
    failed_ = true;
    wiring_.failed(kj::mv(cause));
  }

  Wiring wiring_;
  std::deque<Batch> parts_;
  unsigned inFlight_ = 0;
  bool awake_ = false;  // the source may have more than was taken
  bool failed_ = false;
  kj::TaskSet calls_;  // last member: the calls use the ones above
};

// Gathers into one batch, and sends it by a Batcher.
template <typename Batch>
class Outbox {
 public:
  Outbox(kj::Function<kj::Promise<void>(Batch&)> send, kj::Function<void(kj::Exception&&)> failed,
         unsigned mostInFlight = 4)
      : batcher_({[this](Batch& batch) {
                    if (gathered_.empty()) return false;
                    batch = std::move(gathered_);
                    gathered_ = Batch();
                    return true;
                  },
                  kj::mv(send), kj::mv(failed), mostInFlight}) {}

  // What goes out next: add to it now, before the event loop turns.
  Batch& open() {
    batcher_.wake();
    return gathered_;
  }

  unsigned inFlight() const { return batcher_.inFlight(); }
  bool idle() const { return batcher_.idle() && gathered_.empty(); }

 private:
  Batch gathered_;
  Batcher<Batch> batcher_;
};

}  // namespace alnilam::rpc
