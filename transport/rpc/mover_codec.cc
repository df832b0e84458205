#include "transport/rpc/mover_codec.h"

#include "transport/rpc/parts.h"

namespace alnilam::rpc {

void write(const Lane& from, schema::Lane::Builder to) {
  to.setNode(from.node.value);
  to.setTransport(textFor(from.transport));
  to.setPulls(from.pulls);
  to.setBytes(from.bytes);
  to.setNanoseconds(nanosecondsFor(from.time));
}

Result<Lane> read(schema::Lane::Reader from) {
  return guarded([&] {
    return Lane{NodeId{from.getNode()}, textOf(from.getTransport(), kMaxName, "name of a lane"),
                from.getPulls(), from.getBytes(), durationOf(from.getNanoseconds())};
  });
}

}  // namespace alnilam::rpc
