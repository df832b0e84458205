#include "daemons/sim/replay.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace alnilam::sim {
namespace {

using placement::NodeIndex;
using placement::Request;
using placement::WeighedClass;

constexpr std::int64_t kPartsPerMilli = Amount::kPerUnit / 1000;

std::uint32_t constraintOf(NodeIndex& nodes, const std::string& models) {
  if (models.empty()) return 0;
  LabelRule rule{std::string(kModelKey), {}, false};
  for (std::size_t begin = 0; begin <= models.size();) {
    std::size_t end = std::min(models.find('|', begin), models.size());
    rule.values.push_back(models.substr(begin, end - begin));
    begin = end + 1;
  }
  return nodes.addConstraint(std::span(&rule, 1));
}

Request requestOf(NodeIndex& nodes, const TracePod& pod) {
  Request request;
  request.cpu = pod.cpuMilli * kPartsPerMilli;
  request.memory = static_cast<Bytes>(pod.memoryMib) * 1_MiB;
  request.devices = pod.gpus;
  request.share = static_cast<std::int32_t>(pod.gpuMilli * kPartsPerMilli);
  request.constraint = constraintOf(nodes, pod.models);
  return request;
}

// The classes (cpu, share, devices, models) of the most frequent 95% of the pods; among equally
// frequent ones the larger first, which is where the published list is cut.
std::vector<WeighedClass> typicalClasses(NodeIndex& nodes, const std::vector<TracePod>& pods) {
  using Key = std::tuple<std::int64_t, std::int64_t, std::uint32_t, std::string>;
  std::map<Key, std::uint64_t> counts;
  for (const TracePod& pod : pods) ++counts[{pod.cpuMilli, pod.gpuMilli, pod.gpus, pod.models}];
  std::vector<std::pair<std::uint64_t, Key>> order;
  for (const auto& [key, count] : counts) order.emplace_back(count, key);
  std::sort(order.rbegin(), order.rend());
  std::vector<WeighedClass> classes;
  std::uint64_t sum = 0;
  for (const auto& [count, key] : order) {
    if (sum * 20 >= pods.size() * 19) break;
    sum += count;
    TracePod like;
    std::tie(like.cpuMilli, like.gpuMilli, like.gpus, like.models) = key;
    classes.push_back({requestOf(nodes, like), count});
  }
  return classes;
}

// The published curves have one point a percent of arrived request, the mean over the pods at which
// it rounds to that percent; so are the two readings taken.
class Reading {
 public:
  Reading(std::int64_t atPercent, std::int64_t ofTotal) : percent_(atPercent), total_(ofTotal) {}

  bool covers(std::int64_t arrived) const {
    return total_ > 0 && (200 * arrived + total_) / (2 * total_) == percent_;
  }
  void read(double allocated, double fragmented) {
    ++count_;
    allocation_ += allocated;
    fragmentation_ += fragmented;
  }
  bool any() const { return count_ > 0; }
  double allocation() const { return allocation_ / count_; }
  double fragmentation() const { return fragmentation_ / count_; }

 private:
  std::int64_t percent_, total_;
  double allocation_ = 0, fragmentation_ = 0, count_ = 0;
};

}  // namespace

ReplayResult replay(const std::vector<TraceNode>& nodes, const std::vector<TracePod>& pods,
                    const Arrivals& arrivals, const placement::Policy& policy,
                    const Clock& clock) {
  NodeIndex index;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const TraceNode& node = nodes[i];
    placement::NodeKind kind{node.cpuMilli * kPartsPerMilli,
                             static_cast<Bytes>(node.memoryMib) * 1_MiB,
                             std::vector<Bytes>(node.gpus, 0), node.gpus > 0 ? node.model : "", {}};
    index.add(index.addKind(kind), arrivals.ranks[i]);
    total += std::int64_t{node.gpus} * placement::kWhole;
  }
  std::vector<Request> requests;
  requests.reserve(pods.size());
  for (const TracePod& pod : pods) requests.push_back(requestOf(index, pod));
  std::vector<WeighedClass> typical = typicalClasses(index, pods);
  const placement::Fragmentation measure(index, typical);
  placement::Placer placer(index, policy, arrivals.seed);
  if (policy.name == "fgd") placer.know(typical);

  ReplayResult result;
  result.seed = arrivals.seed;
  result.policy = policy.name;
  auto percent = [total](double parts) {
    return total > 0 ? 100 * parts / static_cast<double>(total) : 0;
  };
  auto fragmentation = [&]() {
    double sum = 0;
    for (NodeIndex::Group group = 0; group < index.groupSlots(); ++group) {
      if (index.rowsOf(group).empty()) continue;
      sum += static_cast<double>(measure.of(index.state(group))) *
             static_cast<double>(index.rowsOf(group).size());
    }
    return percent(sum / static_cast<double>(measure.total()));
  };
  std::int64_t arrived = 0, used = 0;
  Reading at100{100, total}, at130{130, total};
  double since = clock();
  for (std::uint32_t pod : arrivals.pods) {
    const Request& request = requests[pod];
    arrived += request.deviceParts();
    placer.observe(request);
    if (placer.place(request)) used += request.deviceParts();
    else ++result.failed;
    double allocated = percent(static_cast<double>(used));
    if (at100.covers(arrived)) {
      result.seconds += clock() - since;
      at100.read(allocated, fragmentation());
      since = clock();
    }
    if (at130.covers(arrived)) at130.read(allocated, 0);
  }
  result.seconds += clock() - since;
  result.pods = arrivals.pods.size();
  double atEnd = percent(static_cast<double>(used));
  result.allocation100 = at100.any() ? at100.allocation() : atEnd;
  result.fragmentation100 = at100.any() ? at100.fragmentation() : fragmentation();
  result.allocation130 = at130.any() ? at130.allocation() : atEnd;
  return result;
}

}  // namespace alnilam::sim
