#pragma once
// Reads a machine with hwloc into the topology model: packages, domains, cores, NICs, and the GPUs
// as hwloc sees them on the PCI bus.
//
// GPUs are counted as PCI devices (class 0300, 0302 or 0380 of vendor 10de, or with a CUDA, NVML or
// OpenCL device under them) and not as operating-system devices, of which one GPU may have several;
// the VGA chips of board controllers are none.  Links are hwloc's NVLinkBandwidth matrix with the
// switches folded away; pairs without an NVLink that meet below one PCI bridge are `pcie` at the
// narrower device's link speed, all others `host`.
//
// This is what the bus shows, and not yet what can be used: discover.h joins it with the driver.
//
// Errors: one sentence for a person: what could not be read and what would be accepted.  hwloc and
//   libxml print nothing of their own.
// Threading: calls from several threads take turns.  A call sets an environment variable of hwloc's
//   for its duration: make it before there are threads that change the environment.

#include "core/base/error.h"
#include "core/cluster/topology.h"
#include "gpu/discovery/source.h"

#include <cstddef>

namespace alnilam::gpu {

// Cores are those this process may run on (live) or those allowed by the description.  GPUs are in
// the order of their PCI addresses.  Refuses (unavailable) a file that cannot be read and (invalid)
// a description that is not one, or of a machine that Topology::check refuses.
Result<Topology> readMachine(const Source& source);

// Bytes; a longer file is no topology.
inline constexpr std::size_t kMaxTopologyFile = 64 << 20;

}  // namespace alnilam::gpu
