@0xad90b776dc9d095f;
# What a program says to the head, and what people ask it.
#
# The head's listener gives `ClientGate` to whoever proved to be a client or a tool.  A program
# opens one job; what it gets back, `Job`, *is* the job: dropping it, or losing the connection,
# closes the job, cancels what runs and frees what it owns.
#
# Beside the calls go mails (mail.capnp): the program's have a ClientBatch, the head's have a Told.
#
# Order: calls on one capability arrive in the order in which they were made.  Nothing is promised
#   between two capabilities.
# Flow: a batch carries thousands of things, at most 8 MiB and one element; the sender keeps a few
#   on their way and lets the next one grow meanwhile (transport/rpc/batcher.h).
# Errors: an answer that the caller must act on is a union member.  An RPC exception means that a
#   machine or a link failed: DISCONNECTED (reconnect), OVERLOADED (later), FAILED (a bug; log it).
# Units: in names and comments; times are durations, no clock reading crosses the wire.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");
using Common = import "common.capnp";
using Mover = import "mover.capnp";

interface ClientGate {
  open @0 (name :Text, program :Program, share :JobShare) -> (outcome :OpenOutcome);
  # Opens a job, one a connection.  `name` is for people, at most 255 bytes.  Without a share it is
  # that of everybody.

  inspect @1 () -> (inspector :Inspector);
  # For tools; programs may as well.
}

struct Program {
  # What nodes start as the job's executors.
  hash @0 :Text;    # SHA-256 of the program's bytes, 64 hex digits, lower case
  size @1 :UInt64;  # bytes; at most 4 GiB
  arguments @2 :List(Text);  # argv[1..]; at most 10,000, 1 MiB together
}

struct JobShare {
  # A job's part of what several jobs wait for, and the most that its tasks hold at a time.
  weight @0 :UInt32 = 100;  # 1 to 10,000
  cpuParts @1 :UInt64 = 0xffffffffffffffff;  # 1/10,000 of a processor; all bits set: no bound
  gpuParts @2 :UInt64 = 0xffffffffffffffff;  # 1/10,000 of a device; likewise
  memoryBytes @3 :UInt64 = 0xffffffffffffffff;     # of the host; likewise
  gpuMemoryBytes @4 :UInt64 = 0xffffffffffffffff;  # of devices; likewise
  named @5 :List(QuotaOf);  # of others; sorted by name, no name twice; at most 64

  struct QuotaOf {
    name @0 :Text;     # 1 to 256 bytes
    parts @1 :UInt64;  # 1/10,000; 0 allows none
  }
}

struct OpenOutcome {
  union {
    job @0 :Job;
    # Opened; the fields below are set.

    refusal @1 :Common.Refusal;
  }
  id @2 :UInt32;  # JobId; never 0
  programNeeded @3 :Bool;
  # The head lacks the program's bytes: send them by `upload`.  Tasks may be submitted meanwhile;
  # they start when the program is whole.
  nodes @4 :List(Common.NodeAddress);  # those there are now; later ones come by `told`
}

struct ClientBatch {
  # One that breaks a bound comes back as a refusal, and nothing of it is taken.
  # Carried out in the order of the fields, whatever order they were made in: so a task may name an
  # object that this batch puts, and a cancel comes before the release of what it cancels.
  classes @0 :List(Common.TaskClass);  # appended to the job's table; 65,536 a job
  puts @1 :List(Common.ObjectValue);   # values that the program put; held or stored
  tasks @2 :List(Task);
  wants @3 :List(UInt64);     # ObjectIds to be told of once they are no longer pending
  cancels @4 :List(UInt64);   # TaskIds
  releases @5 :List(UInt64);  # ObjectIds that this program will not name again

  struct Task {
    index @0 :UInt32;      # in the job: the id is job << 32 | index; never 0
    taskClass @1 :UInt32;  # index into the job's table
    arguments @2 :Data;    # at most 64 KiB and 4 KiB more
    inputs @3 :List(UInt64);  # ObjectIds, in the order in which arguments name them; null: none; at
                              # most a million
  }
}

interface Job {
  upload @0 (offset :UInt64, bytes :Data) -> (refusal :Common.Refusal);
  # The program's bytes, in order, at most 1 MiB a call; several calls may be in flight.  The last
  # one answers after the hash was compared; another hash is refused and everything forgotten.

  nodes @1 () -> (nodes :List(Common.NodeAddress));
  # Those alive now.

  usage @2 () -> (rows :List(UsageRow));
  # What ran where for this job so far, a row for each device that ran something.
}

struct UsageRow {
  node @0 :Text;             # its name
  device @1 :Text;           # "cpu", or the GPU's label ("H100 [emulated]") with its index
  tasks @2 :UInt64;
  busyNanoseconds @3 :UInt64;  # the sum of the tasks' run times
  movedBytes @4 :UInt64;     # that came to the node from others, on the row of its cpu
  lanes @5 :Text;            # how they came: "posix+cma"; empty if none did
  variants @6 :List(VariantRuns);  # of the tasks that have several, what finished here

  struct VariantRuns {
    function @0 :Text;       # the name of all its variants
    kind @1 :Text;           # "cpu", "cuda"
    variant @2 :Text;        # the name of the function that ran
    tasks @3 :UInt64;
  }
}

struct Told {
  # Before the answer to `open` as well.
  values @0 :List(Common.ObjectValue);   # none pending; each object once for each want
  failures @1 :List(Common.Failure);     # what failed values point at
  nodes @2 :List(Common.NodeAddress);    # holders that this client was not told of before, or that
                                         # changed
}

interface Inspector {
  status @0 () -> (status :Status);
  nodes @1 () -> (nodes :List(NodeView));  # by id; those that left too, for a while
  jobs @2 () -> (jobs :List(JobView));     # by id
  tasks @3 (job :UInt32, limit :UInt32) -> (tasks :List(TaskView));
  # The newest `limit` (at most 100,000) of the job, or of all jobs if 0; newest first.

  explain @4 (task :UInt64) -> (text :Text);
  # Why the task is where it is, for each node in words.

  cancel @5 (task :UInt64) -> ();
  # What is unknown or over is ignored.

  restoreDevices @6 (node :UInt32) -> (refusal :Common.Refusal);
  # Devices of the node that are out of service are taken back: it is told to, and says itself when
  # they are (NodeView.withdrawn).  unknown: no such node is alive.
}

struct Status {
  version @0 :Text;          # of the head
  epoch @1 :UInt64;          # which life of the head
  upNanoseconds @2 :UInt64;  # since its start
  nodesAlive @3 :UInt32;
  jobsOpen @4 :UInt32;
  tasksPending @5 :UInt64;   # waiting, ready or assigned
  tasksFinished @6 :UInt64;  # since the start, failed ones too
  staleReports @7 :UInt64;   # results refused because their attempt was over
  connections @8 :UInt32;    # open now
  connectionsRefused @9 :UInt64;  # since the start: wrong secret, garbage, too many
}

struct NodeView {
  node @0 :UInt32;
  name @1 :Text;
  alive @2 :Bool;
  topology @3 :Common.Topology;
  total @4 :Common.ResourceSet;      # what it offers
  committed @5 :Common.ResourceSet;  # what live attempts hold or will hold on it
  running @6 :UInt64;                # live attempts
  finished @7 :UInt64;               # since it joined
  lanes @8 :List(Mover.Lane);        # what carries objects between its store and others
  storeBytes @9 :UInt64;             # size of its store
  storeUsedBytes @10 :UInt64;
  address @11 :Common.NodeAddress;
  withdrawn @12 :List(Common.WithdrawnGpu);  # devices of the topology that are no part of `total`
  deviceMemory @13 :List(Common.DeviceMemory);  # of those that were used
  aside @14 :Text;  # why it gets no tasks for now; empty: it does; at most 1,024 bytes
}

struct JobView {
  job @0 :UInt32;
  name @1 :Text;
  open @2 :Bool;
  waiting @3 :UInt64;   # tasks, by state
  ready @4 :UInt64;
  assigned @5 :UInt64;
  finished @6 :UInt64;
  failed @7 :UInt64;
}

struct TaskView {
  task @0 :UInt64;
  function @1 :Text;
  state @2 :Text;    # waiting, ready, assigned, finished, failed
  node @3 :Text;     # of the live or last attempt; empty if none
  attempt @4 :UInt32;
  ranNanoseconds @5 :UInt64;  # of the attempt that finished
  variant @6 :Text;  # of a task with several: "cuda (compareOnGpu)"; empty if not known or only one
}
