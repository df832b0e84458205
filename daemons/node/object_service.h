#pragma once
// How programs, and nodes without UCX, reach this node's objects: schema/object.capnp.
//
// Over TCP, in parts of a message each; over the unix socket, by the arena's descriptor, in place.
// An object is pinned while anybody reads it.
//
// Threading: one event loop.  Lifetime: the store outlives the services.

#include "daemons/node/store.h"
#include "schema/object.capnp.h"

#include <kj/function.h>

namespace alnilam {

// `onPut` hears of each object that a program has put here.
class ObjectServices {
 public:
  ObjectServices(Store& store, kj::Function<void(ObjectId, Bytes)> onPut)
      : store_(store), onPut_(kj::mv(onPut)) {}

  schema::ObjectService::Client remote();
  schema::LocalObjectService::Client local();

 private:
  template <typename Interface>
  class Server;
  class RemoteServer;
  class LocalServer;
  class Pin;
  class Reservation;
  class Upload;

  Result<Extent> create(ObjectId object, Bytes size);
  Result<bool> seal(ObjectId object);

  Store& store_;
  kj::Function<void(ObjectId, Bytes)> onPut_;
};

}  // namespace alnilam
