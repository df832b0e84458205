#pragma once
// An emulated stream: work done one after another on a thread of its own.
//
// The thread starts with the first work and a stream that never gets any costs nothing.  Work is a
// function; what it does when its context has failed is up to it (events complete, kernels don't
// run).  A Ticket is the promise of one moment in a stream: others wait for it, and events are made
// of them.
//
// Threading: any thread may enqueue and wait; work runs on the stream's thread only.
// Lifetime: the destructor finishes all work that is queued, then joins.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace alnilam::gpu::emulator {

struct Context;

class Ticket {
 public:
  void complete();
  bool isComplete() const;
  void wait();
  // When it was completed, on the device's clock; meaningless before.
  std::chrono::nanoseconds when() const;

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
  void enqueue(Work work);
  // A ticket for everything enqueued so far; a complete one if nothing is left to do.
  std::shared_ptr<Ticket> mark();
  bool isIdle() const;
  void wait();  // until it is idle

  Context* context() const { return context_; }
  unsigned flags() const { return flags_; }
  int priority() const { return priority_; }
  std::uint64_t id() const { return id_; }
  // Whether this thread is running some stream's host function right now.
  static bool& inHostFunction();

 private:
  void work();

  Context* const context_;
  const unsigned flags_;
  const int priority_;
  const std::uint64_t id_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Work> queue_;
  bool busy_ = false;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace alnilam::gpu::emulator
