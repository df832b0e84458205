#pragma once
// schema/executor.capnp and core's structs, both ways.  See common_codec.h for what read promises.
//
// A stored input is an id in core and a place in the arena on the wire: whoever writes orders says
// where each lies, whoever reads them turns places into bytes that he mapped.

#include "core/cluster/topology.h"
#include "core/node/orders.h"
#include "schema/executor.capnp.h"
#include "transport/rpc/common_codec.h"

#include <functional>
#include <string>

namespace alnilam::rpc {

struct Place {
  std::uint64_t offset = 0;  // bytes from the start of the arena
  Bytes size = 0;

  bool operator==(const Place&) const = default;
};

using WhereIs = std::function<Place(ObjectId)>;
using BytesAt = std::function<Result<Blob>(ObjectId, Place)>;

struct ExecutorStart {
  ExecutorId executor;
  JobId job;
  Topology topology;
  std::uint32_t arenaFd = 0;
  Bytes arenaBytes = 0;
  std::uint32_t crashFd = 0;  // 0: none
  std::string nodeName;
};

void write(const ExecutorStart& from, schema::ExecutorStart::Builder to);
void write(const Orders& from, const WhereIs& whereIs, schema::ExecutorOrders::Builder to);
void write(const ExecutorReport& from, schema::ExecutorReport::Builder to);

Result<ExecutorStart> read(schema::ExecutorStart::Reader from);
// Inputs that are stored have `stored` set and, in `held`, what `bytesAt` answered.
Result<Orders> read(schema::ExecutorOrders::Reader from, const BytesAt& bytesAt);
Result<ExecutorReport> read(schema::ExecutorReport::Reader from);

}  // namespace alnilam::rpc
