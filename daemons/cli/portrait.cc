#include "daemons/cli/portrait.h"

#include <algorithm>
#include <utility>

namespace alnilam::cli {
namespace {

const char* name(LinkClass kind) {
  return kind == LinkClass::nvlink ? "nvlink" : kind == LinkClass::pcie ? "pcie" : "host";
}

// "9.0"
std::string capability(std::uint32_t number) {
  return std::to_string(number / 10) + "." + std::to_string(number % 10);
}

Json linksOf(const Topology& topology) {
  Json links = Json::array();
  for (std::size_t i = 0; i < topology.gpus.size(); ++i) {
    for (std::size_t j = 0; j < topology.gpus.size(); ++j) {
      if (i == j) continue;
      const GpuLink& link = topology.links[i * topology.gpus.size() + j];
      links.push_back({{"from", i},
                       {"to", j},
                       {"class", name(link.kind)},
                       {"megabytesPerSecond", link.megabytesPerSecond}});
    }
  }
  return links;
}

}  // namespace

Json portraitOf(const Topology& topology, std::uint32_t index,
                const std::vector<WithdrawnGpu>& withdrawn) {
  const Gpu& gpu = topology.gpus[index];
  Json shown = {{"index", index},
                {"uuid", gpu.uuid},
                {"model", gpu.label()},
                {"emulated", gpu.emulated},
                {"pciAddress", gpu.pciAddress},
                {"memory", gpu.memory},
                {"domain", gpu.domain},
                {"multiprocessors", gpu.multiprocessors},
                {"copyEngines", gpu.copyEngines},
                {"computeCapability", capability(gpu.computeCapability)},
                {"errorCorrection", gpu.errorCorrection},
                {"exclusive", gpu.exclusive},
                {"parent", gpu.parent.empty() ? Json() : Json(gpu.parent)},
                {"outOfService", nullptr}};
  for (const WithdrawnGpu& out : withdrawn) {
    if (out.gpu == index) shown["outOfService"] = out.why;
  }
  return shown;
}

Json portraitOf(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn) {
  Json all = {{"hostname", topology.hostname},
              {"source", topology.source},
              {"packages", topology.packages},
              {"domains", Json::array()},
              {"cores", Json::array()},
              {"gpus", Json::array()},
              {"nics", Json::array()},
              {"links", linksOf(topology)},
              {"features", topology.features},
              {"labels", topology.labels}};
  for (const NumaDomain& domain : topology.domains) {
    all["domains"].push_back(
        {{"osNode", domain.osNode}, {"package", domain.package}, {"memory", domain.memory}});
  }
  for (const Core& core : topology.cores) {
    all["cores"].push_back({{"osCpu", core.osCpu}, {"domain", core.domain}});
  }
  for (std::uint32_t i = 0; i < topology.gpus.size(); ++i) {
    all["gpus"].push_back(portraitOf(topology, i, withdrawn));
  }
  for (const Nic& nic : topology.nics) {
    all["nics"].push_back({{"name", nic.name}, {"domain", nic.domain}});
  }
  return all;
}

std::string gpusInShort(const Topology& topology, const std::vector<WithdrawnGpu>& withdrawn) {
  if (topology.gpus.empty()) return "-";
  std::vector<std::pair<std::string, std::size_t>> kinds;  // in the order of the bus
  for (const Gpu& gpu : topology.gpus) {
    auto at = std::find_if(kinds.begin(), kinds.end(),
                           [&](const auto& kind) { return kind.first == gpu.label(); });
    if (at == kinds.end()) kinds.emplace_back(gpu.label(), 1);
    else ++at->second;
  }
  std::string text;
  for (auto& [label, count] : kinds) {
    text += (text.empty() ? "" : " + ") + std::to_string(count) + "x " + label;
  }
  if (!withdrawn.empty()) text += " (" + std::to_string(withdrawn.size()) + " out of service)";
  return text;
}

std::vector<std::string> outOfService(const Topology& topology,
                                      const std::vector<WithdrawnGpu>& withdrawn) {
  std::vector<std::string> lines;
  for (const WithdrawnGpu& out : withdrawn) {
    if (out.gpu >= topology.gpus.size()) continue;
    const Gpu& gpu = topology.gpus[out.gpu];
    lines.push_back("gpu " + std::to_string(out.gpu) + " (" + gpu.label() + ", " + gpu.uuid +
                    "): " + out.why);
  }
  return lines;
}

}  // namespace alnilam::cli
