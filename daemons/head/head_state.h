#pragma once
// What the head's services share: the driver, the programs, what nodes last told, the counts.
//
// Threading: one event loop.  Lifetime: made once by main, outlives every connection.

#include "daemons/head/head_driver.h"
#include "daemons/head/programs.h"
#include "daemons/head/usage_tally.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace alnilam {

struct HeadState {
  HeadState(kj::Timer& clock, head::HeadBrain::Config config, const std::string& programDirectory)
      : timer(clock),
        started(clock.now()),
        lostAfter(config.lostAfter),
        driver(clock, config),
        programs(programDirectory) {}

  struct Told {  // by a node, last
    std::vector<rpc::Lane> lanes;
    Bytes storeBytes = 0, storeUsed = 0;
    std::vector<DeviceMemoryUse> deviceMemory;
    rpc::NodeAddress address;
  };
  std::map<NodeId, std::vector<rpc::Lane>> lanes() const {
    std::map<NodeId, std::vector<rpc::Lane>> all;
    for (auto& [node, news] : told) all[node] = news.lanes;
    return all;
  }

  kj::Timer& timer;
  kj::TimePoint started;
  Duration lostAfter;
  Epoch epoch;
  HeadDriver driver;
  Programs programs;
  UsageTally usage;
  std::map<NodeId, Told> told;
  std::uint64_t tasksFinished = 0;
  std::function<std::uint64_t()> refusedConnections;  // by the listener, since the start
  std::uint32_t connections = 0;
};

// Which addresses one peer has been told, so that each travels once and again when it changes.
class ToldAddresses {
 public:
  // Appends to `out` what the peer must be told before it can reach `nodes`.
  void add(const HeadDriver& driver, const std::vector<NodeId>& nodes,
           std::vector<rpc::NodeAddress>& out) {
    for (NodeId node : nodes) {
      const HeadDriver::Known* known = driver.find(node);
      if (!known || changes_[node] == known->change) continue;
      changes_[node] = known->change;
      out.push_back(known->address);
    }
  }

 private:
  std::map<NodeId, std::uint64_t> changes_;
};

}  // namespace alnilam
