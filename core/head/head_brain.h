#pragma once
// The head brain: which task runs on which node, and who knows what about every object.
//
// A deterministic state machine.  Inputs are what clients and nodes said, outputs are what to say
// to them, in order.  It owns jobs, tasks, objects and the inventory of nodes; it owns no thread,
// socket, clock or file, and two runs on equal inputs give equal outputs.
//
// The way of a task:
//
//   submitted -> waiting(inputs) -> ready -> assigned(node, attempt) -> finished | failed
//                                    ^_____________ retry ____________|
//
// Ready tasks queue per class.  A pass goes through the classes in the order of priority, then of
// age, and hands chunks of a class to the nodes that score best (placement/), as long as a node has
// room: its capacity, times a prefetch depth that grows as the class's tasks prove short, so that a
// node never waits for the head between two short tasks and hoards no long ones.
//
// Objects up to kInlineLimit are kept here and travel inside assignments; larger ones lie in nodes'
// stores and the brain knows who holds them.  An object lives while its program holds a ref
// (`Release` ends that) or an unfinished task needs it.  A result whose last holder is lost
// is remade by running its task again (lineage), as deep as needed; a `put` cannot be remade and
// fails those who need it (objectLost).
//
// A node says which of its devices are out of service; they count for nothing until it says that
// they are back.  A task whose device was lost under it is tried again, the first time uncharged.
//
// Invariants:
//   a task has at most one live attempt; results of any other are dropped and counted (stale)
//   what a client was told about an object never changes
//   committed resources of a node are the sum over its live attempts, exactly
//
// Complexity: O(1) amortised per submitted, assigned and finished task, O(inputs) per input edge,
// O(nodes) per class and pass.

#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/cluster/topology.h"
#include "core/graph/job.h"
#include "core/graph/task.h"
#include "core/graph/value.h"
#include "core/node/assignment.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace alnilam::head {

// ---- Inputs: what the world did.

struct JobOpened {
  std::uint64_t session;  // the caller's name for the client; echoed in JobReady, once
  std::string name;       // for people
  std::string program;    // see JobNotice
  std::vector<std::string> arguments;
  JobShare share{};
};
struct JobClosed { JobId job; };  // the client left; what it owns is freed, what runs is cancelled

struct Submit {
  JobId job;
  std::vector<TaskClass> classes;  // appended to the job's table, in order
  std::vector<TaskSpec> tasks;
};
// A value that the program put: `value` is held, or stored on the nodes it names.
struct Put { ObjectId object; Value value; };
// The client wants to be told of these once they are no longer pending (at once if so already).
struct Want { JobId job; std::vector<ObjectId> objects; };
// The client dropped its refs; it will not name these again.
struct Release { JobId job; std::vector<ObjectId> objects; };
struct Cancel { JobId job; std::vector<TaskId> tasks; };

struct NodeJoined {
  std::string name;         // unique among live nodes; kept over restarts
  Incarnation incarnation;  // higher than in an earlier life
  Topology topology;        // already checked
  ResourceSet total;        // what it offers; at most topology.total() plus named
};
struct NodeHeard { NodeId node; Incarnation incarnation; NodeReport report; };  // may be empty
struct NodeLeft { NodeId node; Incarnation incarnation; std::string why; };
// Take the devices of a node that are out of service back, and the node if it is set aside; people
// ask for that.
struct RestoreDevices { NodeId node; };
struct Tick {};

using Input = std::variant<JobOpened, JobClosed, Submit, Put, Want, Release, Cancel, NodeJoined,
                           NodeHeard, NodeLeft, RestoreDevices, Tick>;

// ---- Outputs: what to do now, in order.

struct JobReady { std::uint64_t session; JobId job; };
struct JobRefused { std::uint64_t session; Refusal refusal; };
// To the job's client; each object at most once for each Want.
struct Told { JobId job; std::vector<std::pair<ObjectId, Value>> objects; };
struct NodeAccepted { std::string name; NodeId node; Incarnation incarnation; };
struct NodeRefused { std::string name; Incarnation incarnation; Refusal refusal; };
struct NodeTold { NodeId node; NodeOrders orders; };
struct NodeFenced { NodeId node; Incarnation incarnation; };  // it was declared lost: end it
// A node was declared lost or left; people want to know.
struct NodeGone { NodeId node; std::string why; };
// Everything fails on it: it gets no tasks for so long.  People want to know.
struct NodeSetAside { NodeId node; Duration length; std::string why; };

using Output = std::variant<JobReady, JobRefused, Told, NodeAccepted, NodeRefused, NodeTold,
                            NodeFenced, NodeGone, NodeSetAside>;

// ---- What people see.

struct NodeView {
  NodeId node;
  std::string name;
  bool alive = false;
  Topology topology;
  ResourceSet total;
  ResourceSet committed;
  std::uint64_t running = 0;  // live attempts assigned to it
  std::uint64_t finished = 0;
  std::vector<WithdrawnGpu> withdrawn;  // devices of `topology` that are no part of `total`
  std::string aside{};  // "set aside for 3 s more: ..."; empty: it is not
};
struct JobView {
  JobId job;
  std::string name;
  bool open = false;
  std::uint64_t waiting = 0, ready = 0, assigned = 0, finished = 0, failed = 0;
};
struct TaskView {
  TaskId id;
  std::string function;
  std::string state;  // waiting, ready, assigned, finished, failed
  std::string node;   // of the live or last attempt; empty if none
  Attempt attempt;
  Duration ran{};     // of the attempt that finished
  std::string variant{};  // of a task with several: the one that runs, or ran
};

class HeadBrain {
 public:
  struct Config {
    std::uint8_t cell = 1;
    Duration lostAfter = std::chrono::seconds(10);  // without a word from a node
    Duration prefetchHorizon = std::chrono::milliseconds(4);  // of work a node may hold ahead
    std::uint32_t maxPrefetch = 512;                          // tasks ahead for each that fits
    // A priority whose tasks wait and get nothing counts as one higher for each of these.
    Duration agingStep = std::chrono::seconds(1);
    // Of tasks that ask for none; not `affinity`.  standard: near their data where there is room,
    // else where least is going on.
    PlacementPolicy policy = PlacementPolicy::standard;
    std::uint64_t seed = 1;
  };

  explicit HeadBrain(Config config);
  ~HeadBrain();
  HeadBrain(HeadBrain&&) noexcept;

  // Applies `input` at `now`, appends what follows to `out`.  `now` never goes back.  The input is
  // consumed.  Placement is not run by step but by `place`, so that a driver which has ten inputs
  // waiting decides once.
  void step(Instant now, Input input, std::vector<Output>& out);

  // Hands out what can be handed out now, and sends what earlier steps owe to nodes and clients
  // (releases, cancels, answers are batched until here).
  void place(Instant now, std::vector<Output>& out);

  // When the next Tick is due; none if nothing is waited for.
  std::optional<Instant> deadline() const;

  std::vector<NodeView> nodes() const;
  std::vector<JobView> jobs() const;
  // The newest `limit` tasks of `job` (of all jobs if none), newest first.
  std::vector<TaskView> tasks(JobId job, std::size_t limit) const;
  // Why `task` is where it is, for each node in words.
  std::string explain(TaskId task) const;

  // What the tasks of a class of an open job are; null if there is none.  Valid until the job is
  // closed.
  const TaskClass* classOf(JobId job, ClassIndex index) const;

  // Results that came from an attempt, a life or a node that was not the task's any more.
  std::uint64_t staleReports() const;
  // What clients and nodes named and may not: ids of others, ids used twice, objects they gave up.
  std::uint64_t ignored() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace alnilam::head
