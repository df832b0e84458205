#pragma once
// What a program's environment says about its wiring.  Read once, in connect().
//
//   ALNILAM_HEAD           "host:port" of a head; unset: the embedded engine
//   ALNILAM_SECRET_FILE    the cluster's secret; unset: where the head of this user keeps it
//   ALNILAM_EMULATE_GPUS   "2x4GiB" or "match": emulated GPUs, of the embedded engine and executors
//   ALNILAM_EMULATOR       the emulator's library; unset: it is looked for
//   ALNILAM_TOPOLOGY       an hwloc XML file, or "synthetic:...", to stand in for this machine
//   ALNILAM_JOB_WEIGHT     the job's weight, 1 to 10,000; goes before what the program says
//   ALNILAM_JOB_QUOTA      "cpu=8,gpu=2,memory=64GiB": the most that it holds; likewise
//   CUDA_VISIBLE_DEVICES   bounds the GPUs that are used; never changed
//   ALNILAM_EXECUTOR_FD    set by a node for its executors; never by people

#include <optional>
#include <string>

namespace alnilam {

struct Settings {
  std::string head;
  std::string secretFile;
  std::string emulateGpus;
  std::string emulator;
  std::string topology;
  std::string jobWeight;
  std::string jobQuota;
  std::optional<std::string> visibleDevices;
  std::optional<int> executorFd;

  // `environment` is as main's third argument: "NAME=value" texts, ended by null.
  static Settings from(const char* const* environment);
};

}  // namespace alnilam
