#pragma once
// What the head offers to programs: ClientGate, and a Job for each that opens one.
//
// Threading: one event loop.  Lifetime: `state` outlives the services.  A Job's end (dropped, or
//   its connection lost) closes the job.

#include "daemons/head/head_state.h"
#include "transport/rpc/mail.h"
#include "schema/client.capnp.h"

#include <kj/async.h>

namespace alnilam {

schema::ClientGate::Client makeClientGate(HeadState& state, rpc::Mailbox& mailbox);

}  // namespace alnilam
