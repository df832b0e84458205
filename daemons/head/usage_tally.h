#pragma once
// What ran where, for each open job: gathered from nodes' reports as they pass through the head.
//
// This is for people ("what did my GPUs do"), so it counts what was reported, stale results
// included; the brain's accounts are its own.
//
// Threading: one event loop.  Complexity: O(1) a finished task, but for the first of a device.

#include "core/api/backend.h"
#include "core/head/head_brain.h"
#include "transport/rpc/node_codec.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace alnilam {

class UsageTally {
 public:
  // A value that the program wrote into a node's store: what that node reports as kept was not
  // moved.
  void put(ObjectId object) { puts_.insert(object); }

  void add(NodeId node, const NodeReport& report);

  // `brain` gives names of nodes, devices and variants, `lanes` what carries objects to a node.
  std::vector<UsageRow> rows(JobId job, const head::HeadBrain& brain,
                             const std::map<NodeId, std::vector<rpc::Lane>>& lanes) const;
  void forget(JobId job);

 private:
  struct Count {
    std::uint64_t tasks = 0;
    Duration busy{};
    Bytes moved = 0;
    std::map<std::pair<ClassIndex, std::uint8_t>, std::uint64_t> variants;  // runs of each
  };
  using Device = std::pair<NodeId, std::uint32_t>;  // GPU index, or TaskDone::kNoGpu

  std::map<JobId, std::map<Device, Count>> counts_;
  std::set<ObjectId> puts_;  // not yet seen as kept
};

}  // namespace alnilam
