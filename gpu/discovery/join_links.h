#pragma once
// How a node's devices are linked, from whoever knows it best.
//
//   NVML    which NVLink leads where, and what stands between two devices on the bus.  Devices that
//           both lead to NVSwitches reach each other through them, unless NVML denies it.
//   peers   what the CUDA driver says of a pair.  Native atomics between two devices tell an NVLink
//           from PCIe, over which there are none.  The performance rank only orders the pairs of a
//           machine, so the rates made from it keep that order and nothing else.
//   bus     hwloc's picture: its own NVLink matrix, and who shares a bridge.  It rates what the
//           others only classify.
//
// MIG instances are linked to nothing: they have neither NVLink nor peer access.
//
// An NVLink's rate is that of one link of the device's generation, one way, times the number of
// links between the two (to a switch: of the device that has fewer).
// Source: NVIDIA's data sheets: P100 20 GB/s a link, V100, A100 and H100 25, B200 50; RTX cards of
// 8.6 14.  MIG user guide, CUDA device enumeration.

#include "core/cluster/topology.h"
#include "gpu/discovery/nvml_reading.h"

#include <vector>

namespace alnilam::gpu {

// What the CUDA driver says of one device reaching another.
struct Peer {
  bool access = false;
  bool atomics = false;
  int rank = 0;  // 0 is best
};

// All are devices.size()^2, row-major, over the same devices.
struct LinkSources {
  const NvmlReading* nvml = nullptr;  // null: it is not there
  std::vector<Peer> peers;            // empty: nobody asked
  std::vector<GpuLink> bus;
};

std::vector<GpuLink> joinLinks(const std::vector<Gpu>& devices, const LinkSources& sources);

}  // namespace alnilam::gpu
