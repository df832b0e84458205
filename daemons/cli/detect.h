#pragma once
// `alnilam node detect`: what this machine, or one described by a file, would offer as a node.

#include "daemons/cli/print.h"

#include <string>

namespace alnilam::cli {

struct DetectOptions {
  std::string topology;     // as gpu::Source::named
  std::string emulateGpus;
  std::string emulator;
  Format format = Format::table;
};

int detect(const DetectOptions& options);

}  // namespace alnilam::cli
