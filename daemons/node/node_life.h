#pragma once
// One incarnation of a node: from joining a head to losing it.
//
// Everything that a node owns while it is a member hangs here: the store with its mover, the
// executors, the services, the brain.  When the head is lost, or declares the node lost, the life
// ends and all of that goes at once, so that nothing of it can be committed later; the process then
// begins another life with a higher incarnation.
//
// Threading: one event loop.  Lifetime: io, options and machine outlive it.

#include "core/base/error.h"
#include "daemons/node/node_options.h"
#include "transport/rpc/secret.h"

#include <kj/async-io.h>

#include <memory>
#include <string>

namespace alnilam {

class NodeLife {
 public:
  NodeLife(kj::AsyncIoContext& io, const NodeOptions& options, const Machine& machine,
           const rpc::Secret& secret, Incarnation incarnation);
  ~NodeLife() noexcept(false);

  // Binds, starts the mover, joins.  Refuses with the reason.
  kj::Promise<Result<NodeId>> begin();

  // Resolves with the reason when this life is over.
  kj::Promise<std::string> whenOver();

 private:
  class State;
  kj::Own<State> state_;
};

}  // namespace alnilam
