@0xa507b6d469654069;
# How programs and other nodes read and write objects in a node's store.
#
# A node serves `ObjectService` on a TCP port, and `LocalObjectService`, which extends it, on a unix
# socket: whoever is on the same host maps the arena and reads in place.  Between nodes, objects
# normally travel by the movers (mover.capnp); this service is the way without UCX, and for programs
# on other hosts.
#
# Order: calls on one capability arrive in the order in which they were made.
# Flow: at most 1 MiB a call; a reader keeps several in flight.
# Errors: an answer that the caller must act on is a union member.  An object that is not there and
#   one that the caller may not see get the same answer, `unknown`.
# Lifetime: `Pin` and `Reservation` are capabilities; dropping one, or the connection, gives it
#   back.
# Units: offsets and sizes in bytes.
# Evolution: fields are only added, at the end, with a default that means what the old peer meant.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("alnilam::schema");
using Common = import "common.capnp";

interface ObjectService {
  size @0 (object :UInt64) -> (outcome :SizeOutcome);

  read @1 (object :UInt64, offset :UInt64, length :UInt32) -> (outcome :ReadOutcome);
  # At most 1 MiB and what there is from `offset`; none at or past the end.

  create @2 (object :UInt64, size :UInt64) -> (outcome :CreateOutcome);
  # Room for a value that a program puts here.  Refused: an object that is there already (invalid),
  # a store that is full (overloaded).
}

struct SizeOutcome {
  union {
    size @0 :UInt64;
    refusal @1 :Common.Refusal;
  }
}

struct ReadOutcome {
  union {
    bytes @0 :Data;
    refusal @1 :Common.Refusal;
  }
}

struct CreateOutcome {
  union {
    upload @0 :Upload;
    refusal @1 :Common.Refusal;
  }
}

interface Upload {
  # An object that is being written; dropped before `seal` it is forgotten.
  write @0 (offset :UInt64, bytes :Data) -> ();
  # At most 1 MiB; several may be in flight.  Past the end: an RPC exception, and nothing is
  # written.

  seal @1 () -> (refusal :Common.Refusal);
  # The value is whole and will not change.  Null, or why not.
}

interface LocalObjectService extends(ObjectService) {
  map @0 () -> (arena :Arena, size :UInt64);
  # `arena` carries the descriptor of the object memory (capnp's getFd()); map `size` bytes of it.

  locate @1 (object :UInt64) -> (outcome :LocateOutcome);

  allocate @2 (object :UInt64, size :UInt64) -> (outcome :AllocationOutcome);
  # As `create`, for a caller that writes into the arena by itself.
}

interface Arena {}
# Only a descriptor.

struct LocateOutcome {
  union {
    place @0 :Place;
    refusal @1 :Common.Refusal;
  }
  pin @2 :Pin;  # with `place`: the bytes stay in place until it is dropped

  struct Place {
    offset @0 :UInt64;  # from the start of the arena; aligned to 64
    size @1 :UInt64;
  }
}

interface Pin {}

struct AllocationOutcome {
  union {
    reservation @0 :Reservation;
    refusal @1 :Common.Refusal;
  }
  offset @2 :UInt64;  # with `reservation`: where to write; aligned to 64
}

interface Reservation {
  seal @0 () -> (refusal :Common.Refusal);
  # The value is whole and will not change; the store keeps it.  Null, or why not.
}
