@0xb10f6fc5c5c51cbf;
# How a node drives an executor: the user's program, started again to run tasks of its job.
#
# They speak over a socketpair that the executor inherits.  The node serves `ExecutorHost` as the
# bootstrap capability; the executor calls `ready` first and gives its `Executor`.  Large values
# never travel here: they lie in the arena, which both map.
#
# Beside the calls go mails (mail.capnp): the node's have ExecutorOrders, the executor's an
# ExecutorReport.
#
# Order: calls on one capability arrive in the order in which they were made.
# Flow: as in node.capnp.
# Errors: an RPC exception means that the other process is gone.
# Trust: the executor runs user code; the node checks every number that comes from it.
# Units: offsets from the start of the arena, sizes in bytes; times are durations.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");
using Common = import "common.capnp";
using Node = import "node.capnp";

struct ExecutorStart {
  executor @0 :UInt32;    # ExecutorId
  job @1 :UInt32;         # JobId
  topology @2 :Common.Topology;  # the node's: what core and GPU indices in orders mean
  arenaFd @3 :UInt32;     # number of the inherited descriptor of the object memory
  arenaBytes @4 :UInt64;  # its size
  crashFd @5 :UInt32;     # inherited descriptor of the page in which worker threads keep the id of
                          # the task they run, so that a crash can be charged; 0: none
  nodeName @6 :Text;      # for texts in failures
}

interface ExecutorHost {
  ready @0 (executor :Executor) -> (start :ExecutorStart);
  # First call, once: the program has come as far as alnilam::connect().

  allocate @1 (task :UInt64, size :UInt64) -> (outcome :AllocateOutcome);
  # Room in the arena for the result of a task that runs here, aligned to 64.  It belongs to the
  # task: reporting it as stored keeps it, any other end of the attempt frees it.  Asking again for
  # the same task frees the first.

  deviceMemory @2 (devices :List(Common.DeviceMemory)) -> ();
  # Of this process, one for each device it has used, at most 64.  Told when it has changed, and at
  # most once a second.
}

struct AllocateOutcome {
  union {
    offset @0 :UInt64;
    refusal @1 :Common.Refusal;  # overloaded: the store is full
  }
}

interface Executor {
  stop @0 () -> ();
  # The job has ended: leave.  Who does not is killed.
}

struct ExecutorOrders {
  # Carried out in the order of the fields.
  lanes @0 :List(NewLane);
  open @1 :List(SlotGrant);
  close @2 :List(UInt32);   # SlotIds: finish what runs, draw no more, report as closed
  run @3 :List(RunTask);
  cancel @4 :List(UInt64);  # TaskIds: drop it if it still queues (reported as cancelled)
  forget @5 :List(UInt64);  # ObjectIds: no task will take it any more, wherever a device keeps it

  struct NewLane {
    lane @0 :UInt32;        # index of the class in the job
    function @1 :Text;      # the name it was registered under
  }
}

struct SlotGrant {
  slot @0 :UInt32;          # SlotId; never 0
  lane @1 :UInt32;
  cores @2 :List(UInt32);   # indices into the topology's cores; empty: any
  devices @3 :List(DeviceGrant);

  struct DeviceGrant {
    gpu @0 :UInt32;         # index into the topology's gpus
    shareParts @1 :UInt32;  # 1/10,000 of the device; 1 to 10,000
    memoryBytes @2 :UInt64; # bound on device memory; 0: no bound was asked for
  }
}

struct RunTask {
  task @0 :UInt64;
  attempt @1 :UInt32;
  lane @2 :UInt32;
  arguments @3 :Data;
  inputs @4 :List(RunInput);  # null: none
  awaited @5 :Bool;           # tasks that follow may name its result as coming
}

struct RunInput {
  object @0 :UInt64;
  offset @1 :UInt64;  # if stored: where it lies in the arena, in place until the task was reported
  size @2 :UInt64;    # if stored: bytes
  stored @3 :Bool;
  held @4 :Data;      # the bytes, unless stored or coming
  coming @5 :Bool;    # made by a task that was sent to this executor before and is not reported yet
}

struct ExecutorReport {
  # Carried out in the order of the fields.
  done @0 :List(Node.TaskDone);
  failures @1 :List(Common.Failure);  # what `done` points at
  closed @2 :List(UInt32);            # SlotIds
}
