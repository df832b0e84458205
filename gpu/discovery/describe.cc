#include "gpu/discovery/discover.h"

#include <map>
#include <utility>

namespace alnilam::gpu {
namespace {

// "0-3,8": `numbers` ascending.
std::string ranges(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string count(std::size_t number, const char* what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string memory(Bytes bytes) { return bytes == 0 ? "memory unknown" : showBytes(bytes); }

std::string describeGpu(const Topology& topology, std::size_t index) {
  const Gpu& gpu = topology.gpus[index];
  std::string text = "gpu " + std::to_string(index) + "  " + gpu.label();
  text += "  " + memory(gpu.memory);
  if (!gpu.pciAddress.empty()) text += "  " + gpu.pciAddress;
  if (gpu.multiprocessors != 0) text += "  " + count(gpu.multiprocessors, "multiprocessor");
  if (gpu.copyEngines != 0) text += "  " + count(gpu.copyEngines, "copy engine");
  if (gpu.computeCapability != 0) {
    text += "  compute " + std::to_string(gpu.computeCapability / 10) + "." +
            std::to_string(gpu.computeCapability % 10);
  }
  if (gpu.errorCorrection) text += "  ECC";
  if (gpu.exclusive) text += "  one process only";
  if (!gpu.uuid.empty()) text += "  " + gpu.uuid;
  return text + (gpu.parent.empty() ? "" : "  instance of " + gpu.parent);
}

std::string describeLinks(const Topology& topology, std::size_t from) {
  std::map<std::pair<LinkClass, std::uint32_t>, std::vector<std::uint32_t>> peers;
  for (std::size_t to = 0; to < topology.gpus.size(); ++to) {
    if (to == from) continue;
    const GpuLink& link = topology.links[from * topology.gpus.size() + to];
    peers[{link.kind, link.megabytesPerSecond}].push_back(static_cast<std::uint32_t>(to));
  }
  std::string text;
  for (auto it = peers.rbegin(); it != peers.rend(); ++it) {  // the best kind first
    const auto& [kind, megabytes] = it->first;
    text += text.empty() ? "" : "; ";
    text += kind == LinkClass::nvlink ? "NVLink" : kind == LinkClass::pcie ? "PCIe" : "host";
    if (megabytes != 0) text += " " + std::to_string((megabytes + 500) / 1000) + " GB/s";
    text += " to " + ranges(it->second);
  }
  return text;
}

}  // namespace

std::string describe(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn) {
  Bytes total = 0;
  for (const NumaDomain& domain : topology.domains) total += domain.memory;
  std::string text = topology.hostname + " (" + topology.source + "): " +
                     count(topology.packages, "package") + ", " +
                     count(topology.cores.size(), "core") + ", " + memory(total) + ", " +
                     count(topology.gpus.size(), "GPU") + "\n";
  std::uint32_t lastPackage = UINT32_MAX;
  for (std::size_t d = 0; d < topology.domains.size(); ++d) {
    const NumaDomain& domain = topology.domains[d];
    if (domain.package != lastPackage) text += "  package " + std::to_string(domain.package) + "\n";
    lastPackage = domain.package;
    std::vector<std::uint32_t> cpus;
    for (const Core& core : topology.cores) {
      if (core.domain == d) cpus.push_back(core.osCpu);
    }
    text += "    domain " + std::to_string(d) + "  " + memory(domain.memory) + "  " +
            count(cpus.size(), "core") + (cpus.empty() ? "" : " (cpu " + ranges(cpus) + ")") + "\n";
    for (std::size_t g = 0; g < topology.gpus.size(); ++g) {
      if (topology.gpus[g].domain != d) continue;
      text += "      " + describeGpu(topology, g);
      for (const WithdrawnGpu& out : withdrawn) {
        if (out.gpu == g) text += "  OUT OF SERVICE: " + out.why;
      }
      text += "\n";
    }
    for (const Nic& nic : topology.nics) {
      if (nic.domain == d) text += "      nic " + nic.name + "\n";
    }
  }
  std::size_t pairs = topology.gpus.size() * topology.gpus.size();
  if (topology.gpus.size() > 1 && topology.links.size() == pairs) {
    text += "  links\n";
    for (std::size_t g = 0; g < topology.gpus.size(); ++g) {
      text += "    gpu " + std::to_string(g) + "  " + describeLinks(topology, g) + "\n";
    }
  }
  for (const std::string& feature : topology.features) text += "  " + feature + "\n";
  for (const std::string& label : topology.labels) text += "  label " + label + "\n";
  return text;
}

}  // namespace alnilam::gpu
