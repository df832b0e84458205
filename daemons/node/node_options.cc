#include "daemons/node/node_options.h"

#include "gpu/discovery/discover.h"

#include <charconv>

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

// The devices of a node that has a share of a machine's real ones, as CUDA_VISIBLE_DEVICES.
std::string visibleShare(const std::vector<gpu::OfferedGpu>& offered, const Share& share) {
  std::string text;
  for (std::size_t i = share.first(offered.size()); i < share.last(offered.size()); ++i) {
    text += (text.empty() ? "" : ",") + offered[i].gpu.uuid;
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

Result<Machine> describeMachine(const NodeOptions& options) {
  Result<Share> share = parseShare(options.share);
  if (!share) return share.error();
  gpu::OpenOptions open{options.emulateGpus, options.visibleDevices, options.emulator};
  auto gpus = gpu::openGpus(open);
  if (!gpus) return gpus.error();
  Machine machine;
  machine.visibleDevices = options.visibleDevices;
  if (share.value().of > 1 && options.emulateGpus.empty() && !gpus.value()->offered().empty()) {
    machine.visibleDevices = open.visible = visibleShare(gpus.value()->offered(), share.value());
    gpus = gpu::openGpus(open);
    if (!gpus) return gpus.error();
  }
  machine.gpuTitle =
      gpus.value()->title().empty() ? gpus.value()->why() : gpus.value()->title();

  Result<Topology> whole =
      gpu::discover(gpu::Source::named(options.topology), gpus.value()->offered());
  if (!whole) return whole.error();
  Result<Topology> part = shareOf(std::move(whole).value(), options.share);
  if (!part) return part.error();
  machine.topology = std::move(part).value();
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
