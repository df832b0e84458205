#pragma once
// How the end of a device's work is heard of: by host functions, a queue, and one thread.
//
// A host function (cuLaunchHostFunc) runs on a thread of the driver and may call no CUDA function,
// so it does nothing but put its ticket and the time into the queue here.  The thread takes what
// has gathered and settles it.
//
// A context that has failed calls no host function any more, so its end would be heard of by
// nobody.  That is what looks are for: from `watch` on, whenever nothing has been heard for kLook,
// the thread asks once whether the device is still sound, until a look finds nothing under way.  No
// look is needed to hear of a success.  After that a look may come once more, in kLater, to put
// away what a device keeps that is idle.
//
// Hearing of each end as it comes costs more than a short task does: this thread is woken, and so
// are those who report it and who give in the next.  So while kMany tasks or more are under way,
// ends are left to gather for kGather, within which a device does not run out of them.
//
// Threading: anything from any thread; `settle` and `look` are called by the thread, one at a time.
// Lifetime: `stop` ends the thread after a last `settle`; host functions that come later are heard
//   by nobody, and none may come after the destructor.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace alnilam::gpu {

class Completions {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLook{10};
  static constexpr std::chrono::milliseconds kLater{1000};
  static constexpr std::chrono::microseconds kGather{30};
  static constexpr std::size_t kMany = 3;

  // When to look again.
  enum class Next : std::uint8_t { never, later, soon };

  // What a host function was launched with.  It stays until its host function has run, or the
  // context is gone.
  struct Ticket {
    Completions* queue = nullptr;
    void* subject = nullptr;  // for `settle`
  };
  struct Passed {
    Ticket* ticket;
    Clock::time_point at;
  };

  // `settle` answers how many tasks are under way still, `look` when to look again.
  Completions(std::function<std::size_t(std::vector<Passed>&)> settle, std::function<Next()> look)
      : settle_(std::move(settle)), look_(std::move(look)) {}
  ~Completions() { stop(); }

  void stop();

  // The host function; its argument is a Ticket*.
  static void hostFunction(void* ticket);

  // Has `settle` called soon, even if nothing has passed.
  void wake();
  // Something is under way.  Cheap while it is watched already.
  void watch();

 private:
  void push(Passed passed);
  void run();
  void start();  // the mutex is held

  const std::function<std::size_t(std::vector<Passed>&)> settle_;
  const std::function<Next()> look_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::vector<Passed> queue_;
  bool called_ = false;
  bool gathering_ = false;  // ends wake nobody meanwhile
  std::atomic<Next> next_{Next::never};
  bool leaving_ = false;
  std::thread thread_;  // from the first need on
};

}  // namespace alnilam::gpu
