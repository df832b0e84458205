#include "daemons/node/node_options.h"

#include "core/graph/label_rule.h"
#include "gpu/discovery/discover.h"
#include "gpu/discovery/stand_in.h"

#include <charconv>
#include <map>
#include <utility>

namespace alnilam {
namespace {

struct Share {
  std::size_t number = 0, of = 1;

  // [first, last) of `count` things.
  std::size_t first(std::size_t count) const { return count * number / of; }
  std::size_t last(std::size_t count) const { return count * (number + 1) / of; }
};

Result<Share> parseShare(const std::string& text) {
  Share share;
  if (text.empty()) return share;
  const char* end = text.data() + text.size();
  auto [slash, error] = std::from_chars(text.data(), end, share.number);
  bool good = error == std::errc() && slash != end && *slash == '/';
  if (good) {
    auto [rest, second] = std::from_chars(slash + 1, end, share.of);
    good = second == std::errc() && rest == end && share.number < share.of && share.of <= 1000;
  }
  if (!good) {
    return Refusal{RefusalCode::invalid,
                   "--share=" + text + " is not K/N with K from 0 to N-1 and N at most 1000"};
  }
  return share;
}

// As CUDA_VISIBLE_DEVICES names them.
std::string uuidsOf(const std::vector<gpu::OfferedGpu>& devices) {
  std::string text;
  for (const gpu::OfferedGpu& device : devices) {
    text += (text.empty() ? "" : ",") + device.gpu.uuid;
  }
  return text;
}

}  // namespace

Result<Topology> shareOf(Topology topology, const std::string& text) {
  Result<Share> parsed = parseShare(text);
  if (!parsed) return parsed.error();
  Share share = parsed.value();
  if (topology.cores.size() >= share.of) {
    auto begin = topology.cores.begin();
    std::size_t count = topology.cores.size();
    topology.cores.assign(begin + static_cast<std::ptrdiff_t>(share.first(count)),
                          begin + static_cast<std::ptrdiff_t>(share.last(count)));
  }
  for (NumaDomain& domain : topology.domains) domain.memory /= share.of;
  return topology;
}

Result<std::vector<gpu::OfferedGpu>> shareOf(const std::vector<gpu::OfferedGpu>& devices,
                                             const std::string& text) {
  Result<Share> share = parseShare(text);
  if (!share) return share.error();
  auto begin = devices.begin();
  std::size_t count = devices.size();
  return std::vector<gpu::OfferedGpu>(
      begin + static_cast<std::ptrdiff_t>(share.value().first(count)),
      begin + static_cast<std::ptrdiff_t>(share.value().last(count)));
}

// Sorted.  Refuses what is no label, and two for one key.
static Result<std::vector<std::string>> labelsOf(const std::vector<std::string>& given) {
  std::map<std::string, std::string> byKey;
  for (const std::string& text : given) {
    auto label = parseLabel(text);
    if (!label) return Refusal{RefusalCode::invalid, "--label: " + label.error().why};
    auto [at, isNew] = byKey.emplace(label.value());
    if (!isNew && at->second != label.value().second) {
      return Refusal{RefusalCode::invalid, "--label: " + at->first + " is given as " + at->second +
                                               " and as " + label.value().second};
    }
  }
  if (byKey.size() > Topology::kMaxLabels) {
    return Refusal{RefusalCode::invalid, "--label: " + std::to_string(byKey.size()) +
                                             " are given, a node has at most " +
                                             std::to_string(Topology::kMaxLabels)};
  }
  std::vector<std::string> labels;
  for (const auto& [key, value] : byKey) labels.push_back(key + "=" + value);
  return labels;
}

Result<Machine> describeMachine(const NodeOptions& options) {
  gpu::Source source = gpu::Source::named(options.topology);
  Result<std::string> emulate = gpu::matchEmulation(options.emulateGpus, source);
  if (!emulate) return emulate.error();
  auto gpus = gpu::openGpus({.emulate = emulate.value(),
                             .visible = options.visibleDevices,
                             .emulatorPath = options.emulator,
                             .order = {}});
  if (!gpus) return gpus.error();
  const gpu::GpuHost& host = *gpus.value();
  Machine machine;
  machine.emulateGpus = emulate.value();
  machine.visibleDevices = options.visibleDevices;
  machine.gpuTitle = host.title().empty() ? host.why() : host.title();
  std::vector<gpu::OfferedGpu> devices = host.offered();
  if (!options.share.empty() && options.emulateGpus.empty() && !devices.empty()) {
    Result<std::vector<gpu::OfferedGpu>> ours = shareOf(devices, options.share);
    if (!ours) return ours.error();
    devices = std::move(ours).value();
    machine.visibleDevices = uuidsOf(devices);
  }

  gpu::Survey survey =
      gpu::survey(host.driver(), host.why(), std::move(devices), machine.visibleDevices);
  machine.notOffered = survey.notOffered;
  Result<Topology> whole = gpu::discover(source, survey);
  if (!whole) return whole.error();
  Result<Topology> part = shareOf(std::move(whole).value(), options.share);
  if (!part) return part.error();
  machine.topology = std::move(part).value();
  Result<std::vector<std::string>> labels = labelsOf(options.labels);
  if (!labels) return labels.error();
  machine.topology.labels = std::move(labels).value();
  machine.offered = machine.topology.total();

  machine.storeBytes = machine.offered.memory / 4;
  if (!options.store.empty()) {
    Result<Bytes> store = parseBytes(options.store);
    if (!store) return store.error();
    machine.storeBytes = store.value();
  }
  if (machine.storeBytes == 0 || machine.storeBytes >= machine.offered.memory) {
    return Refusal{RefusalCode::invalid,
                   "--store=" + options.store + " is not more than 0 and less than the " +
                       showBytes(machine.offered.memory) + " of memory that the node has"};
  }
  machine.offered.memory -= machine.storeBytes;
  return machine;
}

}  // namespace alnilam
