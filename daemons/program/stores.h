#pragma once
// A program's ways to the nodes' stores: reads and writes large objects, on the event loop.
//
// A node on the same host is reached over its unix socket: its arena is mapped once, objects are
// read and written in place, and a pin (a capability) keeps what is read where it is.  Others are
// reached over TCP, in parts.
//
// Threading: one event loop, except `Pinned`'s release, which may come from any thread.
// Lifetime: what was read outlives the Stores; its pins are given back while there is a loop.
// Errors: Refusals; `unavailable` says that a holder is gone and another may be asked.

#include "core/graph/value.h"
#include "schema/object.capnp.h"
#include "transport/memory/arena.h"
#include "transport/rpc/common_codec.h"
#include "daemons/program/dialer.h"

#include <kj/async.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace alnilam {

class Stores {
 public:
  // `wake` makes the loop call `releaseUnpinned` soon; from any thread.
  Stores(Dialer& dialer, std::string hostIdentity, std::function<void()> wake);
  ~Stores();
  KJ_DISALLOW_COPY(Stores);

  void know(const rpc::NodeAddress& node);

  kj::Promise<Result<Blob>> fetch(ObjectId object, Value stored);

  // A place for a new object, on this host if a node is, for the caller to fill: `bytes` may be
  // written by another thread until `seal`.
  struct Room {
    NodeId node;
    std::span<std::byte> bytes;
    kj::Own<void> keep;  // owns what `bytes` and `seal` use
    std::function<kj::Promise<Result<bool>>()> seal;
  };
  kj::Promise<Result<kj::Own<Room>>> allocate(ObjectId object, Bytes size);

  // Gives back the pins of Blobs that are no longer used.
  void releaseUnpinned();

 private:
  struct Node;
  struct Pins;

  kj::Promise<Result<Blob>> fetchFrom(ObjectId object, Value stored, std::size_t holder,
                                      std::string why);
  kj::Promise<Result<Blob>> readHere(Node& node, ObjectId object);
  kj::Promise<Result<Blob>> readParts(Node& node, ObjectId object, Bytes size);
  kj::Promise<Result<kj::Own<Room>>> allocateHere(Node& node, ObjectId object, Bytes size);
  kj::Promise<Result<kj::Own<Room>>> allocateThere(Node& node, ObjectId object, Bytes size);

  Dialer& dialer_;
  std::string hostIdentity_;
  std::shared_ptr<Pins> pins_;  // with every Blob that was read in place
  std::map<NodeId, std::shared_ptr<Node>> nodes_;  // with calls under way
};

}  // namespace alnilam
