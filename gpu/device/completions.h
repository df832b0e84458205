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
// look is needed to hear of a success.
//
// Threading: anything from any thread; `settle` and `look` are called by the thread, one at a time.
// Lifetime: `stop` ends the thread after a last `settle`; host functions that come later are heard
//   by nobody, and none may come after the destructor.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace alnilam::gpu {

class Completions {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLook{10};

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

  // `look` answers whether to go on looking.
  Completions(std::function<void(std::vector<Passed>&)> settle, std::function<bool()> look)
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

  const std::function<void(std::vector<Passed>&)> settle_;
  const std::function<bool()> look_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::vector<Passed> queue_;
  bool called_ = false;
  std::atomic<bool> watching_{false};
  bool leaving_ = false;
  std::thread thread_;  // from the first need on
};

}  // namespace alnilam::gpu
