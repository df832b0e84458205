#pragma once
// schema/node.capnp and core's structs, both ways.  See common_codec.h for what read promises.

#include "core/cluster/device_memory_use.h"
#include "core/node/assignment.h"
#include "schema/node.capnp.h"
#include "transport/rpc/common_codec.h"
#include "transport/rpc/mover_codec.h"

#include <optional>
#include <string>
#include <vector>

namespace alnilam::rpc {

// What a node says of itself when it joins.
struct NodeIdentity {
  Incarnation incarnation;
  NodeAddress address;  // node: none
  Topology topology;
  ResourceSet offered;  // read refuses more than the topology has
  std::string dataLane;
  Bytes storeBytes = 0;
  std::string version;
};

// Orders, and the ways to the holders that they name.
struct NodeMail {
  NodeOrders orders;
  std::vector<NodeAddress> peers;

  bool empty() const { return orders.empty() && peers.empty(); }
};

// A report, and what people may want to know of the node's store and its devices' memory.
struct NodeNews {
  NodeReport report;
  std::optional<std::vector<Lane>> lanes;  // none: as last told
  Bytes storeUsed = 0;                     // 0: as last told
  std::optional<std::vector<DeviceMemoryUse>> deviceMemory;  // none: as last told

  bool empty() const { return report.empty() && !lanes && storeUsed == 0 && !deviceMemory; }
};

void write(const NodeIdentity& from, schema::NodeIdentity::Builder to);
void write(const NodeMail& from, schema::NodeOrders::Builder to);
void write(const NodeNews& from, schema::NodeReport::Builder to);

Result<NodeIdentity> read(schema::NodeIdentity::Reader from);
Result<NodeMail> read(schema::NodeOrders::Reader from);
Result<NodeNews> read(schema::NodeReport::Reader from);

// Lists of TaskDone, for this and executor_codec.cc.
void write(const std::vector<TaskDone>& from, capnp::List<schema::TaskDone>::Builder to,
           FailureTable& failures);

}  // namespace alnilam::rpc
