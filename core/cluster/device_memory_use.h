#pragma once
// What the memory pools of one device hold, as told by the processes that use it.
//
// A pool takes memory from its device in large pieces and hands out parts of it; what is freed
// stays with the pool for a while.  So more is reserved than used, and of that the unused part is
// what fragmentation and idle pools cost.

#include "core/base/units.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace alnilam {

struct DeviceMemoryUse {
  std::uint32_t gpu = 0;     // index into Topology::gpus
  Bytes used = 0;            // in allocations: of tasks that run, and of results that stay there
  Bytes reserved = 0;        // by the pools; at least `used`
  Bytes mostUsed = 0;        // high-water marks: never falling
  Bytes mostReserved = 0;

  bool operator==(const DeviceMemoryUse&) const = default;

  // Of what pools have reserved, the part that no allocation uses: 0 to 1.
  double fragmentation() const {
    return reserved == 0 ? 0.0
                         : 1.0 - static_cast<double>(std::min(used, reserved)) /
                                     static_cast<double>(reserved);
  }
};

// One process's numbers into those of all of them, by device.  Marks of different processes are not
// of one moment, so that of all is the highest that one of them or their sums have shown.
inline void addTo(std::vector<DeviceMemoryUse>& all, const DeviceMemoryUse& one) {
  auto same = std::find_if(all.begin(), all.end(),
                           [&](const DeviceMemoryUse& known) { return known.gpu == one.gpu; });
  if (same == all.end()) {
    all.push_back(one);
    return;
  }
  same->used += one.used;
  same->reserved += one.reserved;
  same->mostUsed = std::max({same->mostUsed, one.mostUsed, same->used});
  same->mostReserved = std::max({same->mostReserved, one.mostReserved, same->reserved});
}

}  // namespace alnilam
