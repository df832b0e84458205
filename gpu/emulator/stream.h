#pragma once
// An emulated stream: work done one after another on a thread of its own.
//
// The thread starts with the first work and a stream that never gets any costs nothing.  Work is a
// function; what it does when its context has failed is up to it (events complete, kernels don't
// run).  A Ticket is the promise of one moment in a stream: others wait for it, and events are made
// of them.
//
// Each stream keeps a time of its own, the modelled time of a device and not the host's: work takes
// time on an engine (engine.h), who waits for a ticket goes on at its time or later, and nothing
// begins before the host knew what it knew when it enqueued it.  So what events measure doesn't
// depend on the host's speed, and nothing here reads a clock.  Where streams contend for an engine,
// the order in which the host's threads come to it decides who is first.  The same waits carry what
// is known to have happened (moment.h).
//
// Threading: any thread may enqueue and wait; work runs on the stream's thread only.
// Lifetime: the destructor finishes all work that is queued, then joins.

#include "gpu/emulator/moment.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace alnilam::gpu::emulator {

struct Context;

class Ticket {
 public:
  void complete(Moment when);
  bool isComplete() const;
  // Returns when it was completed.
  Moment wait();
  Moment when() const;  // meaningless before it is complete

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool complete_ = false;
  Moment when_;
};

class Stream {
 public:
  Stream(Context* context, unsigned flags, int priority, std::uint64_t id)
      : context_(context), flags_(flags), priority_(priority), id_(id) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  using Work = std::function<void()>;
  // `after` is what the host knows; `call` numbers the driver call that this is part of.
  void enqueue(Work work, Moment after = {}, std::uint64_t call = 0);
  // Of work that takes no time and waits for nobody: done at once, by the caller, if nothing is
  // before it, as a device would without waking anybody.
  void enqueueOrDo(Work work, Moment after = {}, std::uint64_t call = 0);
  // A ticket for everything enqueued so far; a complete one if nothing is left to do.
  std::shared_ptr<Ticket> mark();
  bool isIdle() const;
  // Where it stands if it is idle.
  std::optional<Moment> idleAt() const;
  void wait();  // until it is idle

  Context* context() const { return context_; }
  unsigned flags() const { return flags_; }
  int priority() const { return priority_; }
  std::uint64_t id() const { return id_; }
  // For work, on the stream's thread: where it stands, which only grows; waiting for another
  // stream; its number on this stream, where clocks are kept; which call it is part of.
  void advanceTo(const Moment& moment) { here_.join(moment); }
  void waitFor(Ticket& ticket) { advanceTo(ticket.wait()); }
  const Moment& here() const { return here_; }
  std::uint64_t number() const { return number_; }
  std::uint64_t call() const { return call_; }

  // The stream whose host function this thread is running right now; 0: none.
  static std::uint64_t& inHostFunction();

 private:
  struct Item {
    Work work;
    Moment after;
    std::uint64_t call;
  };

  void work();
  void push(Item item);    // the mutex is held
  void carryOut(Item& item);  // by whoever has the stream to himself

  Context* const context_;
  const unsigned flags_;
  const int priority_;
  const std::uint64_t id_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Item> queue_;
  bool busy_ = false;
  Moment here_;  // of whoever works, as are the next two
  std::uint64_t number_ = 0;
  std::uint64_t call_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace alnilam::gpu::emulator
