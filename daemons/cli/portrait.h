#pragma once
// What a machine is made of, for people and for programs: the same of a node that the head knows
// (`node info`) and of this machine (`node detect`).
//
// JSON: memory and rates are integers (bytes; MB/s, 10^6 bytes), devices and domains are named by
// their index in their list; `outOfService` is null or the reason.

#include "core/cluster/topology.h"
#include "daemons/cli/print.h"

#include <string>
#include <vector>

namespace alnilam::cli {

// hostname, source, packages, domains, cores, gpus, nics, links, features, labels.
Json portraitOf(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn);

// One device, as portraitOf lists it.
Json portraitOf(const Topology& topology, std::uint32_t gpu,
                const std::vector<WithdrawnGpu>& withdrawn);

// "2x H100 [emulated]", "1x T4 + 1x A100", "2x T4 (1 out of service)", "-".
std::string gpusInShort(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn);

// "gpu 1 (T4, EMU-1a2b): cuStreamSynchronize: ...", for each.
std::vector<std::string> outOfService(const Topology& topology,
                                      const std::vector<WithdrawnGpu>& withdrawn);

}  // namespace alnilam::cli
