#pragma once
// What one slot holds of one device: chosen by placement, kept to by the executor's pool.

#include "core/cluster/resources.h"

#include <cstdint>

namespace alnilam {

struct DeviceGrant {
  std::uint32_t gpu = 0;  // index into the node's Topology::gpus
  Amount share;           // of one device, at most a whole
  Bytes memory = 0;       // bound on device memory; 0: no bound was asked for
};

}  // namespace alnilam
