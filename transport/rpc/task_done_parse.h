#pragma once
// How attempts ended, as read by the codecs of nodes and of executors: what is wrong is thrown as
// `Broken` (parts.h).

#include "core/node/orders.h"
#include "schema/node.capnp.h"

#include <vector>

namespace alnilam::rpc {

std::vector<TaskDone> parse(capnp::List<schema::TaskDone>::Reader from,
                            const std::vector<FailurePtr>& failures);

}  // namespace alnilam::rpc
