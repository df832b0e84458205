@0xf88e3ae85bcf8d96;
# What several conversations speak of: refusals, resources, topologies, classes, failures, values.
#
# Errors: a struct that breaks a bound named here is refused by whoever reads it (transport/rpc).
# Units: every quantity carries its unit in its name or comment.  Processors are in parts, 1/10,000
#   of one; bytes are bytes.  Nothing is floating point, and no clock reading crosses the wire.
# Ids: ObjectId (also a task's) is job << 32 | index; 0 is never an id and means "none".
# Evolution: fields are only ever added, at the end, with a default that means what the old peer
#   meant.  A field that has lost its use is renamed `obsoleteN` and keeps its number.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");

struct Refusal {
  # The request was well-formed and the answer is no.
  code @0 :Code;  # for programs
  why @1 :Text;   # one sentence for a person, with the value that was refused

  enum Code {  # alnilam::RefusalCode, number for number
    none @0;   # never sent
    invalid @1;
    unknown @2;
    infeasible @3;
    overloaded @4;
    staleIncarnation @5;
    notAllowed @6;
    unavailable @7;
  }
}

struct NamedAmount {
  name @0 :Text;     # 1 to 256 bytes; "license"
  parts @1 :UInt64;  # 1/10,000; never 0
}

struct ResourceSet {
  cpuParts @0 :UInt64;        # 1/10,000 of a processor; at most a million processors
  gpuParts @1 :UInt64;        # 1/10,000 of a device; likewise
  memoryBytes @2 :UInt64;     # of the host
  gpuMemoryBytes @3 :UInt64;  # of devices, the sum over those of the task or node
  named @4 :List(NamedAmount);  # sorted by name, no name twice; at most 64
}

struct Topology {
  # What a node is made of.  Bounds: those of Topology::check in core/cluster/topology.h.
  hostname @0 :Text;
  source @1 :Text;       # "live", "synthetic: ...", or an XML file's name
  packages @2 :UInt32;   # sockets; at least 1
  domains @3 :List(NumaDomain);
  cores @4 :List(Core);  # in hwloc's logical order; a core's index is its name
  gpus @5 :List(Gpu);    # by PCI address; a GPU's index is its name
  nics @6 :List(Nic);
  links @7 :List(GpuLink);  # gpus * gpus, row-major; the diagonal is ignored
  features @8 :List(Text);  # for people, how annotations are kept there; at most 64 of 1,024 bytes
  labels @9 :List(Text);    # "zone=a", one a key; at most 64 of 1,024 bytes

  struct NumaDomain {
    osNode @0 :UInt32;      # the operating system's number
    package @1 :UInt32;     # from 0
    memoryBytes @2 :UInt64;
  }
  struct Core {
    osCpu @0 :UInt32;   # first hardware thread, as sched_setaffinity counts
    domain @1 :UInt32;  # index into domains
  }
  struct Gpu {
    uuid @0 :Text;         # "GPU-...", "MIG-...", "EMU-..."
    model @1 :Text;        # as the driver names it, without "emulated"
    pciAddress @2 :Text;   # "0000:1b:00.0"; empty if unknown
    memoryBytes @3 :UInt64;
    domain @4 :UInt32;     # index into domains
    multiprocessors @5 :UInt32;
    computeCapability @6 :UInt32;  # major * 10 + minor
    emulated @7 :Bool;     # whoever shows the device must say so
    copyEngines @8 :UInt32;      # 0 unknown
    errorCorrection @9 :Bool;    # ECC is on
    exclusive @10 :Bool;   # its compute mode admits one process
    parent @11 :Text;      # of a MIG instance, its GPU's UUID; else empty
  }
  struct Nic {
    name @0 :Text;
    domain @1 :UInt32;     # index into domains
  }
  struct GpuLink {
    kind @0 :LinkClass;
    megabytesPerSecond @1 :UInt32;  # peak, one way, 10^6 bytes; 0 unknown
  }
  enum LinkClass {  # alnilam::LinkClass, number for number
    host @0;
    pcie @1;
    nvlink @2;
  }
}

struct WithdrawnGpu {
  # A device that its node does not offer any more.
  gpu @0 :UInt32;  # index into the topology's gpus
  why @1 :Text;    # at most 1,024 bytes
}

struct DeviceMemory {
  # What memory pools hold of one device; bytes.
  gpu @0 :UInt32;           # index into the topology's gpus
  used @1 :UInt64;          # in allocations
  reserved @2 :UInt64;      # taken from the device
  mostUsed @3 :UInt64;      # high-water marks
  mostReserved @4 :UInt64;
}

struct TaskClass {
  # Tasks that ask the same.
  function @0 :Text;     # the name it was registered under; 1 to 1,024 bytes
  needs @1 :ResourceSet; # while one runs
  priority @2 :Int32;    # higher goes first; -1000 to 1000, others count as the nearest
  retries @3 :UInt32;    # attempts after the first; at most 100
  retryExceptions @4 :Bool;  # also when the function throws
  variants @5 :List(Variant);
  # All implementations, if there are several: an attempt runs one of them.  At most 8; empty: the
  # function is the one.  If set, `function` is the name of all and `needs` are those of the first.

  delayNanoseconds @6 :UInt64;     # after its submission, before which no task starts
  deadlineNanoseconds @7 :UInt64;  # after its submission, by which a task has started; 0: none
  preemptible @8 :Bool;  # what has not begun makes way for higher priorities
  policy @9 :PlacementPolicy;
  affinity @10 :Text;    # key of the policy affinity, and of no other; at most 256 bytes
  apart @11 :Text;       # tasks of the job with this key are on different nodes; at most 256 bytes
  rules @12 :List(LabelRule);  # all hold of a node that runs one; at most 32

  enum PlacementPolicy {  # alnilam::PlacementPolicy, number for number
    standard @0;
    spread @1;
    pack @2;
    locality @3;
    affinity @4;
  }
  struct LabelRule {
    key @0 :Text;
    values @1 :List(Text);  # at most 256
    excluded @2 :Bool;      # the node's value is none of them, instead of one
  }
  struct Variant {
    kind @0 :Text;         # "cpu", "cuda"; 1 to 16 bytes
    function @1 :Text;     # the name it was registered under; 1 to 1,024 bytes
    needs @2 :ResourceSet; # while one runs
  }
}

struct Failure {
  # Why a task has no result.  A batch lists each once, however many values it stands behind.
  kind @0 :Kind;
  task @1 :UInt64;        # where it happened first; 0 if at none
  function @2 :Text;      # of that task; at most 1,024 bytes
  node @3 :Text;          # its name; empty if at none
  attempt @4 :UInt32;     # the last one; 0 if it was never tried
  type @5 :Text;          # of the exception, demangled; may be empty; at most 1,024 bytes
  message @6 :Text;       # at most 16 KiB of UTF-8
  chain @7 :List(Text);   # functions through which it reached the one asked for, nearest last; at
                          # most 16

  enum Kind {  # alnilam::FailureKind, number for number
    none @0;   # never sent
    exception @1;
    crashed @2;
    exited @3;
    nodeLost @4;
    infeasible @5;
    cancelled @6;
    objectLost @7;
    unknownFunction @8;
    badArguments @9;
    storeFull @10;
    executorFailed @11;
    outOfDeviceMemory @12;
    device @13;
    deadlinePassed @14;
  }
}

struct ObjectValue {
  # An object and its state.
  object @0 :UInt64;   # never 0
  state @1 :State;
  failure @2 :UInt32;  # if failed: index into the `failures` that travel beside the list
  size @3 :UInt64;     # bytes, if stored; otherwise 0
  held @4 :Data;       # the bytes, if held; at most a little above 64 KiB
  holders @5 :List(UInt32);  # NodeIds, if stored; any of them will do; at most 10,000

  enum State {  # alnilam::Value::State, number for number
    pending @0;
    held @1;
    stored @2;
    failed @3;
  }
}

struct NodeAddress {
  # How to reach a node's store and its mover.  All fields are the node's own words.
  node @0 :UInt32;      # NodeId; 0 only in a join, where the head has not given one yet
  name @1 :Text;        # unique among live nodes; 1 to 255 bytes
  objects @2 :Text;     # "host:port" of its object service
  localPath @3 :Text;   # of its object service's unix socket; empty: none
  hostIdentity @4 :Text;  # the kernel's boot id: a peer with the same one is on the same host and
                          # may use localPath
  mover @5 :Data;       # what Mover.start answered; empty: it has none, read by its object service
}
