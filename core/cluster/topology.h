#pragma once
// What a node is made of, as far as placement cares, and what its operator calls it.
//
// The shape is hwloc's, cut down to what decides: packages hold NUMA domains, domains hold cores
// and memory, GPUs and NICs hang off a domain, pairs of GPUs have a link.  gpu/discovery fills it
// from hwloc and the CUDA driver; brains and people only read it.  A node that offers emulated GPUs
// says so in each of them, and whoever prints a device must show it (Gpu::label does).
//
// Indices: cores, gpus and domains are dense from 0 on their node, in the order of hwloc's logical
// numbering (cores) and of PCI addresses (GPUs).

#include "core/cluster/resources.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace alnilam {

struct Core {
  std::uint32_t osCpu = 0;   // the first hardware thread, as sched_setaffinity counts
  std::uint32_t domain = 0;  // index into Topology::domains
};

struct NumaDomain {
  std::uint32_t osNode = 0;
  std::uint32_t package = 0;
  Bytes memory = 0;
};

struct Gpu {
  std::string uuid;        // "GPU-...", "MIG-...", or "EMU-..." for an emulated one
  std::string model;       // as the driver names it, without "emulated"
  std::string pciAddress;  // "0000:1b:00.0", lower case; empty if unknown
  Bytes memory = 0;
  std::uint32_t domain = 0;
  std::uint32_t multiprocessors = 0;
  std::uint32_t computeCapability = 0;  // major * 10 + minor
  bool emulated = false;
  std::uint32_t copyEngines = 0;  // copies that run beside kernels, each one way; 0 unknown
  bool errorCorrection = false;   // ECC is on
  bool exclusive = false;  // its compute mode admits one process: one executor, hence one job
  std::string parent = {};  // of a MIG instance, its GPU's UUID, or PCI address if unknown

  // "H100 [emulated]": the only name a user may see.
  std::string label() const { return emulated ? model + " [emulated]" : model; }
};

struct Nic {
  std::string name;
  std::uint32_t domain = 0;
};

enum class LinkClass : std::uint8_t { host = 0, pcie = 1, nvlink = 2 };

struct GpuLink {
  LinkClass kind = LinkClass::host;
  std::uint32_t megabytesPerSecond = 0;  // peak, one way, 10^6 bytes; 0 unknown
};

// A device that its node does not offer any more, and why.
struct WithdrawnGpu {
  std::uint32_t gpu = 0;  // index into Topology::gpus
  std::string why;        // for people; at most kMaxWhy bytes

  bool operator==(const WithdrawnGpu&) const = default;

  static constexpr std::size_t kMaxWhy = 1024;
};

struct Topology {
  std::string hostname;
  std::string source;  // "live", "synthetic: ...", or the XML file's name
  std::uint32_t packages = 1;
  std::vector<NumaDomain> domains;
  std::vector<Core> cores;
  std::vector<Gpu> gpus;
  std::vector<Nic> nics;
  std::vector<GpuLink> links;  // gpus.size()^2, row-major; the diagonal is ignored
  std::vector<std::string> features;  // for people, how annotations are kept here:
                                      // "sm share: no (the driver lacks cuGreenCtxCreate)"
  std::vector<std::string> labels;  // "zone=a", sorted, one a key (core/graph/label_rule.h)

  // Everything there is: whole cores, whole GPUs, the sums of memory.
  ResourceSet total() const;

  // Refuses (invalid, naming field and value) what no machine has: no core, a domain out of range,
  // more than kMaxCores, kMaxGpus, kMaxDomains, kMaxNics, kMaxFeatures, kMaxLabels or kMaxMemory, a
  // link matrix of another size.  Whoever takes a topology from outside (a peer, a file) calls this
  // first.
  Result<bool> check() const;

  static constexpr std::size_t kMaxCores = 4096;
  static constexpr std::size_t kMaxGpus = 64;
  static constexpr std::size_t kMaxDomains = 1024;
  static constexpr std::size_t kMaxNics = 1024;
  static constexpr std::size_t kMaxFeatures = 64;
  static constexpr std::size_t kMaxLabels = 64;
  static constexpr Bytes kMaxMemory = 1_TiB * 1024;
};

}  // namespace alnilam
