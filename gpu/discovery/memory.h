#pragma once
// How much memory this process may use: what /proc/meminfo and the cgroups say.
//
// hwloc adds up the domains' own figures, which can be far from the truth in a virtual machine
// whose memory is ballooned and know nothing of a container's limit.  So the total comes from here,
// and hwloc gives only the proportions between domains.

#include "core/base/units.h"

#include <string>
#include <vector>

namespace alnilam::gpu {

// The smaller of MemTotal of `procRoot`/meminfo and of the limits on the way from this process's
// cgroup (`procRoot`/self/cgroup; version 1 and 2) to the root under `cgroupRoot`.  0 if unknown.
Bytes usableMemory(const std::string& procRoot, const std::string& cgroupRoot);

// Scales `parts` so that they sum up to exactly `total`, keeping their proportions; parts that are
// all zero are made equal.  Returns them unchanged if `total` is 0.
std::vector<Bytes> scaleTo(Bytes total, std::vector<Bytes> parts);

}  // namespace alnilam::gpu
