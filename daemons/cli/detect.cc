#include "daemons/cli/detect.h"

#include "daemons/cli/portrait.h"
#include "daemons/process/process.h"
#include "gpu/device/device_host.h"
#include "gpu/discovery/discover.h"
#include "gpu/discovery/stand_in.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

namespace alnilam::cli {
namespace {

Json toJson(const Topology& topology, const std::string& driver) {
  Json all = {{"schemaVersion", 1}, {"driver", driver}, {"total", show(topology.total())}};
  all.update(portraitOf(topology, {}));
  return all;
}

}  // namespace

int detect(const DetectOptions& options) {
  std::optional<std::string> visible;
  if (const char* set = std::getenv("CUDA_VISIBLE_DEVICES")) visible = set;
  gpu::Source source = gpu::Source::named(options.topology);
  auto emulate = gpu::matchEmulation(options.emulateGpus, source);
  if (!emulate) return complain(emulate.error().why, kUsage);
  auto gpus = gpu::openGpus({.emulate = emulate.value(),
                             .visible = visible,
                             .emulatorPath = options.emulator,
                             .order = {}});
  if (!gpus) return complain(gpus.error().why, kUsage);
  const gpu::GpuHost& host = *gpus.value();
  // A described machine without emulated devices is shown as it is, though nothing can run on it.
  bool asDescribed = source.kind != gpu::Source::Kind::live && options.emulateGpus.empty();
  gpu::Survey survey = gpu::survey(host.driver(), host.why(), host.offered(), visible);
  Result<Topology> topology =
      asDescribed ? gpu::picture(source) : gpu::discover(source, survey);
  if (!topology) return complain(topology.error().why, kUsage);

  std::string driver = host.title().empty() ? host.why() : host.title();
  if (options.format == Format::table || options.format == Format::wide) {
    std::printf("%s", gpu::describe(topology.value()).c_str());
    if (asDescribed) std::printf("  driver: %s\n", driver.c_str());
    std::printf("offers: %s\n", show(topology.value().total()).c_str());
  } else {
    std::printf("%s\n", toJson(topology.value(), driver)
                            .dump(options.format == Format::json ? 2 : -1)
                            .c_str());
  }
  return 0;
}

}  // namespace alnilam::cli
