#pragma once
// Emulated devices that match a described machine's GPUs: `--emulate-gpus match`.
//
//   match                     each GPU of the topology: its memory, address, links
//   match:8GiB                with so much memory each
//   match;launch=3@1          settings of the emulator follow as they do after 2x4GiB
//
// The result is the emulator's own configuration (gpu/emulator/config.h) and goes wherever such a
// text goes, to executors as well.  A GPU's memory is the description's, else what its model's name
// says ("V100-SXM3-32GB"), else what that model is sold with.  Models that the emulator knows are
// emulated as such; older ones, for which nvcc makes no code any more, and unknown ones get the
// emulator's plain device, and only their name, memory, address and links are those of the machine.
// Links: NVLink at the description's rate, PCIe below a bridge, and no peer access otherwise.
//
// Errors: refuses (invalid) a machine without GPUs, a GPU whose memory nobody knows, and a live
//   machine, whose GPUs are not to be stood in for.

#include "core/base/error.h"
#include "core/cluster/topology.h"
#include "gpu/discovery/source.h"

#include <string>

namespace alnilam::gpu {

// `emulate` as it is, unless it asks to match `source`.
Result<std::string> matchEmulation(const std::string& emulate, const Source& source);

// The same of a machine that was read, `options` being what follows "match".
Result<std::string> matchMachine(const Topology& machine, const std::string& options);

}  // namespace alnilam::gpu
