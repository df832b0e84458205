#pragma once
// What the NVML that isn't one (fake_nvml.cc) tells of a machine, as text, and how it misbehaves.
//
//   script   := line { "\n" line }
//   line     := "gpu" UUID PCI NAME                 0000:1b:00.0; NAME without blanks
//             | "mig" UUID PARENT-INDEX GPU-INSTANCE MEMORY-MIB MULTIPROCESSORS NAME
//             | "nvlink" GPU-INDEX LINK REMOTE              active; REMOTE: gpuN, switch, npu
//             | "dark" GPU-INDEX LINK                       there and not active
//             | "ancestor" A B LEVEL                        both ways; without: 50
//             | "p2p" A B STATUS                            NVLink, both ways; without: 0, it works
//             | "init" CODE                                 nvmlInit_v2 fails with it
//             | "broken" UUID                               nvmlDeviceGetUUID of it fails
//
// The library reads it when nvmlInit_v2 is called, from the function that it exports:
//   void fakeNvmlTell(const char* script)

namespace alnilam::gpu::nvml {

using FakeNvmlTell = void(const char* script);

}  // namespace alnilam::gpu::nvml
