@0xdcd9f83e84869418;
# How a node joins a head, stays joined, works for it, and leaves.
#
# The head's listener gives `NodeGate` to whoever proved to be a node.  The node calls `join` and
# gets `Membership`: holding it *is* being a member.  Dropping it, or losing the connection, means
# leaving; there is no "leave" message that could be forgotten.
#
# Beside the calls go mails (mail.capnp): the head's have NodeOrders, the node's a NodeReport, which
# says what happened, possibly nothing: it also says "still alive".
#
# Order: calls on one capability arrive in the order in which they were made.  Nothing is promised
#   between two capabilities.
# Flow: mails carry as much as there is, up to 8 MiB and one element; the sender keeps a few on
#   their way (transport/rpc/batcher.h).
# Errors: an answer that the caller must act on is a union member.  An RPC exception means that a
#   machine or a link failed: DISCONNECTED (join again), OVERLOADED (later), FAILED (a bug; log it).
# Units: in names and comments; times are durations, no clock reading crosses the wire.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");
using Common = import "common.capnp";
using Mover = import "mover.capnp";

struct NodeIdentity {
  incarnation @0 :UInt64;  # grows with every start of the node's daemon; never 0
  address @1 :Common.NodeAddress;  # its name and ways to it; `node` is 0
  topology @2 :Common.Topology;
  offered @3 :Common.ResourceSet;  # at most what the topology has, and named amounts
  dataLane @4 :Text;       # for people, how objects will travel: "ucx tcp/eth1", "rpc"
  storeBytes @5 :UInt64;   # size of its object store
  version @6 :Text;        # of its daemon
}

struct JoinOutcome {
  union {
    membership @0 :Membership;
    # Joined; the fields below are set.  Report for the first time within heartbeatIntervalMs.

    refusal @1 :Common.Refusal;
    # staleIncarnation: this incarnation was declared lost, or a later one has joined; start clean
    # with a higher one.  invalid: the sentence names the field.
  }
  node @2 :UInt32;   # NodeId that the head gave; never 0
  epoch @3 :UInt64;  # which life of the head; orders of a lower one must be refused
  heartbeatIntervalMs @4 :UInt32;  # dictated by the head; 100 to 60,000
  lostAfterMs @5 :UInt32;  # without a word for so long, the node is declared lost; by then it must
                           # have ended its tasks by itself
}

interface NodeGate {
  join @0 (identity :NodeIdentity, node :Node) -> (outcome :JoinOutcome);
  # Idempotent for one incarnation: a retried join answers with the membership again.
}

interface Membership {
  program @0 (hash :Text, offset :UInt64) -> (bytes :Data, size :UInt64, known :Bool);
  # At most 1 MiB of the job's program from `offset`, and its whole size.  Waits until the client
  # has uploaded that far.  known is false, and the rest empty, for a hash that no open job has.

  moved @1 (address :Common.NodeAddress) -> ();
  # The node is reached in another way from now on: its mover was started again.
}

interface Node {
  fence @0 (why :Text) -> ();
  # This incarnation was declared lost: end all tasks, commit nothing, join as a new one.
}

struct NodeOrders {
  # Carried out in the order of the fields.
  peers @0 :List(Common.NodeAddress);  # holders named below that this node was not told of before,
                                       # or that changed
  jobs @1 :List(JobNotice);
  classes @2 :List(ClassNotice);
  assign @3 :List(Assignment);
  cancel @4 :List(UInt64);   # TaskIds
  release @5 :List(UInt64);  # ObjectIds: drop the copy, nobody may ask for it again
  ended @6 :List(UInt32);    # JobIds: end its executors, drop what is left of it
  restoreDevices @7 :Bool;   # take withdrawn devices back into service
  giveBack @8 :List(UInt64); # TaskIds: return those that have not begun
}

struct JobNotice {
  # A job whose tasks may follow.
  job @0 :UInt32;
  program @1 :Text;          # SHA-256 in hex
  arguments @2 :List(Text);  # argv[1..]
}

struct ClassNotice {
  # A class whose tasks may follow; each once a connection.
  job @0 :UInt32;
  index @1 :UInt32;          # in the job's table
  definition @2 :Common.TaskClass;
}

struct Assignment {
  task @0 :UInt64;
  attempt @1 :UInt32;        # from 1
  taskClass @2 :UInt32;      # in the job's table
  arguments @3 :Data;
  inputs @4 :List(Common.ObjectValue);  # null: none; held or stored, or pending: made here by the
                                        # task of that id, which was assigned earlier
  awaited @5 :Bool;          # tasks wait for its result, and may be assigned to this node as well
  variant @6 :UInt8;         # index into the class's variants: the one that the head counts on
  trial @7 :Bool;            # run that one, whatever the node knows: it is to be learned
}

struct TaskDone {
  # How one attempt ended.
  task @0 :UInt64;
  attempt @1 :UInt32;
  how @2 :How;
  device @3 :UInt16;         # 1 + index of the first GPU it had; 0: none
  ranNanoseconds @4 :UInt64; # from the function's start to its end, device work included
  size @5 :UInt64;           # bytes, if stored
  failure @6 :UInt32;        # if failed: index into the batch's `failures`
  held @7 :Data;             # the result, if held
  variant @8 :UInt8;         # index into the class's variants; set by nodes, 0 from executors
  health @9 :DeviceHealth;   # if failed: how the device fared; told by the one whose failure it was
  sickDevice @10 :UInt8;      # 1 + index of the GPU whose health that is; 0: none, it is ok

  enum How {  # alnilam::TaskDone::How, number for number
    held @0;
    stored @1;
    failed @2;
    returned @3;  # not begun, or void: run it again, charging nobody (an input that was to be made
                  # here will not be; another task killed their context; the device is withdrawn)
  }
  enum DeviceHealth {  # alnilam::DeviceHealth, number for number
    ok @0;
    contextLost @1;
    deviceLost @2;
  }
}

struct NodeReport {
  done @0 :List(TaskDone);
  failures @1 :List(Common.Failure);  # what `done` points at
  kept @2 :List(Kept);                # objects that now lie in the store, not as a result
  dropped @3 :List(UInt64);           # copies that are gone though nobody asked for it
  lanes @4 :List(Mover.Lane);         # null: as last told
  storeUsedBytes @5 :UInt64;          # 0: as last told
  costs @6 :List(Cost);               # what the ends in `done` have taught
  pullBytesPerSecond @7 :UInt64;      # at which pulls lately came in; 0: as last told
  withdrawn @8 :List(Common.WithdrawnGpu);  # all that are out of service, by index; at most 64;
                                            # null: as last told
  deviceMemory @9 :List(Common.DeviceMemory);  # summed over executors; at most 64; null: as last
                                               # told

  struct Kept {
    object @0 :UInt64;
    size @1 :UInt64;  # bytes
  }

  struct Cost {
    # Of one variant on one device, for inputs of about one size.
    job @0 :UInt32;
    taskClass @1 :UInt32;  # in the job's table
    variant @2 :UInt8;     # index into the class's variants; below 8
    sizeClass @3 :UInt8;   # inputs and arguments have 2^(sizeClass-1) bytes or more; at most 63
    device @4 :UInt16;     # 1 + index of the GPU; 0: none
    runs @5 :UInt32;       # since the last such report; never 0
    total @6 :UInt32;      # that the node has seen; at least `runs`
    meanNanoseconds @7 :UInt64;       # of a run, as the node now expects it
    deviationNanoseconds @8 :UInt64;  # standard deviation
  }
}
