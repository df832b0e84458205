@0x9644e1b4b172e647;
# How a node drives its mover: the process beside it that holds the UCX worker.
#
# The mover serves `Mover` as the bootstrap capability of a socketpair that it inherits; the node is
# the only caller.  The object memory is one memfd, inherited as well; the mover maps it and nothing
# else.  Losing the connection ends the mover.
#
# Order: calls are carried out in the order in which they were made; `pull` and `withdraw` answer
#   when their work is done, so answers may come in another order.
# Errors: a pull that failed is an answer, so that the node can try other holders.  An RPC exception
#   means that the mover is gone: the node starts it again, publishes anew and asks anew.
# Units: offsets and sizes in bytes, offsets from the start of the arena.  Nothing here is a time of
#   day.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");

struct MoverStart {
  arenaFd @0 :UInt32;
  # Number of the inherited descriptor of the object memory.

  arenaBytes @1 :UInt64;
  # Its size; the mover maps this much and refuses (by an RPC exception) a descriptor that has less.

  interfaces @2 :List(Text);
  # Network interfaces that the operator named as trusted ("eth1", "lo").  Empty: this host only, by
  # shared memory; no port is opened.

  faultIn @3 :Bool;
  # Whether to touch the arena's pages at the start (the node has not done it).
}

struct Published {
  object @0 :UInt64;  # ObjectId; never 0
  offset @1 :UInt64;  # where it lies in the arena
  size @2 :UInt64;    # bytes; it does not change while it is published
}

struct PullRequest {
  object @0 :UInt64;  # ObjectId; never 0
  size @1 :UInt64;    # bytes, as the head told; a holder that has another size is a failure
  offset @2 :UInt64;  # where in the arena to write it: room for `size` bytes that is nobody else's
                      # until the answer has come

  holders @3 :List(Holder);
  # Movers to pull from, best first; the next one is tried where one fails.  Never empty.

  struct Holder {
    node @0 :UInt32;   # NodeId, for texts and for lanes()
    address @1 :Data;  # what start() answered on that node
  }
}

struct PullOutcome {
  bytes @0 :UInt64;        # that were moved; the object's size unless failed
  nanoseconds @1 :UInt64;  # from the request to the last byte
  from @2 :UInt32;         # NodeId of the holder that served (the last part of) it; 0 if none
  lane @3 :Text;           # what carried it: "posix", "tcp", "rc_mlx5"; empty if nothing was moved

  failure @4 :Text;
  # Empty: the bytes are in place.  Otherwise why not, in one sentence, for the last holder tried.
}

struct Lane {
  node @0 :UInt32;       # NodeId of the peer
  transport @1 :Text;    # as UCX names it: "posix", "tcp/eth1"
  pulls @2 :UInt64;      # finished over it since the start
  bytes @3 :UInt64;      # moved over it since the start
  nanoseconds @4 :UInt64;  # sum over the pulls of the time each took
}

interface Mover {
  start @0 (start :MoverStart) -> (address :Data, transports :Text);
  # First call, once.  `address` is the UCX worker's, for other movers; at most 64 KiB.
  # `transports` is what UCX has to offer, for people: "posix cma self".

  publish @1 (objects :List(Published)) -> ();
  # These may be pulled by others from now on.

  withdraw @2 (objects :List(UInt64)) -> ();
  # Nobody may pull them any more; answers when no transfer reads them, so that their places can be
  # used again.  What was not published is ignored.

  pull @3 (request :PullRequest) -> (outcome :PullOutcome);
  # Answers when the object is in place or every holder has failed.

  lanes @4 () -> (lanes :List(Lane));
  # What carries the bytes to and from each peer; in the order of node ids.
}
