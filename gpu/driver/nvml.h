#pragma once
// NVIDIA's management library as a value: the few functions that discovery asks, by dlopen.
//
// The CUDA driver knows devices, NVML knows how they are wired: which NVLink leads where, what
// stands between two devices, which MIG instances there are.  It comes with the driver, but not
// always (a container may have one without the other), so everything here is allowed to be absent:
// the caller says so and uses what the CUDA driver and hwloc know.
//
// nvml.h is not part of the CUDA toolkit on every machine, and never of the system's include path,
// so the functions are declared here, in a namespace of their own, with NVML's own names for what
// they are.  NVML has no cuGetProcAddress: a symbol's name is its version.
//
// Errors: `unavailable`: the library is not there, or has no driver to talk to.  `invalid`: it is
//   there and broken (driver and library differ, a function is missing).
// Threading: NVML's functions may be called from any thread.
// Lifetime: an Nvml shuts the library down when it goes; the library itself stays loaded.
// Source: nvml.h of NVIDIA's driver 550, NVML API reference.

#include "core/base/error.h"

#include <memory>
#include <string>

struct nvmlDevice_st;  // NVML's own handle

namespace alnilam::gpu::nvml {

using Device = ::nvmlDevice_st*;

enum Return : int {
  kSuccess = 0,             // NVML_SUCCESS
  kNotSupported = 3,        // NVML_ERROR_NOT_SUPPORTED
  kNotFound = 6,            // NVML_ERROR_NOT_FOUND
  kDriverNotLoaded = 9,     // NVML_ERROR_DRIVER_NOT_LOADED
  kLibraryNotFound = 12,    // NVML_ERROR_LIBRARY_NOT_FOUND
  kGpuIsLost = 15,          // NVML_ERROR_GPU_IS_LOST
  kVersionMismatch = 18,    // NVML_ERROR_LIB_RM_VERSION_MISMATCH
};

// What stands between two devices, the nearest first: nvmlGpuTopologyLevel_t.
enum Ancestor : unsigned {
  kSameBoard = 0,     // NVML_TOPOLOGY_INTERNAL
  kOneSwitch = 10,    // NVML_TOPOLOGY_SINGLE
  kSwitches = 20,     // NVML_TOPOLOGY_MULTIPLE
  kHostBridge = 30,   // NVML_TOPOLOGY_HOSTBRIDGE
  kSameDomain = 40,   // NVML_TOPOLOGY_NODE
  kSystem = 50,       // NVML_TOPOLOGY_SYSTEM
};

constexpr unsigned kMaxNvlinks = 18;   // NVML_NVLINK_MAX_LINKS
constexpr unsigned kP2pNvlink = 2;     // NVML_P2P_CAPS_INDEX_NVLINK
constexpr unsigned kP2pOk = 0;         // NVML_P2P_STATUS_OK
constexpr unsigned kRemoteGpu = 0;     // NVML_NVLINK_DEVICE_TYPE_GPU
constexpr unsigned kRemoteSwitch = 2;  // NVML_NVLINK_DEVICE_TYPE_SWITCH
constexpr unsigned kMigOn = 1;         // NVML_DEVICE_MIG_ENABLE

struct PciPlace {  // nvmlPciInfo_t
  char busIdLegacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pciDeviceId;  // vendor in the low half
  unsigned pciSubSystemId;
  char busId[32];  // "00000000:3B:00.0"
};

struct Memory {  // nvmlMemory_t
  unsigned long long total, free, used;
};

struct Attributes {  // nvmlDeviceAttributes_t
  unsigned multiprocessorCount;
  unsigned sharedCopyEngineCount;
  unsigned sharedDecoderCount;
  unsigned sharedEncoderCount;
  unsigned sharedJpegCount;
  unsigned sharedOfaCount;
  unsigned gpuInstanceSliceCount;
  unsigned computeInstanceSliceCount;
  unsigned long long memorySizeMB;
};

// F(member, symbol, parameters)
// clang-format off
#define ALNILAM_NVML_REQUIRED(F) \
  F(init, nvmlInit_v2, ()) \
  F(shutdown, nvmlShutdown, ()) \
  F(driverVersion, nvmlSystemGetDriverVersion, (char* text, unsigned length)) \
  F(count, nvmlDeviceGetCount_v2, (unsigned* count)) \
  F(byIndex, nvmlDeviceGetHandleByIndex_v2, (unsigned index, Device* device)) \
  F(uuid, nvmlDeviceGetUUID, (Device device, char* text, unsigned length)) \
  F(name, nvmlDeviceGetName, (Device device, char* text, unsigned length)) \
  F(pciInfo, nvmlDeviceGetPciInfo_v3, (Device device, PciPlace* info)) \
  F(memory, nvmlDeviceGetMemoryInfo, (Device device, Memory* memory)) \
  F(commonAncestor, nvmlDeviceGetTopologyCommonAncestor, (Device a, Device b, \
      Ancestor* ancestor)) \
  F(nvlinkState, nvmlDeviceGetNvLinkState, (Device device, unsigned link, unsigned* isActive)) \
  F(nvlinkRemote, nvmlDeviceGetNvLinkRemotePciInfo_v2, (Device device, unsigned link, \
      PciPlace* info))
#define ALNILAM_NVML_OPTIONAL(F) \
  F(nvlinkRemoteType, nvmlDeviceGetNvLinkRemoteDeviceType, (Device device, unsigned link, \
      unsigned* type)) \
  F(p2pStatus, nvmlDeviceGetP2PStatus, (Device a, Device b, unsigned capability, \
      unsigned* status)) \
  F(migMode, nvmlDeviceGetMigMode, (Device device, unsigned* current, unsigned* pending)) \
  F(migCount, nvmlDeviceGetMaxMigDeviceCount, (Device device, unsigned* count)) \
  F(migByIndex, nvmlDeviceGetMigDeviceHandleByIndex, (Device device, unsigned index, \
      Device* instance)) \
  F(attributes, nvmlDeviceGetAttributes_v2, (Device device, Attributes* attributes)) \
  F(gpuInstance, nvmlDeviceGetGpuInstanceId, (Device instance, unsigned* id))
// clang-format on

struct Nvml {
#define ALNILAM_NVML_MEMBER(member, symbol, parameters) Return(*member) parameters = nullptr;
  ALNILAM_NVML_REQUIRED(ALNILAM_NVML_MEMBER)
  ALNILAM_NVML_OPTIONAL(ALNILAM_NVML_MEMBER)  // may be null
#undef ALNILAM_NVML_MEMBER

  std::string version;  // of the driver: "550.54.15"

  Nvml() = default;
  Nvml(const Nvml&) = delete;
  ~Nvml();
};

// The machine's library, initialised.  `library` is a parameter for tests.
Result<std::unique_ptr<Nvml>> load(const std::string& library = "libnvidia-ml.so.1");

}  // namespace alnilam::gpu::nvml
