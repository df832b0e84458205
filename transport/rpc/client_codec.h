#pragma once
// schema/client.capnp and core's structs, both ways.  See common_codec.h for what read promises.

#include "core/api/backend.h"
#include "core/engine/session.h"
#include "core/head/head_brain.h"
#include "schema/client.capnp.h"
#include "transport/rpc/common_codec.h"
#include "transport/rpc/mover_codec.h"

#include <string>
#include <vector>

namespace alnilam::rpc {

struct Program {
  std::string hash;  // SHA-256 in hex, lower case
  Bytes size = 0;
  std::vector<std::string> arguments;  // argv[1..]

  static constexpr Bytes kMaxSize = 4_GiB;
};

// What the head tells a program.
struct Told {
  ObjectValues values;             // held, stored or failed
  std::vector<NodeAddress> nodes;  // see the schema

  bool empty() const { return values.empty() && nodes.empty(); }
};

// A node as `status` and `node list` show it.
struct NodeRow {
  head::NodeView view;
  NodeAddress address;
  std::vector<Lane> lanes;
  Bytes storeBytes = 0;
  Bytes storeUsed = 0;
  std::vector<DeviceMemoryUse> deviceMemory;
};

struct Status {
  std::string version;
  Epoch epoch;
  Duration up{};
  std::uint32_t nodesAlive = 0;
  std::uint32_t jobsOpen = 0;
  std::uint64_t tasksPending = 0;
  std::uint64_t tasksFinished = 0;
  std::uint64_t staleReports = 0;
  std::uint32_t connections = 0;
  std::uint64_t connectionsRefused = 0;
};

void write(const Program& from, schema::Program::Builder to);
void write(const JobShare& from, schema::JobShare::Builder to);
void write(const ClientBatch& from, schema::ClientBatch::Builder to);
void write(const Told& from, schema::Told::Builder to);
void write(const UsageRow& from, schema::UsageRow::Builder to);
void write(const Status& from, schema::Status::Builder to);
void write(const NodeRow& from, schema::NodeView::Builder to);
void write(const head::JobView& from, schema::JobView::Builder to);
void write(const head::TaskView& from, schema::TaskView::Builder to);

Result<Program> read(schema::Program::Reader from);  // a hash of 64 hex digits, a size in bounds
Result<JobShare> read(schema::JobShare::Reader from);  // one that passes its check
Result<Told> read(schema::Told::Reader from);
Result<UsageRow> read(schema::UsageRow::Reader from);
Result<Status> read(schema::Status::Reader from);
Result<NodeRow> read(schema::NodeView::Reader from);
Result<head::JobView> read(schema::JobView::Reader from);
Result<head::TaskView> read(schema::TaskView::Reader from);

// The batch of a program whose job is `job`.  Refuses what names another job, ids past kMaxTasks,
// and what is too long; indices of classes are the brain's to check.
Result<ClientBatch> read(schema::ClientBatch::Reader from, JobId job);

}  // namespace alnilam::rpc
