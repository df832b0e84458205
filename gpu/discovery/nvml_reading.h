#pragma once
// What NVML says of this machine, read once into plain values, so that everything that is decided
// from it (join_links.h, instances.h) is a function of values and tested with tables.
//
// A device that does not answer is left out and named in `complaints`; nothing here fails.

#include "core/base/units.h"
#include "gpu/driver/nvml.h"

#include <cstdint>
#include <string>
#include <vector>

namespace alnilam::gpu {

struct NvmlReading {
  // An active NVLink of a GPU.
  struct Nvlink {
    enum class To : std::uint8_t { gpu, nvswitch, other };  // other: a processor's, on POWER
    To to = To::other;
    std::string remote;  // PCI address, meaningful if `to` is gpu
  };
  // A MIG instance, which is a device of its own for CUDA.
  struct Instance {
    std::string uuid;         // "MIG-..."
    std::string model;        // "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    Bytes memory = 0;
    std::uint32_t multiprocessors = 0;
    std::uint32_t gpuInstance = 0;  // compute instances of one share its memory
  };
  struct Gpu {
    std::string uuid;
    std::string model;
    std::string pciAddress;   // as Gpu::pciAddress
    std::vector<Nvlink> nvlinks;
    bool mig = false;         // it is divided: only its instances can be used
    std::vector<Instance> instances;
  };
  struct Pair {
    nvml::Ancestor ancestor = nvml::kSystem;
    bool nvlinkDenied = false;  // NVML says that the two cannot use NVLink
  };

  std::string version;      // of the driver
  std::vector<Gpu> gpus;    // in NVML's order, which is that of the bus
  std::vector<Pair> pairs;  // gpus.size()^2, row-major; the diagonal means nothing
  std::vector<std::string> complaints;
};

NvmlReading readNvml(const nvml::Nvml& nvml);

// "00000000:3B:00.0" as the rest of Alnilam writes it: "0000:3b:00.0".
std::string plainAddress(std::string_view busId);

}  // namespace alnilam::gpu
