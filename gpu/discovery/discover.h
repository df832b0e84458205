#pragma once
// What this node is made of: hwloc's machine joined with the devices of the driver.
//
// The driver decides which GPUs there are, hwloc where they sit.  Real devices are joined by PCI
// address; one that hwloc does not know goes to the domain of its NUMA attribute, or to the first.
// Emulated devices stand in for the GPUs of a described machine, by address where they were given
// one (stand_in.h), else in order: they take its models, addresses, localities and links, and keep
// their own memory.  Where there are no GPUs to stand in
// for, and on a live machine (whose GPUs they are not), they are spread evenly over the domains.
//
// Topology::gpus[i] is the i-th of the devices handed in; nobody needs another mapping.

#include "core/base/error.h"
#include "core/cluster/topology.h"
#include "gpu/discovery/source.h"
#include "gpu/discovery/survey.h"

#include <string>

namespace alnilam::gpu {

// The machine as it is described, with the GPUs of its bus whether or not anything can run on them:
// a picture for people and for studies of placement.  Refuses what readMachine refuses.
Result<Topology> picture(const Source& source);

// The machine as a node offers it: its GPUs are exactly those offered (in the order of offered.h;
// none if there is no driver), its links are joined from all sources (join_links.h), except that
// devices which stand in for a described machine's have its links.  Refuses what readMachine
// refuses and more than Topology::kMaxGpus.
Result<Topology> discover(const Source& source, const Survey& survey);

// A tree for people, several lines: packages, domains with memory and cores, GPUs by their label
// ("[emulated]" where they are, OUT OF SERVICE if they are among `withdrawn`), NICs, for each GPU
// how it reaches the others, and the features.
std::string describe(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn = {});

}  // namespace alnilam::gpu
