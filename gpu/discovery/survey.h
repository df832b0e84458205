#pragma once
// All that drivers say of a node's devices, beyond what a task needs to run on one: how they are
// linked, what of the machine is not offered and why, and how annotations are kept here.
//
// The node that describes itself takes a survey once; executors, which only open devices, do not.
//
// MIG.  To CUDA, a MIG instance is a device like any other, but a process does not see all of them:
// drivers from R570 on show one compute instance of each GPU instance beside whole GPUs, older ones
// a single instance and nothing else.  An executor is one process, because tasks of a job share
// contexts and pass objects by pointer; so a node offers exactly the instances that one process
// sees, each as a device of its own, and names those that it does not offer, with what to do: start
// another node on this machine with CUDA_VISIBLE_DEVICES set to the instance.  Giving each instance
// an executor of its own would offer them all from one node, and would take from every job on the
// machine that its CPU tasks and GPU tasks share memory.
//
// Source: MIG User Guide, CUDA Device Enumeration (2025: "Starting with CUDA 12/R570").
// Threading: take it from one thread, before executors are started.

#include "gpu/discovery/join_links.h"
#include "gpu/discovery/offered.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam::gpu {

struct Survey {
  std::vector<OfferedGpu> offered;
  std::vector<Peer> peers;           // offered.size()^2; empty: nobody was asked
  std::optional<NvmlReading> nvml;
  std::vector<std::string> features;    // for Topology::features
  std::vector<std::string> notOffered;  // "GPU-1a2b (Tesla T4): its compute mode is prohibited"

  // Of devices of which nobody says more.
  static Survey of(std::vector<OfferedGpu> devices) {
    Survey survey;
    survey.offered = std::move(devices);
    return survey;
  }
};

// `loaded` is the driver that offers them, null if there is none; `why` says why there is none, or
// no device; `visible` is the value of CUDA_VISIBLE_DEVICES.  NVML is asked of real devices only;
// `nvmlLibrary` is for tests.
Survey survey(const Loaded* loaded, const std::string& why, std::vector<OfferedGpu> offered,
              std::optional<std::string_view> visible,
              const std::string& nvmlLibrary = "libnvidia-ml.so.1");

// The parts of it that are functions of values.

// Sets `parent` of MIG instances, and `model` where NVML's tells the profile.
void nameInstances(std::vector<OfferedGpu>& offered, const NvmlReading* nvml);

// MIG instances that nobody was offered though `visible` does not rule them out, and GPUs that are
// divided into none: each with what to do about it.
std::vector<std::string> missingInstances(const std::vector<OfferedGpu>& offered,
                                          const NvmlReading& nvml,
                                          std::optional<std::string_view> visible);

// "shares: ...", "sm share: ...": how annotations are kept on this driver's devices.
std::vector<std::string> sharesInForce(const Driver& driver);

}  // namespace alnilam::gpu
