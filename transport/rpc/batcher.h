#pragma once
// Sends what there is, in few batches: the first at once, the rest gathered while those are on
// their way.
//
// A Batcher asks its source for a batch whenever the box it posts to is not full (mail.h).  So a
// source with one thing to say is heard in the same turn of the event loop, and one with a million
// makes a few large batches: what came meanwhile waits with the source and goes together.  Outbox
// is a source for who has none: it gathers into one batch itself.
//
// A batch larger than kMaxBatchBytes is cut (batch_size.h's `cut`, found by the batch's type), and
// the parts go in order, within the same bound.
//
// Threading: one event loop.
// Lifetime: one Batcher a box; what it has not sent when it goes is not sent.
// Errors: none; whoever owns the connection hears of its end.

#include "transport/rpc/mail.h"

#include <kj/async.h>
#include <kj/function.h>

#include <deque>
#include <utility>

namespace alnilam::rpc {

template <typename Batch>
class Batcher {
 public:
  struct Wiring {
    kj::Own<Mailbox> mailbox;
    kj::Function<bool(Batch&)> take;  // moves out what there is; false: nothing
    kj::Function<void(Batch&)> post;  // posts it
  };

  explicit Batcher(Wiring wiring) : wiring_(kj::mv(wiring)) {
    wiring_.mailbox->whenRoom(kj::Function<void()>([this]() { pumpSoon(); }));
  }
  ~Batcher() noexcept(false) { wiring_.mailbox->whenRoom(nullptr); }
  KJ_DISALLOW_COPY(Batcher);

  // There may be something to take.  Costs next to nothing if that was said before in this turn.
  void wake() {
    if (awake_) return;
    awake_ = true;
    if (!wiring_.mailbox->isFull()) pumpSoon();
  }

 private:
  void pumpSoon() {
    if (isDue_) return;
    isDue_ = true;
    pump_ = kj::evalLast([this]() {
              isDue_ = false;
              pump();
            }).eagerlyEvaluate(nullptr);
  }

  void pump() {
    while (!wiring_.mailbox->isFull()) {
      if (parts_.empty()) {
        Batch batch;
        if (!awake_) return;
        if (!wiring_.take(batch)) {
          awake_ = false;
          return;
        }
        for (auto& part : cut(std::move(batch))) parts_.push_back(std::move(part));
      }
      Batch part = std::move(parts_.front());
      parts_.pop_front();
      wiring_.post(part);
    }
  }

  Wiring wiring_;
  std::deque<Batch> parts_;
  bool awake_ = false;  // the source may have more than was taken
  bool isDue_ = false;
  kj::Promise<void> pump_ = nullptr;
};

// Gathers into one batch, and sends it by a Batcher.
template <typename Batch>
class Outbox {
 public:
  Outbox(kj::Own<Mailbox> mailbox, kj::Function<void(Batch&)> post)
      : batcher_({kj::mv(mailbox),
                  [this](Batch& batch) {
                    if (gathered_.empty()) return false;
                    batch = std::move(gathered_);
                    gathered_ = Batch();
                    return true;
                  },
                  kj::mv(post)}) {}

  // What goes out next: add to it now, before the event loop turns.
  Batch& open() {
    batcher_.wake();
    return gathered_;
  }

 private:
  Batch gathered_;
  Batcher<Batch> batcher_;
};

}  // namespace alnilam::rpc
