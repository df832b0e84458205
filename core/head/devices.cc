// Devices that a node takes out of service, and back.
//
// What is withdrawn counts for nothing, neither for what fits on the node now nor for what could
// ever run there.  Attempts that hold more than is left wait for room like those that were sent
// ahead, until the node says what became of them; it gives back those that it cannot run any more.
// Classes that no node can run now are refused, and told which devices they lack.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {
namespace {

placement::NodeShape shapeOf(const Node& node) {
  placement::NodeShape shape;
  shape.total = node.offered;
  Bytes memory = 0;
  for (std::uint32_t gpu = 0; gpu < node.topology.gpus.size(); ++gpu) {
    if (Tables::isWithdrawn(node, gpu)) continue;
    shape.deviceMemory.push_back(node.topology.gpus[gpu].memory);
    memory += shape.deviceMemory.back();
  }
  auto left = static_cast<std::int64_t>(shape.deviceMemory.size());
  shape.total.gpus = std::min(shape.total.gpus, Amount::whole(left));
  shape.total.gpuMemory = std::min(shape.total.gpuMemory, memory);
  return shape;
}

}  // namespace

bool Tables::isWithdrawn(const Node& node, std::uint32_t gpu) {
  return std::any_of(node.withdrawn.begin(), node.withdrawn.end(),
                     [gpu](const WithdrawnGpu& out) { return out.gpu == gpu; });
}

void Tables::withdrawn(Node& node, std::vector<WithdrawnGpu> told) {
  for (std::size_t i = 0; i < told.size(); ++i) {
    bool isInOrder = i == 0 || told[i - 1].gpu < told[i].gpu;
    if (isInOrder && told[i].gpu < node.topology.gpus.size()) continue;
    ++ignored;
    return;
  }
  if (told == node.withdrawn) return;
  node.withdrawn = std::move(told);
  reshape(node);
}

void Tables::reshape(Node& node) {
  node.shape = shapeOf(node);
  node.free = node.shape.total;
  node.load = 0;
  for (auto& [key, lane] : node.lanes) {
    const ResourceSet& needs = needsOf(key);
    measure(node, lane, classOf(key), key >> 24 & 0xff);
    std::uint64_t fits =
        node.free.timesCovers(needs, std::min(lane.fitting, lane.capacity));
    for (std::uint64_t i = 0; i < fits; ++i) node.free.subtract(needs);
    for (std::uint64_t i = fits; i < lane.fitting; ++i) classOf(key).owner->held.subtract(needs);
    lane.ahead += lane.fitting - fits;
    node.ahead += lane.fitting - fits;
    lane.fitting = fits;
    node.load += lane.cost * (lane.fitting + lane.ahead);
  }
  ++shapesVersion;
  totalChanged = true;
  node.freed = true;
  noteChange(node);
}

void Tables::restoreDevices(NodeId id) {
  Node* node = find(id);
  if (!node || !node->alive) {
    ++ignored;
    return;
  }
  node->orders.restoreDevices = true;
  owe(*node);
  node->failuresInARow = node->timesAside = 0;
  if (!isUsable(*node)) endAside(*node);
}

std::string Tables::butForDevices(const Node& node, const ResourceSet& needs) {
  if (node.withdrawn.empty() || !placement::takesDevices(needs)) return {};
  if (placement::capacity(node.shape, needs) > 0) return {};
  auto whole = placement::NodeShape::of(node.topology, node.offered);
  if (placement::capacity(whole, needs) == 0) return {};
  std::string text = "; " + node.name + " could, were ";
  for (std::size_t i = 0; i < node.withdrawn.size(); ++i) {
    const WithdrawnGpu& out = node.withdrawn[i];
    text += (i == 0 ? "gpu " : ", and gpu ") + std::to_string(out.gpu) + " in service (" +
            out.why + ")";
  }
  return text;
}

}  // namespace alnilam::head
