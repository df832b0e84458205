#pragma once
// schema/mover.capnp and its structs, both ways.  See common_codec.h for what read promises.

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "schema/mover.capnp.h"

#include <string>

namespace alnilam::rpc {

// What carries objects between a node and a peer.
struct Lane {
  NodeId node;            // the peer
  std::string transport;  // as UCX names it
  std::uint64_t pulls = 0;
  Bytes bytes = 0;
  Duration time{};        // sum over the pulls

  bool operator==(const Lane&) const = default;
};

void write(const Lane& from, schema::Lane::Builder to);
Result<Lane> read(schema::Lane::Reader from);

}  // namespace alnilam::rpc
