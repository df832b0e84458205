#pragma once
// What an operator says to alnilam-node, and what follows from it about this machine.
//
// Threading: none.  Errors: refusals that name the option's value and what would be accepted.

#include "core/cluster/topology.h"
#include "gpu/device/device_host.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace alnilam {

struct NodeOptions {
  std::string head;        // "host:port"
  std::string name;        // unique among live nodes; default: the host's name
  std::string secretFile;  // empty: where the head of this user keeps it
  std::string stateDirectory;
  std::string listen = "127.0.0.1:0";     // object service for programs and peers
  std::vector<std::string> interfaces;    // trusted ones, for UCX between hosts
  std::string topology;                   // as gpu::Source::named
  std::string emulateGpus;                // "2x16GiB", "match" (gpu/discovery/stand_in.h)
  std::string emulator;                   // its library; empty: looked for
  std::optional<std::string> visibleDevices;  // the user's CUDA_VISIBLE_DEVICES
  std::string store;                      // bytes of the object store; empty: a quarter of memory
  std::vector<std::string> labels;        // "zone=a"
  std::string share;                      // "K/N": the K-th (from 0) of N nodes on this machine
  int readyFd = -1;                       // says "ready" there
};

// What a node offers, and how its executors find the same devices.
struct Machine {
  Topology topology;
  ResourceSet offered;
  Bytes storeBytes = 0;
  std::string gpuTitle;  // "emulated CUDA driver 13.0", or why there is none
  std::vector<std::string> notOffered;  // devices, each with the reason; to be said loudly
  std::string emulateGpus;  // for executors: what --emulate-gpus came to
  std::optional<std::string> visibleDevices;
};

// The part "K/N" of a machine's cores (where there is one for each node) and memory.
Result<Topology> shareOf(Topology topology, const std::string& share);
// And of its real devices.
Result<std::vector<gpu::OfferedGpu>> shareOf(const std::vector<gpu::OfferedGpu>& devices,
                                             const std::string& share);

Result<Machine> describeMachine(const NodeOptions& options);

}  // namespace alnilam
