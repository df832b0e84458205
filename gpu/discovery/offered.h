#pragma once
// The devices that a driver offers, and how the user's CUDA_VISIBLE_DEVICES bounds them.
//
// Device numbers of a driver depend on its version, on the environment and on which driver it is,
// so they are used in one place only: an OfferedGpu's `ordinal`.  Everybody else counts by PCI
// addresses, which is the order of the list here and of Topology::gpus: the i-th offered device is
// the node's gpu i, in the node and in its executors alike.
//
// The variable is read and never changed.  NVIDIA's driver applies it by itself when it is loaded
// (it renumbers what is left from 0), so it is applied here to emulated devices only.

#include "core/base/error.h"
#include "core/cluster/topology.h"
#include "gpu/driver/loader.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam::gpu {

struct OfferedGpu {
  int ordinal = 0;    // as the driver counts; kNotShown if it does not show the device here
  Gpu gpu;            // `domain` is not known yet
  int numaNode = -1;  // the operating system's number; -1 unknown

  static constexpr int kNotShown = -1;
};

// The devices of a loaded driver that `visible` (the value of CUDA_VISIBLE_DEVICES; nullopt if it
// is not set) leaves and that admit processes, sorted.  Refuses (unavailable) with the driver's own
// words if a device does not answer.
Result<std::vector<OfferedGpu>> offer(const Loaded& loaded,
                                      std::optional<std::string_view> visible);

// Sorts by PCI address (then by ordinal); devices without one go last.
void sortByBus(std::vector<OfferedGpu>& devices);

// Those with `uuids`, in that order.  One that is not among `devices` has its UUID and the ordinal
// kNotShown.
std::vector<OfferedGpu> arrange(const std::vector<OfferedGpu>& devices,
                                const std::vector<std::string>& uuids);

// Keeps of `devices` (sorted) those that `visible`, the value of CUDA_VISIBLE_DEVICES, names:
// indices in the order of the list, or prefixes of UUIDs ("GPU-", "MIG-", "EMU-") that fit one
// device only.  As in CUDA, the first entry that names nothing ends the list, "" and "-1" name
// nothing, nullopt (the variable is not set) names all.  The order stays that of the bus.
// Source: CUDA C++ Programming Guide, CUDA Environment Variables.
void keepVisible(std::vector<OfferedGpu>& devices, std::optional<std::string_view> visible);

}  // namespace alnilam::gpu
