#include "gpu/discovery/links.h"

#include <hwloc/distances.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace alnilam::gpu {
namespace {

constexpr std::size_t kNone = SIZE_MAX;

// The PCI device that a matrix's row stands for: the rows of GPUs are their NVML devices.
hwloc_obj_t pciOf(hwloc_obj_t object) {
  while (object && object->type == HWLOC_OBJ_OS_DEVICE) object = object->parent;
  return object && object->type == HWLOC_OBJ_PCI_DEVICE ? object : nullptr;
}

bool isSwitch(hwloc_obj_t object) {
  return object && object->subtype && std::strcmp(object->subtype, "NVSwitch") == 0;
}

std::uint32_t narrow(std::uint64_t megabytes) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(megabytes, UINT32_MAX));
}

void addNvlinks(hwloc_topology_t topology, const std::vector<hwloc_obj_t>& gpus,
                std::vector<GpuLink>& links) {
  unsigned count = 1;
  hwloc_distances_s* matrix = nullptr;
  if (hwloc_distances_get_by_name(topology, "NVLinkBandwidth", &count, &matrix, 0) != 0 ||
      count == 0) {
    return;
  }
  // Without a switch the second one would empty the matrix.
  bool switched = std::any_of(matrix->objs, matrix->objs + matrix->nbobjs, isSwitch);
  for (auto transform : {HWLOC_DISTANCES_TRANSFORM_MERGE_SWITCH_PORTS,
                         HWLOC_DISTANCES_TRANSFORM_TRANSITIVE_CLOSURE}) {
    if (switched) hwloc_distances_transform(topology, matrix, transform, nullptr, 0);
  }

  std::vector<std::size_t> gpuOfRow(matrix->nbobjs, kNone);
  for (unsigned row = 0; row < matrix->nbobjs; ++row) {
    auto found = std::find(gpus.begin(), gpus.end(), pciOf(matrix->objs[row]));
    if (found != gpus.end()) gpuOfRow[row] = static_cast<std::size_t>(found - gpus.begin());
  }
  for (unsigned i = 0; i < matrix->nbobjs; ++i) {
    for (unsigned j = 0; j < matrix->nbobjs; ++j) {
      std::uint64_t bandwidth = matrix->values[std::size_t{i} * matrix->nbobjs + j];
      if (i == j || bandwidth == 0 || gpuOfRow[i] == kNone || gpuOfRow[j] == kNone) continue;
      links[gpuOfRow[i] * gpus.size() + gpuOfRow[j]] = {LinkClass::nvlink, narrow(bandwidth)};
    }
  }
  hwloc_distances_release(topology, matrix);
}

// Whether two devices meet at a PCI bridge, before the way leads into the processor.
bool shareBridge(hwloc_obj_t a, hwloc_obj_t b) {
  for (hwloc_obj_t up = a->parent; up && up->type == HWLOC_OBJ_BRIDGE; up = up->parent) {
    for (hwloc_obj_t other = b->parent; other && other->type == HWLOC_OBJ_BRIDGE;
         other = other->parent) {
      if (up == other) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<GpuLink> readLinks(hwloc_topology_t topology, const std::vector<hwloc_obj_t>& gpus) {
  std::vector<GpuLink> links(gpus.size() * gpus.size());
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    for (std::size_t j = 0; j < gpus.size(); ++j) {
      if (i == j || !shareBridge(gpus[i], gpus[j])) continue;
      float gigabytes = std::min(gpus[i]->attr->pcidev.linkspeed, gpus[j]->attr->pcidev.linkspeed);
      bool known = gigabytes > 0 && gigabytes < 1e6f;
      auto megabytes = known ? static_cast<std::uint64_t>(gigabytes * 1000) : 0;
      links[i * gpus.size() + j] = {LinkClass::pcie, narrow(megabytes)};
    }
  }
  addNvlinks(topology, gpus, links);
  return links;
}

}  // namespace alnilam::gpu
