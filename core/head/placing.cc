// Which nodes a class may use, and which of those that have room it likes best.
//
// Rules about labels cost nothing where they are broken: a lane on such a node has no capacity
// (`measure`).  Policies divide a batch among rooms (core/placement/spread.h).
//
// Affinity is consistent hashing with bounded load: nodes are ranked by a hash of the key and their
// names (rendezvous), so a key keeps its favourites when others come and go; a node takes tasks of
// the key until it has more than its own fill and a quarter more than the mean.  Source: Thaler and
// Ravishankar 1998; Mirrokni, Thorup and Zadimoghaddam 2018.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {
namespace {

// FNV-1a, and a last mix so that alike names differ in all bits.
std::uint64_t hashOf(std::string_view key, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (char c : key) add(static_cast<unsigned char>(c));
  add(0);
  for (char c : name) add(static_cast<unsigned char>(c));
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

std::string percent(std::uint64_t load) {
  return std::to_string(load * 100 / placement::kFullLoad) + "%";
}

}  // namespace

std::optional<std::string_view> Tables::labelOf(const Node& node, std::string_view key) {
  if (key == kNodeKey) return node.name;
  if (key != kModelKey) return valueIn(node.topology.labels, key);
  if (node.topology.gpus.empty()) return std::nullopt;
  return node.topology.gpus.front().model;
}

const LabelRule* Tables::brokenRule(const Node& node, const Class& cls) {
  for (const LabelRule& rule : cls.definition.placing.rules) {
    if (!rule.holds(labelOf(node, rule.key))) return &rule;
  }
  return nullptr;
}

bool Tables::couldRun(const Node& node, const Class& cls, std::size_t way) {
  return placement::capacity(node.shape, cls.definition.needsOf(way)) > 0 &&
         brokenRule(node, cls) == nullptr;
}

std::string Tables::lackOfLabels(const Class& cls) const {
  constexpr std::size_t kShown = 8;
  const LabelRule* broken = nullptr;
  std::vector<std::string> values;  // that nodes have which could run it otherwise
  for (const Node& node : nodes) {
    bool fits = false;
    for (std::size_t way = 0; way < cls.definition.ways(); ++way) {
      fits = fits || placement::capacity(node.shape, cls.definition.needsOf(way)) > 0;
    }
    const LabelRule* rule = fits ? brokenRule(node, cls) : nullptr;
    if (!rule) continue;
    if (!broken) broken = rule;
    if (rule->key != broken->key) continue;
    auto value = labelOf(node, rule->key);
    std::string shown = value ? rule->key + "=" + std::string(*value) : "none";
    bool isKnown = std::find(values.begin(), values.end(), shown) != values.end();
    if (!isKnown && values.size() <= kShown) values.push_back(std::move(shown));
  }
  if (!broken) return {};
  std::string text = cls.definition.function + " asks for " + show(*broken) +
                     ", and of the nodes that could run it none is such; there are ";
  for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i) {
    text += (i ? ", " : "") + values[i];
  }
  return text + (values.size() > kShown ? ", ..." : "");
}

bool Tables::isKeptApart(const Node& node, const Class& cls) const {
  const std::string& key = cls.definition.placing.apart;
  if (key.empty()) return false;
  for (ClassIndex index : cls.owner->apart.at(key)) {
    const Class& other = cls.owner->classes[index];
    for (std::size_t way = 0; way < other.definition.ways(); ++way) {
      auto lane = node.lanes.find(laneKey(cls.job, index, way));
      if (lane == node.lanes.end()) continue;
      if (lane->second.fitting + lane->second.ahead + lane->second.chained > 0) return true;
    }
  }
  return false;
}

PlacementPolicy Tables::policyOf(const Class& cls) const {
  PlacementPolicy own = cls.definition.placing.policy;
  return own == PlacementPolicy::standard ? config.policy : own;
}

const std::vector<std::uint32_t>& Tables::rankingOf(Class& cls) {
  if (cls.ranking.size() == nodes.size()) return cls.ranking;  // names stay as they are
  std::vector<std::pair<std::uint64_t, std::uint32_t>> scores;
  for (const Node& node : nodes) {
    scores.emplace_back(hashOf(cls.definition.placing.affinity, node.name), node.id.value);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  cls.ranking.clear();
  for (const auto& [hash, node] : scores) cls.ranking.push_back(node);
  return cls.ranking;
}

void Tables::divide(Class& cls, Sent how, std::uint64_t tasks) {
  switch (policyOf(cls)) {
    case PlacementPolicy::pack:
      if (how == Sent::fitting) return placement::pack(tasks, rooms, chunks);
      break;
    case PlacementPolicy::affinity: {
      std::uint64_t load = 0, count = 0;
      for (Node& node : nodes) {
        if (!isUsable(node) || laneOf(node, cls).capacity == 0) continue;
        load += node.load;
        ++count;
      }
      if (count == 0) return;
      std::vector<std::uint32_t> order;
      for (std::uint32_t node : rankingOf(cls)) {
        if (roomOf[node] != 0) order.push_back(roomOf[node] - 1);
      }
      std::uint64_t bound = std::max(placement::kFullLoad, load / count / 4 * 5);
      return placement::fillInOrder(tasks, order, bound, rooms, chunks);
    }
    default: break;
  }
  placement::spread(tasks, rooms, chunks);
}

bool Tables::waitNearData(Job& job, Class& cls, std::uint32_t index) {
  countBytes(job, job.items.at(index));
  const ResourceSet& needs = cls.definition.needs;
  Node* best = nullptr;
  for (std::uint32_t id : nearNodes) {
    Node& node = nodes[id - 1];
    if (!isUsable(node) || isKeptApart(node, cls)) continue;
    Lane& lane = laneOf(node, cls);
    std::uint64_t most = std::max<std::uint64_t>(
        placement::mayQueue(cls.runTime, lane.fitting, config.prefetchHorizon, config.maxPrefetch),
        1);
    if (lane.capacity == 0 || lane.ahead >= most || isReserved(node, cls, needs)) continue;
    if (!blockedClasses.empty() && mustDrain(node, cls, needs)) continue;
    bool isBetter = !best || bytesOn[id] > bytesOn[best->id.value] ||
                    (bytesOn[id] == bytesOn[best->id.value] && node.load < best->load);
    if (isBetter) best = &node;
  }
  for (std::uint32_t id : nearNodes) bytesOn[id] = 0;
  if (!best) return false;
  assign(*best, laneOf(*best, cls), job, cls, index, Sent::ahead);
  return true;
}

std::string Tables::termsOf(const Node& node, const Class& cls, const Item& item) const {
  std::string text = "load " + percent(node.load);
  Bytes here = 0;
  for (ObjectId input : item.inputs) {
    const Item& one = cls.owner->items.at(input.index());
    if (holds(one, node.id)) here += stored[one.slot].size;
  }
  if (here > 0) text += ", " + showBytes(here) + " of its inputs";
  auto rank = std::find(cls.ranking.begin(), cls.ranking.end(), node.id.value);
  if (rank != cls.ranking.end()) {
    text += ", number " + std::to_string(rank - cls.ranking.begin() + 1) + " for its key";
  }
  return text;
}

}  // namespace alnilam::head
