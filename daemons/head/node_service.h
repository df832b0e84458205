#pragma once
// What the head offers to nodes: NodeGate, and a Membership for each that joins.
//
// Threading: one event loop.  Lifetime: `state` outlives the services.  A Membership's end
//   (dropped, or its connection lost) is the node's leaving.

#include "daemons/head/head_state.h"
#include "transport/rpc/mail.h"
#include "schema/node.capnp.h"

namespace alnilam {

schema::NodeGate::Client makeNodeGate(HeadState& state, rpc::Mailbox& mailbox);

}  // namespace alnilam
