// Chains: a task is sent to the node where its inputs are being made, before they are, so that the
// node starts it without asking.  So whole chains go out at once, link after link.
//
// The rule.  A waiting task whose unmade inputs are all being made by live attempts on one node is
// sent there as well if
//
//   it has a place:  the first such task behind a maker is its heir and takes the maker's place
//       when that ends, if its needs are covered by the maker's; it adds nothing to the node and
//       could not have started sooner elsewhere.  An heir with other needs, and whoever is not the
//       first, must find room as a ready task would: for what is queued there (by the time its
//       class takes, see placement/prefetch.h), an heir also if what it needs is free right now.
//   not too far:     the heir of an attempt that could run may always wait behind it; further links
//       only as far as makes up the prefetch horizon.  What does not go now is stalled at the
//       lane, and goes when links before it have become runnable.
//   nobody waits:    no task that comes earlier by priority and age is blocked for want of what
//       this one would take there (as for tasks sent ahead): a long chain must not keep a node for
//       ever.
//   nothing heavy:   not more than kMostMoved of its other inputs lie elsewhere; where the task
//       should go is then better decided when all their sizes are known.
//
// It is not done when the makers are on several nodes, when one of them is not on a node yet (then
// it is looked at again when that is sent), when the node could never run it, after it was given
// back kMaxReturns times, or when it has variants: which of them is best where depends on the sizes
// of its inputs.  Such a task becomes ready in the ordinary way when its last input is
// made.  One with a delay is not chained either.
//
// If a maker's attempt ends without a result the node gives the links behind it back, unbegun and
// uncharged; whether they wait for another attempt or fail with their maker is decided here, by
// the same rules as for any waiting task.

#include "core/head/tables.h"

#include <algorithm>
#include <tuple>

namespace alnilam::head {

void Tables::sendChains() {
  do {
    for (std::size_t i = 0; i < mayFollow.size(); ++i) {
      Job* job = find(mayFollow[i].job());
      if (job) tryToChain(*job, mayFollow[i].index());
    }
    mayFollow.clear();
    for (auto [nodeId, key] : std::exchange(openedLanes, {})) retryStalled(*find(nodeId), key);
  } while (!mayFollow.empty());
}

void Tables::retryStalled(Node& node, std::uint64_t key) {
  auto at = node.lanes.find(key);
  if (at == node.lanes.end()) return;  // the job or that life of the node is over
  Lane& lane = at->second;
  lane.opened = false;
  Job& job = *find(JobId{static_cast<std::uint32_t>(key >> 32)});
  std::vector<std::uint32_t> stalled = std::exchange(lane.stalled, {});
  std::size_t i = 0;
  // Whoever finds no room is at the end of lane.stalled again.
  while (i < stalled.size() && lane.stalled.empty()) tryToChain(job, stalled[i++]);
  lane.stalled.insert(lane.stalled.end(), stalled.begin() + static_cast<std::ptrdiff_t>(i),
                      stalled.end());
}

bool Tables::callFollowers(const Job& job, const Item& maker) {
  bool any = false;
  std::size_t looked = 0;
  job.edges.each(maker.lastEdge, [&](const Edge& edge) {
    const Item* item = job.items.find(edge.task);
    if (item && item->stage == Stage::waiting && item->inputs.size() <= kMaxLinkInputs) {
      mayFollow.push_back(ObjectId::make(job.id, edge.task));
      any = true;
    }
    return ++looked < kMostFollowers;
  });
  return any;
}

// The node on which all that the task waits for is being made, or null.
Node* Tables::nodeOfMakers(const Job& job, const Item& item) {
  Node* node = nullptr;
  for (ObjectId input : item.inputs) {
    const Item& one = job.items.at(input.index());
    if (one.stage == Stage::held || one.stage == Stage::stored) continue;
    if (one.stage != Stage::assigned) return nullptr;  // or lost since it was there
    if (node && node->id.value != one.node) return nullptr;
    node = &nodes[one.node - 1];
  }
  if (!node) return nullptr;
  Bytes moved = 0;
  for (ObjectId input : item.inputs) {
    const Item& one = job.items.at(input.index());
    if (one.stage == Stage::stored && !holds(one, node->id)) moved += stored[one.slot].size;
  }
  return moved <= kMostMoved ? node : nullptr;
}

void Tables::tryToChain(Job& job, std::uint32_t index) {
  Item* item = job.items.find(index);
  if (!item || item->stage != Stage::waiting) return;
  if (item->inputs.size() > kMaxLinkInputs || item->returns >= kMaxReturns) return;
  Node* node = nodeOfMakers(job, *item);
  Class& cls = job.classes[item->taskClass];
  if (!node || !isUsable(*node) || cls.choice || refusalOf(cls)) return;
  if (cls.definition.delay > Duration{}) return;
  if (policyOf(cls) == PlacementPolicy::affinity || !cls.definition.placing.apart.empty()) return;
  Lane& lane = laneOf(*node, cls);
  const ResourceSet& needs = cls.definition.needs;
  if (lane.capacity == 0 || wouldOvertake(*node, cls, *item)) return;

  // Of the makers without an heir the one whose place serves best.
  Item* maker = nullptr;
  int rank = 0;  // 3: it could run, and its place is large enough; 2: it is a link itself
  for (ObjectId input : item->inputs) {
    Item& one = job.items.at(input.index());
    if (one.stage != Stage::assigned || one.inherited) continue;
    bool covers = job.classes[one.taskClass].definition.needsOf(one.variant).covers(needs);
    int its = !covers ? 1 : one.chained ? 2 : 3;
    if (its > rank) std::tie(rank, maker) = std::pair(its, &one);
  }

  std::uint64_t queued = lane.ahead + lane.chained;
  bool isRoom = placement::mayQueue(cls.runTime, lane.fitting, config.prefetchHorizon,
                                    config.maxPrefetch) > queued;
  std::uint64_t fits = lane.capacity - std::min(lane.capacity, lane.fitting);
  if (rank == 1) isRoom = isRoom || node->free.timesCovers(needs, fits) > queued;
  if (rank == 2) {
    isRoom = lane.chained < placement::mayFollow(cls.runTime, lane.fitting, config.prefetchHorizon);
  }
  if (rank == 3) isRoom = true;
  // A heir takes a place that its job has; any other would hold more than that.
  if (rank < 2 && job.hasQuota) isRoom = false;
  if (node->chained >= kMostChained || lane.chained >= kMostInLane) isRoom = false;
  if (!isRoom) {
    if (rank >= 2) lane.stalled.push_back(index);
    return;
  }
  if (maker) maker->inherited = true;
  assign(*node, lane, job, cls, index, Sent::chained);
}

bool Tables::wouldOvertake(const Node& node, const Class& cls, const Item& item) const {
  return std::any_of(blockedClasses.begin(), blockedClasses.end(), [&](const Class* blocked) {
    if (blocked->readyCount == 0) return false;
    const Job& job = *blocked->owner;
    bool isYounger = blocked->owner == cls.owner && priorityOf(*blocked) == priorityOf(cls) &&
                     job.items.at(firstReady(job, *blocked)).age >= item.age;
    return !isYounger && contends(node.free, blocked->likelyNeeds(), cls.definition.needs) &&
           couldRun(node, *blocked) && precedes(*blocked, cls);
  });
}

void Tables::unchain(Job& job, Item& item) {
  Node& node = nodes[item.node - 1];
  const Class& cls = job.classes[item.taskClass];
  Lane& lane = laneOf(node, cls);
  const ResourceSet& needs = cls.definition.needs;
  item.chained = false;
  --lane.chained;
  --node.chained;
  // Its maker's place is free now, unless somebody was waiting for that.
  if (node.ahead == 0 && lane.fitting < lane.capacity && node.free.covers(needs)) {
    ++lane.fitting;
    hold(node, job, needs);
  } else {
    ++lane.ahead;
    ++node.ahead;
    node.freed = true;  // what it needs may have been free all the time
  }
  commit(job, needs);
  node.load += lane.cost;
  noteChange(node);
  roomForLinks(node, cls, lane);
  if (item.lastEdge != 0) callFollowers(job, item);
}

void Tables::roomForLinks(Node& node, const Class& cls, Lane& lane) {
  if (lane.stalled.empty() || std::exchange(lane.opened, true)) return;
  openedLanes.emplace_back(node.id, laneKey(cls.job, cls.index));
}

void Tables::giveBack(Job& job, std::uint32_t index, Item& item) {
  // That it was asked for says nothing about chains.
  if (!std::exchange(item.askedBack, false) && item.returns < kMaxReturns) ++item.returns;
  if (Class& cls = job.classes[item.taskClass]; isOverdue(cls, index)) {
    return failOverdue(cls, index);
  }
  if (checkInputs(job, index, item)) enqueue(job, index, true);
}

}  // namespace alnilam::head
