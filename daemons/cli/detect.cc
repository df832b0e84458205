#include "daemons/cli/detect.h"

#include "daemons/process/process.h"
#include "gpu/device/device_host.h"
#include "gpu/discovery/discover.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

namespace alnilam::cli {
namespace {

const char* name(LinkClass kind) {
  return kind == LinkClass::nvlink ? "nvlink" : kind == LinkClass::pcie ? "pcie" : "host";
}

Json toJson(const Topology& topology, const std::string& driver) {
  Json all = {{"schemaVersion", 1},
              {"hostname", topology.hostname},
              {"source", topology.source},
              {"packages", topology.packages},
              {"driver", driver},
              {"total", show(topology.total())}};
  for (const NumaDomain& domain : topology.domains) {
    all["domains"].push_back(
        {{"osNode", domain.osNode}, {"package", domain.package}, {"memory", domain.memory}});
  }
  for (const Core& core : topology.cores) {
    all["cores"].push_back({{"osCpu", core.osCpu}, {"domain", core.domain}});
  }
  all["gpus"] = Json::array();
  for (const Gpu& gpu : topology.gpus) {
    all["gpus"].push_back({{"uuid", gpu.uuid},
                           {"model", gpu.label()},
                           {"emulated", gpu.emulated},
                           {"pciAddress", gpu.pciAddress},
                           {"memory", gpu.memory},
                           {"domain", gpu.domain},
                           {"multiprocessors", gpu.multiprocessors},
                           {"computeCapability", gpu.computeCapability}});
  }
  all["links"] = Json::array();
  for (std::size_t i = 0; i < topology.gpus.size(); ++i) {
    for (std::size_t j = 0; j < topology.gpus.size(); ++j) {
      const GpuLink& link = topology.links[i * topology.gpus.size() + j];
      if (i == j) continue;
      all["links"].push_back({{"from", i},
                              {"to", j},
                              {"class", name(link.kind)},
                              {"megabytesPerSecond", link.megabytesPerSecond}});
    }
  }
  return all;
}

}  // namespace

int detect(const DetectOptions& options) {
  std::optional<std::string> visible;
  if (const char* set = std::getenv("CUDA_VISIBLE_DEVICES")) visible = set;
  auto gpus = gpu::openGpus(
      {.emulate = options.emulateGpus, .visible = visible, .emulatorPath = options.emulator});
  if (!gpus) return complain(gpus.error().why, kUsage);
  const gpu::GpuHost& host = *gpus.value();
  gpu::Source source = gpu::Source::named(options.topology);
  // A described machine without emulated devices is shown as it is, though nothing can run on it.
  bool asDescribed = source.kind != gpu::Source::Kind::live && options.emulateGpus.empty();
  Result<Topology> topology =
      asDescribed ? gpu::picture(source) : gpu::discover(source, host.offered());
  if (!topology) return complain(topology.error().why, kUsage);

  std::string driver = host.title().empty() ? host.why() : host.title();
  if (options.format == Format::table) {
    std::printf("%s", gpu::describe(topology.value()).c_str());
    std::printf("driver: %s\noffers: %s\n", driver.c_str(), show(topology.value().total()).c_str());
  } else {
    std::printf("%s\n", toJson(topology.value(), driver)
                            .dump(options.format == Format::json ? 2 : -1)
                            .c_str());
  }
  return 0;
}

}  // namespace alnilam::cli
