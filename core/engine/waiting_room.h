#pragma once
// Tasks of this process that wait for results which other tasks of this process are making.
//
// A node may send a task whose inputs are still coming (orders.h).  It waits here, outside of every
// queue, so that it takes no slot from those that it waits for, whatever the order in which they
// came; when the last of its inputs is made it is released with the bytes in it, and nobody outside
// of the process has had a part in that.
//
// A device can wait by itself.  So a task that takes what is coming on a device goes *ahead* as
// soon as all of that has been enqueued on devices: it is released while its makers work, and with
// it who follows it, so that a device is given a whole chain.  It may even end before its maker is
// heard of, and its maker may come to nothing after all.  So the end of a task that went ahead is
// settled here, too: it counts once the last of its makers has ended well; if one of them will not
// be made, the task is returned, whatever it did; if one of them is to run again, so is the task,
// with the real bytes then.
//
//     waiting ---- all inputs made ----> released (and expected, if others wait for it)
//        |  ^
//        |  +---- a maker runs again, or it could not begin ----+
//        |                                                      |
//        +-- all inputs made or enqueued --> ahead -- ended --> held -- makers ended well --> ended
//
// Only tasks that others are announced to wait for (`RunTask::awaited`) are known here by their id,
// from `expect` until `made` or `unmade`, and those that go ahead; all others cost nothing.  A
// result is not kept: a task that names one which is made already, or never was expected, is
// returned, and its node has the result by then or knows why there is none.  If a task will not be
// made, those who wait for it are returned, and those who wait for them.
//
// Threading: any thread; one mutex.  What must be done about a call is in its Outcome.
// Complexity: O(1) expected for each task and each input that is coming.

#include "core/base/rings.h"
#include "core/node/id_table.h"
#include "core/node/orders.h"

#include <mutex>
#include <utility>
#include <vector>

namespace alnilam {

class WaitingRoom {
 public:
  // Calls append to it.
  struct Outcome {
    std::vector<RunTask> released;  // in the order of their coming; inputs of those that go ahead
                                    // are `coming` still, with what bytes there are in `held`
    std::vector<TaskDone> ended;    // to be reported in this order
    std::vector<TaskDone> voided;   // ends that count for nothing: give their results up
    // Went ahead in vain, in these lanes: one that has not begun is to come back at once.
    std::vector<std::pair<TaskId, ClassIndex>> recalled;

    bool empty() const {
      return released.empty() && ended.empty() && voided.empty() && recalled.empty();
    }
  };

  // `task`, which must be awaited, is in this process now; before anybody can run it.
  void expect(TaskId task);

  // Takes in a task with inputs that are coming, and expects it if it is awaited; it may be
  // released at once.  `mayGoAhead`: it takes them all on devices.  False: one of them will not be
  // made here any more, and the task is left as it was.
  bool admit(RunTask& task, bool mayGoAhead, Outcome& out);

  // An expected task's work is on a device, and its result will be `begun`, of which an array's
  // header is there.
  void enqueued(TaskId task, const Blob& begun, Outcome& out);

  // The result of an expected task; `result` is what an input of that object is from now on.
  void made(TaskId task, const RunInput& result, Outcome& out);

  // There will be no result of `task`, which may be unknown here.  Ends of those who were waiting
  // for it, at any distance, are in the outcome, nearest first.
  void unmade(TaskId task, Outcome& out);

  // An expected task will run again: what it made so far is void.
  void undone(TaskId task, Outcome& out);

  // Of a task that went ahead, which is one with inputs that are coming: its end, be it good or
  // bad ...
  void ended(RunTask task, TaskDone done, Outcome& out);
  // ... or that it could not begin, or was undone.
  void cameBack(RunTask task, Outcome& out);

  // Takes `task` out if it waits here; then it is for the caller to end it, and `unmade` to be
  // called.
  bool take(TaskId task, RunTask& taken);

  // How many tasks wait.
  std::size_t size() const;

 private:
  enum class State : std::uint8_t { expected, waiting, ahead, held };
  enum class Spoilt : std::uint8_t { no, again, returned };  // what a task ahead has built upon
  struct Entry {
    TaskId id;
    State state = State::expected;
    Spoilt spoilt = Spoilt::no;
    ClassIndex lane = 0;
    bool awaited = false;
    bool mayGoAhead = false;
    bool isEnqueued = false;
    Blob begun;                  // of an enqueued one
    RunTask task;                // if it waits or is held
    TaskDone done;               // if it is held
    std::vector<RunInput> made;  // meanwhile, of the inputs of one that is not here
    std::uint32_t missing = 0;   // inputs that are not made
    std::uint32_t absent = 0;    // likewise, and not enqueued either; while it may go ahead
    std::uint32_t waiters = 0;   // the ring of those who wait for it
    std::uint32_t serial = 0;    // tells it from others that had this place
  };
  struct Waiter {
    std::uint32_t place = 0;
    std::uint32_t serial = 0;
  };
  struct Settled {
    std::uint32_t place;
    bool isMade;
    RunInput result;  // if it is
  };

  // All with mutex_ held.
  std::uint32_t enter(TaskId id, bool awaited);
  void leave(std::uint32_t place);
  void settle(std::uint32_t place, bool isMade, RunInput result, Outcome& out);
  void settleInput(Entry& waiter, std::uint32_t place, const Settled& input,
                   std::vector<Settled>& next, Outcome& out);
  void spoil(std::uint32_t place, Outcome& out);
  void release(std::uint32_t place, Outcome& out);
  void waitAgain(std::uint32_t place, RunTask task, Outcome& out);
  static void fill(RunTask& task, const RunInput& result);

  mutable std::mutex mutex_;
  node::IdTable places_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  Rings<Waiter> waiters_;
  std::uint32_t lastSerial_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace alnilam
