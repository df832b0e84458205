#pragma once
// Brings objects from other nodes into this node's store.
//
// By the mover where both sides have one (UCX, straight into the arena); where not, or if the
// movers cannot reach each other, in parts over the holder's object service.  Which of the two it
// was is the lane that status shows.
//
// Threading: one event loop.  Lifetime: references outlive it.  Errors: the brain hears PullFailed
//   once every holder has failed both ways.

#include "core/node/node_brain.h"
#include "daemons/node/store.h"
#include "daemons/program/dialer.h"
#include "schema/object.capnp.h"
#include "transport/rpc/common_codec.h"
#include "transport/rpc/mover_codec.h"

#include <kj/function.h>

#include <map>
#include <string>
#include <vector>

namespace alnilam {

class Pulls final : private kj::TaskSet::ErrorHandler {
 public:
  Pulls(Dialer& dialer, Store& store, MoverLink& mover,
        kj::Function<void(node::Input)> feed);

  // A peer's ways in, as the head tells them.
  void know(const rpc::NodeAddress& peer) { peers_[peer.node] = peer; }

  void pull(node::Pull wanted);

  // What has carried objects here over object services; the movers' lanes are the mover's to tell.
  std::vector<rpc::Lane> lanes() const;

 private:
  struct Copying;
  kj::Promise<void> byMover(node::Pull wanted, Extent place);
  kj::Promise<void> byService(node::Pull wanted, Extent place, std::size_t holder,
                              std::string why);
  kj::Promise<std::string> copyParts(schema::ObjectService::Client service, ObjectId object,
                                     Extent place);
  void finish(ObjectId object);
  void fail(ObjectId object, std::string why);
  void taskFailed(kj::Exception&& e) override;

  Dialer& dialer_;
  Store& store_;
  MoverLink& mover_;
  kj::Function<void(node::Input)> feed_;
  std::map<NodeId, rpc::NodeAddress> peers_;
  std::map<NodeId, rpc::Lane> serviceLanes_;
  kj::TaskSet tasks_;  // last
};

}  // namespace alnilam
