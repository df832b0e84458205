#pragma once
// What a node tells an executor to do, and what it hears back.
//
// A *lane* is a class of tasks on one executor (one variant of it, where it has several): a queue,
// and the slots that draw from it.  A *slot*
// is the right to run one task at a time on named cores and devices; it belongs to one lane.  The
// node brain opens as many slots for a lane as its resources allow, queues tasks to the lane a
// little ahead, and the executor's workers draw from the lane's queue as they get free.  So
// reservations are exact, tasks are not bound to a busy worker while another is idle, and the node
// sends work in batches without a round trip a task.
//
// To take resources back the node closes a slot: its worker finishes the task it has, draws no
// other, and reports the slot as closed.  Queued tasks stay with the lane; a lane without slots and
// with queued tasks is legal and simply waits.
//
// A *chain* runs without the node in between: a task may be sent while inputs of it are coming from
// tasks that this executor has.  It draws no slot until the last of them is made; if one of them is
// not, it ends as `returned`, which is nobody's failure.
//
// Order: orders are carried out in the order of the struct's members; reports likewise.

#include "core/base/blob.h"
#include "core/base/ids.h"
#include "core/cluster/device_grant.h"
#include "core/cluster/resources.h"
#include "core/graph/failure.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace alnilam {

// The number of the lane that runs variant `way` of a class; of the first, or only, way it is the
// class's index itself.
constexpr ClassIndex laneFor(ClassIndex taskClass, std::size_t way) {
  return taskClass | static_cast<ClassIndex>(way) << 24;
}

struct SlotGrant {
  SlotId id;
  ClassIndex lane = 0;
  std::vector<std::uint32_t> cores;  // indices into Topology::cores; empty: any
  std::vector<DeviceGrant> devices;
};

// An input of a task: its bytes, or the store's object of that id, which the node holds in place
// until the task has ended; or it is yet to be made by the task of that id.
struct RunInput {
  ObjectId object;
  Blob held;            // meaningful unless `stored` or `coming`
  bool stored = false;
  bool coming = false;  // made by a task that was sent to this executor before and is not reported
                        // yet; `held` and `stored` are filled in when it has ended
};

struct RunTask {
  TaskId id;
  Attempt attempt;
  ClassIndex lane = 0;
  Blob arguments;
  std::vector<RunInput> inputs;
  bool awaited = false;  // tasks that follow may name its result as coming
};

struct Orders {
  std::vector<std::pair<ClassIndex, std::string>> lanes;  // new lanes: class, function
  std::vector<SlotGrant> open;
  std::vector<SlotId> close;
  std::vector<RunTask> run;
  std::vector<TaskId> cancel;  // drop it if it still queues (reported as cancelled); else ignore
  std::vector<ObjectId> forget;  // results that no task will take any more: what devices keep of
                                 // them can go

  bool empty() const {
    return lanes.empty() && open.empty() && close.empty() && run.empty() && cancel.empty() &&
           forget.empty();
  }
};

// How the device fared on which an attempt failed.
enum class DeviceHealth : std::uint8_t {
  ok = 0,           // nothing is wrong with it
  contextLost = 1,  // the failure killed the executor's context there; it is rebuilt
  deviceLost = 2,   // the device is gone: nothing will run there until somebody looks after it
};

// How one attempt ended.
//
// `returned` is no result and no failure: nothing ran, or what ran is void, and nobody is charged.
// An input that was coming will not be made here; another task killed the context they shared; the
// device that it needs is out of service.  The task is to be run again.
//
// `health` is told by whoever caused it: of the tasks that shared a context, by the one whose
// failure killed it, and by none of the innocent.  It is counted for `sickGpu`.
struct TaskDone {
  TaskId id;
  Attempt attempt;
  enum class How : std::uint8_t { held, stored, failed, returned } how = How::held;
  Blob held;          // the result, if at most kInlineLimit (any size in the embedded engine); of
                      // a stored one its bytes in place, for this process alone
  Bytes size = 0;     // of a stored result, which lies in the store under the task's id
  FailurePtr failure;
  Duration ran{};     // from the function's start to its end (device work included); 0: it never
                      // began
  std::uint32_t gpu = kNoGpu;  // index of the first device it had
  std::uint8_t variant = 0;    // which of the class's variants it was; told by the node
  DeviceHealth health = DeviceHealth::ok;
  std::uint32_t sickGpu = kNoGpu;  // whose health that is; set unless it is ok

  static constexpr std::uint32_t kNoGpu = 0xffffffff;
};

struct ExecutorReport {
  std::vector<TaskDone> done;
  std::vector<SlotId> closed;

  bool empty() const { return done.empty() && closed.empty(); }
};

}  // namespace alnilam
