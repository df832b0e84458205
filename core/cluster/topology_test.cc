#include "core/cluster/topology.h"

#include <gtest/gtest.h>

#include <functional>

namespace alnilam {
namespace {

// Two packages with a domain of two cores each, and a GPU and a NIC on the second.
Topology twoPackages() {
  Topology topology;
  topology.packages = 2;
  topology.domains = {{0, 0, 4_GiB}, {1, 1, 8_GiB}};
  topology.cores = {{0, 0}, {1, 0}, {2, 1}, {3, 1}};
  topology.gpus.push_back({"EMU-1", "T4", "0000:00:01.0", 2_GiB, 1, 40, 75, true});
  topology.nics = {{"eth0", 1}};
  topology.links.resize(1);
  return topology;
}

TEST(ATopology, SumsToWhatTheNodeHas) {
  EXPECT_EQ(show(twoPackages().total()), "cpu=4,gpu=1,gpu.memory=2GiB,memory=12GiB");
}

TEST(ATopology, NamesAnEmulatedDeviceAsSuch) {
  EXPECT_EQ(twoPackages().gpus[0].label(), "T4 [emulated]");
}

TEST(ATopology, ThatNoMachineHasIsRefusedWithFieldAndValue) {
  struct Row { std::function<void(Topology&)> change; const char* out; };
  const Row rows[] = {
      {[](Topology&) {}, "ok"},
      {[](Topology& t) { t.cores.clear(); }, "topology: there is no core"},
      {[](Topology& t) { t.cores.resize(4097); },
       "topology: 4097 cores, at most 4096 are believed"},
      {[](Topology& t) { t.gpus.resize(65); }, "topology: 65 gpus, at most 64 are believed"},
      {[](Topology& t) { t.domains.resize(1025); },
       "topology: 1025 domains, at most 1024 are believed"},
      {[](Topology& t) { t.nics.resize(1025); }, "topology: 1025 nics, at most 1024 are believed"},
      {[](Topology& t) { t.features.resize(65); },
       "topology: 65 features, at most 64 are believed"},
      {[](Topology& t) { t.domains.clear(); },
       "topology: cores[0].domain is 0, there are 0 domains"},
      {[](Topology& t) { t.packages = 1; },
       "topology: domains[1].package is 1, there are 1 packages"},
      {[](Topology& t) { t.cores[3].domain = 2; },
       "topology: cores[3].domain is 2, there are 2 domains"},
      {[](Topology& t) { t.gpus[0].domain = 0xffffffff; },
       "topology: gpus[0].domain is 4294967295, there are 2 domains"},
      {[](Topology& t) { t.nics[0].domain = 9; },
       "topology: nics[0].domain is 9, there are 2 domains"},
      {[](Topology& t) { t.domains[0].memory = ~Bytes{0}; },
       "topology: domains[0].memory is 16384.0PiB, more than 1PiB"},
      {[](Topology& t) { t.domains[0].memory = 1_TiB * 1024; },
       "topology: the domains' memory is 1.0PiB, more than 1PiB"},
      {[](Topology& t) { t.gpus[0].memory = 1_TiB * 1025; },
       "topology: gpus[0].memory is 1025TiB, more than 1PiB"},
      {[](Topology& t) { t.links.clear(); }, "topology: links has 0 entries, 1 gpus have 1"},
      {[](Topology& t) { t.links.resize(2); }, "topology: links has 2 entries, 1 gpus have 1"},
  };
  for (const Row& row : rows) {
    Topology topology = twoPackages();
    row.change(topology);
    auto checked = topology.check();
    EXPECT_EQ(checked ? "ok" : checked.error().why, row.out);
  }
}

}  // namespace
}  // namespace alnilam
