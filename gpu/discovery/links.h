#pragma once
// How the GPUs of an hwloc topology are wired to each other.
//
// Internal to discovery: the only header here that shows hwloc's types.
//
// Source: the matrix "NVLinkBandwidth" of hwloc's NVML component: MB/s, one way, the sum over the
// links of a pair; on machines with NVSwitches the GPUs have links to switch ports only, which
// hwloc's own transformations fold into links between GPUs.  Its diagonal is made up.

#include "core/cluster/topology.h"

#include <hwloc.h>

#include <vector>

namespace alnilam::gpu {

// gpus.size()^2, row-major.  `gpus` are PCI devices of `topology`.
std::vector<GpuLink> readLinks(hwloc_topology_t topology, const std::vector<hwloc_obj_t>& gpus);

}  // namespace alnilam::gpu
