#pragma once
// What the head tells people: nodes, jobs, tasks, and why a task is where it is.  Read-only, but
// for cancelling.
//
// Threading: one event loop.  Lifetime: `state` outlives it.

#include "daemons/head/head_state.h"
#include "schema/client.capnp.h"

namespace alnilam {

schema::Inspector::Client makeInspector(HeadState& state);

}  // namespace alnilam
