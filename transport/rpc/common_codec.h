#pragma once
// schema/common.capnp and core's structs, both ways.
//
// `write` fills a builder from a struct that this process made and trusts.  `read` takes what came
// from outside: every list is bounded, every text is UTF-8 afterwards, every enum is one that
// exists, and amounts and topologies have passed their own `check`.  A refusal names what was
// wrong.
// Failures travel beside the values they stand behind, each once a batch: a million tasks that fail
// with one cause carry one message.  `FailureTable` gathers them while values are written; on the
// way in they are read first and shared.
//
// Errors: read returns Refusals (invalid) and throws nothing.

#include "core/cluster/device_memory_use.h"
#include "core/cluster/resources.h"
#include "core/cluster/topology.h"
#include "core/graph/task.h"
#include "core/graph/value.h"
#include "schema/common.capnp.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::rpc {

// How to reach a node's store and its mover; see schema/common.capnp.
struct NodeAddress {
  NodeId node;
  std::string name;
  std::string objects;       // "host:port"
  std::string localPath;     // empty: none
  std::string hostIdentity;  // the kernel's boot id
  std::string mover;         // bytes; empty: none

  bool operator==(const NodeAddress&) const = default;
};

void write(const Refusal& from, schema::Refusal::Builder to);
void write(const ResourceSet& from, schema::ResourceSet::Builder to);
void write(const Topology& from, schema::Topology::Builder to);
void write(const TaskClass& from, schema::TaskClass::Builder to);
void write(const std::vector<WithdrawnGpu>& from, capnp::List<schema::WithdrawnGpu>::Builder to);
void write(const std::vector<DeviceMemoryUse>& from,
           capnp::List<schema::DeviceMemory>::Builder to);
Result<std::vector<DeviceMemoryUse>> read(capnp::List<schema::DeviceMemory>::Reader from);
void write(const Failure& from, schema::Failure::Builder to);
void write(const NodeAddress& from, schema::NodeAddress::Builder to);

Refusal read(schema::Refusal::Reader from);  // one that is malformed reads as `invalid`
Result<ResourceSet> read(schema::ResourceSet::Reader from);
Result<Topology> read(schema::Topology::Reader from);
Result<TaskClass> read(schema::TaskClass::Reader from);
Result<Failure> read(schema::Failure::Reader from);
Result<NodeAddress> read(schema::NodeAddress::Reader from);

// The failures of one batch, each once.
class FailureTable {
 public:
  std::uint32_t add(const FailurePtr& failure);  // its index; `failure` must outlive the table
  std::size_t size() const { return failures_.size(); }
  void write(capnp::List<schema::Failure>::Builder to) const;

 private:
  std::vector<const Failure*> failures_;
  std::map<const Failure*, std::uint32_t> indices_;
};

using ObjectValues = std::vector<std::pair<ObjectId, Value>>;

// Without a table, failed values are a bug: inputs and puts are held or stored.
void write(const ObjectValues& from, capnp::List<schema::ObjectValue>::Builder to,
           FailureTable* failures);

// The refusal that the answer of a call carries, if it carries one.
template <typename Reader>
bool isRefused(Reader answer) {
  return answer.hasRefusal();
}

}  // namespace alnilam::rpc
