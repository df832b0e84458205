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
// the order in which the host's threads come to it decides who is first.
//
// Threading: any thread may enqueue and wait; work runs on the stream's thread only.
// Lifetime: the destructor finishes all work that is queued, then joins.

#include <algorithm>
#include <chrono>
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
  void complete(std::chrono::nanoseconds when);
  bool isComplete() const;
  // Returns when it was completed, in modelled time.
  std::chrono::nanoseconds wait();
  std::chrono::nanoseconds when() const;  // meaningless before it is complete

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool complete_ = false;
  std::chrono::nanoseconds when_{};
};

class Stream {
 public:
  Stream(Context* context, unsigned flags, int priority, std::uint64_t id)
      : context_(context), flags_(flags), priority_(priority), id_(id) {}
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  using Work = std::function<void()>;
  // `notBefore` is modelled time; `call` numbers the driver call that this is part of (trace.h).
  void enqueue(Work work, std::chrono::nanoseconds notBefore = {}, std::uint64_t call = 0);
  // A ticket for everything enqueued so far; a complete one if nothing is left to do.
  std::shared_ptr<Ticket> mark();
  bool isIdle() const;
  // Its time if it is idle.
  std::optional<std::chrono::nanoseconds> idleAt() const;
  void wait();  // until it is idle

  Context* context() const { return context_; }
  unsigned flags() const { return flags_; }
  int priority() const { return priority_; }
  std::uint64_t id() const { return id_; }
  // For work, on the stream's thread: its time, which only grows; waiting for another stream; which
  // call it is part of.
  void advanceTo(std::chrono::nanoseconds time) { now_ = std::max(now_, time); }
  void waitFor(Ticket& ticket) { advanceTo(ticket.wait()); }
  std::chrono::nanoseconds now() const { return now_; }
  std::uint64_t call() const { return call_; }

  // Whether this thread is running some stream's host function right now.
  static bool& inHostFunction();

 private:
  struct Item {
    Work work;
    std::chrono::nanoseconds notBefore;
    std::uint64_t call;
  };

  void work();

  Context* const context_;
  const unsigned flags_;
  const int priority_;
  const std::uint64_t id_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Item> queue_;
  bool busy_ = false;
  std::chrono::nanoseconds now_{};  // of the thread that works, as is the next
  std::uint64_t call_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace alnilam::gpu::emulator
