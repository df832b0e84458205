#include "core/cluster/topology.h"

namespace alnilam {
namespace {

Refusal refuse(const std::string& why) { return {RefusalCode::invalid, "topology: " + why}; }

// "gpus[2].domain is 7, there are 2 domains"
Refusal outOfRange(const std::string& list, std::size_t index, const std::string& field,
                   std::size_t value, std::size_t count, const std::string& things) {
  return refuse(list + "[" + std::to_string(index) + "]." + field + " is " +
                std::to_string(value) + ", there are " + std::to_string(count) + " " + things);
}

Refusal tooMany(const std::string& things, std::size_t count, std::size_t most) {
  return refuse(std::to_string(count) + " " + things + ", at most " + std::to_string(most) +
                " are believed");
}

}  // namespace

ResourceSet Topology::total() const {
  ResourceSet all;
  all.cpus = Amount::whole(static_cast<std::int64_t>(cores.size()));
  all.gpus = Amount::whole(static_cast<std::int64_t>(gpus.size()));
  for (const NumaDomain& domain : domains) all.memory += domain.memory;
  for (const Gpu& gpu : gpus) all.gpuMemory += gpu.memory;
  return all;
}

Result<bool> Topology::check() const {
  if (cores.empty()) return refuse("there is no core");
  if (cores.size() > kMaxCores) return tooMany("cores", cores.size(), kMaxCores);
  if (gpus.size() > kMaxGpus) return tooMany("gpus", gpus.size(), kMaxGpus);
  if (domains.size() > kMaxDomains) return tooMany("domains", domains.size(), kMaxDomains);
  if (nics.size() > kMaxNics) return tooMany("nics", nics.size(), kMaxNics);
  if (features.size() > kMaxFeatures) return tooMany("features", features.size(), kMaxFeatures);
  if (labels.size() > kMaxLabels) return tooMany("labels", labels.size(), kMaxLabels);

  Bytes memory = 0;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (domains[i].package >= packages) {
      return outOfRange("domains", i, "package", domains[i].package, packages, "packages");
    }
    if (domains[i].memory > kMaxMemory) {
      return refuse("domains[" + std::to_string(i) + "].memory is " +
                    showBytes(domains[i].memory) + ", more than " + showBytes(kMaxMemory));
    }
    memory += domains[i].memory;  // at most kMaxDomains * kMaxMemory, which is 2^60
  }
  if (memory > kMaxMemory) {
    return refuse("the domains' memory is " + showBytes(memory) + ", more than " +
                  showBytes(kMaxMemory));
  }
  for (std::size_t i = 0; i < cores.size(); ++i) {
    if (cores[i].domain >= domains.size()) {
      return outOfRange("cores", i, "domain", cores[i].domain, domains.size(), "domains");
    }
  }
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (gpus[i].domain >= domains.size()) {
      return outOfRange("gpus", i, "domain", gpus[i].domain, domains.size(), "domains");
    }
    if (gpus[i].memory > kMaxMemory) {
      return refuse("gpus[" + std::to_string(i) + "].memory is " + showBytes(gpus[i].memory) +
                    ", more than " + showBytes(kMaxMemory));
    }
  }
  for (std::size_t i = 0; i < nics.size(); ++i) {
    if (nics[i].domain >= domains.size()) {
      return outOfRange("nics", i, "domain", nics[i].domain, domains.size(), "domains");
    }
  }
  if (links.size() != gpus.size() * gpus.size()) {
    return refuse("links has " + std::to_string(links.size()) + " entries, " +
                  std::to_string(gpus.size()) + " gpus have " +
                  std::to_string(gpus.size() * gpus.size()));
  }
  return true;
}

}  // namespace alnilam
