#pragma once
// The node's object store as its daemon uses it: arena, table, and what the mover is told of both.
//
// Every sealed object is published to the mover, so that other nodes can pull it; an object that is
// to go is withdrawn first, and its place is used again only when no transfer reads it.
//
// Threading: one event loop.  Lifetime: arena and mover outlive it.

#include "daemons/node/mover_link.h"
#include "transport/memory/object_store.h"

#include <kj/async.h>

namespace alnilam {

class Store final : private kj::TaskSet::ErrorHandler {
 public:
  Store(Arena& arena, MoverLink& mover)
      : arena_(arena), table_(arena), mover_(mover), tasks_(*this) {}

  Arena& arena() { return arena_; }
  ObjectStore& table() { return table_; }

  // As ObjectStore's, and tells the mover.
  Result<Extent> seal(ObjectId object);

  // Others may pull it; `seal` says so by itself.
  void publish(ObjectId object, Extent place) { mover_.publish(object, place); }

  // Withdraws it from others and frees it once nobody reads it.  What is not there is ignored.
  void drop(ObjectId object);

 private:
  void taskFailed(kj::Exception&& e) override;

  Arena& arena_;
  ObjectStore table_;
  MoverLink& mover_;
  kj::TaskSet tasks_;  // last
};

}  // namespace alnilam
