#include "daemons/program/connect.h"

#include "core/engine/local_cluster.h"
#include "daemons/program/cluster_link.h"
#include "daemons/program/executor.h"
#include "daemons/program/settings.h"
#include "gpu/device/device_host.h"
#include "gpu/discovery/discover.h"
#include "gpu/discovery/stand_in.h"

#include <filesystem>
#include <memory>
#include <unistd.h>

namespace alnilam {
namespace {

// `node`: whose devices, as it counts them; null: all there are.
std::unique_ptr<gpu::GpuHost> openGpus(const Settings& settings, const Topology* node) {
  auto emulate =
      gpu::matchEmulation(settings.emulateGpus, gpu::Source::named(settings.topology));
  if (!emulate) throwRefusal(emulate.error());
  gpu::OpenOptions options{.emulate = emulate.value(),
                           .visible = settings.visibleDevices,
                           .emulatorPath = settings.emulator,
                           .order = {}};
  if (node) {
    options.order.emplace();
    for (const Gpu& gpu : node->gpus) options.order->push_back(gpu.uuid);
  }
  auto gpus = gpu::openGpus(options);
  if (!gpus) throwRefusal(gpus.error());
  return std::move(gpus).value();
}

JobShare shareOf(const JobOptions& job, const Settings& settings) {
  JobShare share = jobShare(job);
  if (!settings.jobWeight.empty()) {
    Result<std::uint32_t> weight = parseWeight(settings.jobWeight);
    if (!weight) throw InvalidError("ALNILAM_JOB_WEIGHT: " + weight.error().why);
    share.weight = weight.value();
  }
  if (!settings.jobQuota.empty()) {
    Result<Quota> quota = Quota::parse(settings.jobQuota);
    if (!quota) throw InvalidError("ALNILAM_JOB_QUOTA: " + quota.error().why);
    share.quota = std::move(quota).value();
  }
  return share;
}

// The embedded engine with the devices it runs on, in the order in which they must be made.
struct Embedded {
  Embedded(const Settings& settings, JobShare share)
      : gpus(openGpus(settings, nullptr)), engine(configure(settings, *gpus, std::move(share))) {}

  static LocalCluster::Config configure(const Settings& settings, gpu::GpuHost& gpus,
                                        JobShare share) {
    gpu::Source source = gpu::Source::named(settings.topology);
    Result<Topology> topology = gpu::discover(
        source,
        gpu::survey(gpus.driver(), gpus.why(), gpus.offered(), settings.visibleDevices));
    if (!topology) throwRefusal(topology.error());
    return {.topology = std::move(topology).value(),
            .devices = &gpus,
            .bindThreads = source.kind == gpu::Source::Kind::live,
            .share = std::move(share)};
  }

  std::unique_ptr<gpu::GpuHost> gpus;
  LocalCluster engine;
};

Cluster embedded(const Settings& settings, JobShare share) {
  auto wiring = std::make_shared<Embedded>(settings, std::move(share));
  Backend& backend = wiring->engine.backend();
  // Owned by the Cluster's copies and by its Refs.
  return Cluster(std::shared_ptr<Backend>(std::move(wiring), &backend));
}

}  // namespace

Cluster connect(int argc, char** argv, const JobOptions& job) {
  Settings settings = Settings::from(environ);
  if (settings.executorFd) {
    serveTasks(*settings.executorFd, [settings](const Topology& node) {
      return std::unique_ptr<DeviceHost>(openGpus(settings, &node));
    });
  }
  JobShare share = shareOf(job, settings);
  if (settings.head.empty()) return embedded(settings, std::move(share));

  ClusterLink::Options options;
  options.head = settings.head;
  options.secretFile = settings.secretFile;
  options.share = std::move(share);
  options.program = "/proc/self/exe";
  options.name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "program";
  for (int i = 1; i < argc; ++i) options.arguments.emplace_back(argv[i]);
  Result<std::shared_ptr<ClusterLink>> link = ClusterLink::connect(std::move(options));
  if (!link) throwRefusal(link.error());
  Backend& backend = link.value()->backend();
  return Cluster(std::shared_ptr<Backend>(std::move(link).value(), &backend));
}

}  // namespace alnilam
