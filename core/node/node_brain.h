#pragma once
// The node brain: one host's resources, its queue, its executors and the objects it holds.
//
// A deterministic state machine.  The head assigns a little more than fits; the node admits by real
// capacity.  An assigned task goes
//
//   assigned -> fetching(inputs that lie elsewhere) -> queued(lane) -> sent(executor) -> reported
//
// Queued tasks wait per class.  Slots (orders.h) are opened for the classes in the order of
// priority, then of age, while the node's cores, devices and memory last; a class with open slots
// gets tasks sent ahead to its lane, as many as its tasks are short.  Slots whose lane has run dry
// are closed as soon as another class waits for what they hold, and after `idleAfter` anyway.
// Inside the node: shares of a GPU go to the fullest device they fit on, whole GPUs to the set with
// the best links, cores to the domain of the device they serve (placement/).
//
// A task may be assigned before tasks of this node have made its inputs (a chain).  It holds
// nothing until they have.  When all of them are with the job's executor it follows them there, so
// that the executor starts it without a word from here; otherwise it is queued when the last of
// them is reported.  If one of them ends without a result, it goes back to the head as `returned`,
// for the head to decide: it is not this task that failed.
//
// If an executor dies, the task that its crash is charged to is reported as failed (the head
// decides whether it is tried again); every other task on board is run again here under the same
// attempt number, without losing a retry.  When nobody knows whose crash it was and several tasks
// were on board, they become suspects: each runs again alone, one slot and one task of the job at a
// time, until it has finished once or a second death names it.
//
// Objects: the brain knows which objects the store holds and who uses them; a stored input stays
// pinned from the moment a task is sent until it is done.  It asks for a pull once, however many
// tasks wait for the object.  When the pull fails from all holders the waiting tasks fail with
// objectLost, whose Failure::task is the lost object; the head answers by remaking it.  A copy that
// nobody waits for when it arrives is dropped again and never reported as kept.
//
// Invariants: the resources of open slots never exceed the node's; a task is reported exactly once
// for each assignment unless it was cancelled by the head's `ended`.

#include "core/cluster/topology.h"
#include "core/node/assignment.h"
#include "core/node/orders.h"

#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace alnilam::node {

// ---- Inputs.

struct FromHead { NodeOrders orders; };
// An executor that StartExecutor asked for serves, or could not be started (executorFailed, with
// the loader's own message: the job's tasks fail with it at once, and so do those that follow
// within a second; the first one after that tries again).
struct ExecutorUp { ExecutorId executor; };
struct ExecutorFailed { ExecutorId executor; std::string why; };
// It is gone, with all its threads: every executor that was up ends with this, one that
// StopExecutor stopped as well, because only now are the resources of its slots free.  `culprit` is
// the task whose thread crashed or exited (none if not known: then a task that was alone on board
// is charged, and several become suspects).  `how` is crashed or exited.
struct ExecutorGone {
  ExecutorId executor;
  TaskId culprit;
  FailureKind how = FailureKind::crashed;
  std::string why;  // "SIGSEGV", "exit status 3"
};
struct FromExecutor { ExecutorId executor; ExecutorReport report; };
struct Pulled { ObjectId object; Bytes size = 0; };
struct PullFailed { ObjectId object; std::string why; };
// A local program put an object into the store.
struct LocalPut { ObjectId object; Bytes size = 0; };
struct Tick {};

using Input = std::variant<FromHead, ExecutorUp, ExecutorFailed, ExecutorGone, FromExecutor, Pulled,
                           PullFailed, LocalPut, Tick>;

// ---- Outputs.

struct StartExecutor { ExecutorId executor; JobNotice job; };
struct StopExecutor { ExecutorId executor; };  // its job ended; kill it if it does not leave
struct ToExecutor { ExecutorId executor; Orders orders; };
struct Pull { ObjectId object; Bytes size = 0; std::vector<NodeId> holders; };
struct Drop { ObjectId object; };  // free its place in the store
struct ToHead { NodeReport report; };

using Output = std::variant<StartExecutor, StopExecutor, ToExecutor, Pull, Drop, ToHead>;

class NodeBrain {
 public:
  struct Config {
    std::string name;
    Topology topology;
    ResourceSet total;
    Duration sendAhead = std::chrono::milliseconds(2);  // of work queued to a lane
    std::uint32_t maxAhead = 256;                       // tasks a slot
    std::uint32_t maxSlotsPerLane = 256;
    Duration idleAfter = std::chrono::seconds(1);
  };

  explicit NodeBrain(Config config);
  ~NodeBrain();
  NodeBrain(NodeBrain&&) noexcept;

  // Applies `input` at `now`; outputs are batched until `settle`.
  void step(Instant now, Input input);

  // Opens and closes slots, sends what can be sent, and appends all that is owed since the last
  // call.
  void settle(Instant now, std::vector<Output>& out);

  std::optional<Instant> deadline() const;

  // What open slots hold now, for people and metrics.
  ResourceSet inUse() const;
  std::size_t queued() const;  // assigned and not yet sent
  std::size_t sent() const;    // with an executor and not yet reported, those that follow as well

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace alnilam::node
