#pragma once
// Runs something on the thread of a KJ event loop and waits for it.
//
// kj::Executor orders the two threads by locks of its own, in a library that sanitizers have not
// seen compiled.  Passing one mutex says the same where they see it, so that they look at what is
// handed over and at nothing that is in order; beside two wake-ups it costs nothing.
//
// Threading: from any thread but the loop's.
// Errors: what `ask` throws or breaks its promise with; kj::Exception (DISCONNECTED) once the loop
//   is gone.

#include <kj/async.h>

#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace alnilam::rpc {

// What this thread has done so far is seen by whoever passes later.
inline void handOver() {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
}

// `ask` answers with a kj::Promise<T>.
template <typename T, typename Ask>
T callOn(const kj::Executor& loop, Ask&& ask) {
  std::optional<T> answer;
  handOver();
  loop.executeSync([&]() {
    handOver();
    return ask().then([&](T&& made) {
      answer.emplace(std::move(made));
      handOver();
    });
  });
  handOver();
  return std::move(*answer);
}

inline void runOn(const kj::Executor& loop, const std::function<void()>& run) {
  handOver();
  loop.executeSync([&]() {
    handOver();
    run();
    handOver();
  });
  handOver();
}

}  // namespace alnilam::rpc
