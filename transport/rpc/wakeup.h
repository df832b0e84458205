#pragma once
// Wakes a KJ event loop from other threads.
//
// `wake` may be called from anywhere, as often as one likes: between two rings only the first call
// enters the kernel, the others are one atomic exchange.  `ring` runs on the loop after every wake
// that came since it last began, so what a thread left behind before `wake` is seen by `ring`.
//
// Threading: wake from any thread; the rest on the loop's.
// Lifetime: whoever calls wake must have stopped before it is destroyed.

#include <kj/async-unix.h>
#include <kj/function.h>
#include <kj/io.h>

#include <atomic>

namespace alnilam::rpc {

class Wakeup {
 public:
  Wakeup(kj::UnixEventPort& port, kj::Function<void()> ring);
  KJ_DISALLOW_COPY(Wakeup);

  // Async-signal-safe.
  void wake() noexcept;

 private:
  kj::Promise<void> loop();

  kj::AutoCloseFd fd_;
  std::atomic<bool> rung_{false};
  kj::Function<void()> ring_;
  kj::UnixEventPort::FdObserver observer_;
  kj::Promise<void> loop_;
};

}  // namespace alnilam::rpc
