// Nodes: how they join, report, fall silent and leave.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {

void Tables::join(NodeJoined input, std::vector<Output>& out) {
  auto refuse = [&](RefusalCode code, std::string why) {
    if (input.name.size() > kMaxName) input.name.resize(kMaxName);
    out.push_back(NodeRefused{std::move(input.name), input.incarnation, {code, std::move(why)}});
  };
  if (input.name.empty() || input.name.size() > kMaxName) {
    return refuse(RefusalCode::invalid, "a node's name is empty or too long");
  }
  if (!input.incarnation) return refuse(RefusalCode::invalid, "the incarnation is 0");
  if (auto checked = input.topology.check(); !checked) {
    return refuse(checked.error().code, checked.error().why);
  }
  if (auto checked = input.total.check(); !checked) {
    return refuse(checked.error().code, checked.error().why);
  }
  std::set<std::string> keys;
  for (const std::string& text : input.topology.labels) {
    auto label = parseLabel(text);
    if (!label) return refuse(RefusalCode::invalid, label.error().why);
    if (!keys.insert(label.value().first).second) {
      return refuse(RefusalCode::invalid, "it has two labels " + label.value().first);
    }
  }
  auto known = nodeNames.find(input.name);
  if (known == nodeNames.end()) {
    if (nodes.size() >= kMaxNodes) {
      return refuse(RefusalCode::overloaded,
                    "the head knows " + std::to_string(nodes.size()) + " nodes and takes no more");
    }
    Node& fresh = nodes.emplace_back();
    fresh.id = {static_cast<std::uint32_t>(nodes.size())};
    fresh.name = input.name;
    known = nodeNames.emplace(input.name, fresh.id.value).first;
  }
  Node& node = nodes[known->second - 1];
  if (input.incarnation <= node.incarnation) {
    bool isAlive = node.alive && input.incarnation == node.incarnation;
    return refuse(RefusalCode::staleIncarnation,
                  "incarnation " + std::to_string(input.incarnation.value) + " of " + node.name +
                      (isAlive ? " is here already" : " is over, a higher one may join"));
  }
  if (node.alive) lose(node, "a later incarnation joined", out);

  node.incarnation = input.incarnation;
  node.alive = true;
  node.lastHeard = now;
  node.topology = std::move(input.topology);
  node.offered = std::move(input.total);
  node.withdrawn.clear();
  node.shape = placement::NodeShape::of(node.topology, node.offered);
  node.pullRate = 0;
  node.failuresInARow = node.timesAside = 0;
  node.asideUntil = {};
  noteModel(node);
  node.free = node.offered;
  ++aliveNodes;
  ++shapesVersion;
  totalChanged = true;
  nextCheck = std::min(nextCheck, now + config.lostAfter);
  node.freed = true;
  noteChange(node);
  out.push_back(NodeAccepted{node.name, node.id, node.incarnation});
}

void Tables::heard(NodeHeard input, std::vector<Output>& out) {
  Node* node = find(input.node);
  bool isOver = !node || input.incarnation < node->incarnation ||
                (input.incarnation == node->incarnation && !node->alive);
  if (isOver || input.incarnation > node->incarnation) {
    stale += input.report.done.size();
    if (isOver) out.push_back(NodeFenced{input.node, input.incarnation});
    return;
  }
  node->lastHeard = now;
  if (input.report.withdrawn) withdrawn(*node, std::move(*input.report.withdrawn));
  for (const ObjectKept& copy : input.report.kept) kept(*node, copy);
  for (const CostReport& cost : input.report.costs) learn(*node, cost);
  if (input.report.pullRate != 0) node->pullRate = input.report.pullRate;
  // Failures last: whether a task lost an input depends on what else the node says.
  auto isFailure = [](const TaskDone& one) {
    return one.how == TaskDone::How::failed || one.how == TaskDone::How::returned;
  };
  bool anyFailed = false;
  for (TaskDone& one : input.report.done) {
    if (isFailure(one)) anyFailed = true;
    else done(*node, std::move(one), out);
  }
  for (ObjectId object : input.report.dropped) dropped(*node, object);
  if (!anyFailed) return;
  for (TaskDone& one : input.report.done) {
    if (isFailure(one)) done(*node, std::move(one), out);
  }
}

void Tables::left(const NodeLeft& input, std::vector<Output>& out) {
  Node* node = find(input.node);
  if (!node || !node->alive || node->incarnation != input.incarnation) return;
  lose(*node, input.why, out);
}

void Tables::tick(std::vector<Output>& out) {
  ring();
  if (now < nextCheck) return;
  nextCheck = Instant::max();
  for (Node& node : nodes) {
    if (!node.alive) continue;
    if (node.asideUntil > now) nextCheck = std::min(nextCheck, node.asideUntil);
    else if (node.asideUntil != Instant{}) endAside(node);
    Instant due = node.lastHeard + config.lostAfter;
    if (due <= now) lose(node, "it was silent for too long", out);
    else nextCheck = std::min(nextCheck, due);
  }
}

void Tables::lose(Node& node, const std::string& why, std::vector<Output>& out) {
  node.alive = false;
  --aliveNodes;
  totalChanged = true;
  auto lanes = std::move(node.lanes);
  node.lanes.clear();
  node.memoKey = ~std::uint64_t{0};
  node.jobsTold.clear();
  node.orders = {};
  node.load = node.live = node.ahead = node.chained = 0;
  node.free = {};
  out.push_back(NodeGone{node.id, why});

  // Objects before attempts, so that what is tried again knows which inputs are left.
  std::set<JobId> touched;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (!stored[i].object) continue;
    JobId job = stored[i].object.job();
    holderGone(stored[i], node.id);
    touched.insert(job);
  }
  for (auto& [key, lane] : lanes) {
    Job& job = *find(JobId{static_cast<std::uint32_t>(key >> 32)});
    const ResourceSet& needs = needsOf(key);
    for (std::uint64_t i = 0; i < lane.fitting; ++i) job.held.subtract(needs);
    for (std::uint64_t i = 0; i < lane.fitting + lane.ahead; ++i) uncommit(job, needs);
    touched.insert(job.id);
    std::uint32_t next = lane.first;
    while (next != 0) {  // newest first, each to the front of its queue: the oldest ends up first
      std::uint32_t index = next;
      Item& item = job.items.at(index);
      next = item.next;
      item.onBoard = false;
      if (Class& cls = job.classes[item.taskClass]; cls.choice) leaveVariant(node, cls, item);
      if (item.stage != Stage::assigned) {
        item.chained = false;
        dropIfUnneeded(job, index);
        continue;
      }
      if (std::exchange(item.chained, false)) {  // it never began
        giveBack(job, index, item);
        continue;
      }
      attemptFailed(node, job, index, item,
                    failureOf(FailureKind::nodeLost, job, index, item,
                              "node " + node.name + " was lost: " + why));
    }
  }
  for (JobId job : touched) settle(*find(job));
}

void Tables::kept(Node& node, const ObjectKept& copy) {
  Job* job = find(copy.object.job());
  if (!job) {
    ++ignored;
    return;
  }
  std::uint32_t index = copy.object.index();
  Item* item = job->items.find(index);
  bool isFree = job->items.isForgotten(index);
  if (item) {
    bool isNeeded = item->clientRef || item->uses > 0;
    isFree = item->stage == Stage::held || (item->stage == Stage::evicted && !isNeeded);
  }
  if (isFree) {  // nobody will ask the node for it, and nobody else would tell it so
    node.orders.release.push_back(copy.object);
    return owe(node);
  }
  if (!item) return;  // a value whose `Put` is still on its way; it will name its holders
  if (item->stage == Stage::stored) {
    StoredObject& object = stored[item->slot];
    auto at = std::lower_bound(object.holders.begin(), object.holders.end(), node.id);
    if (at == object.holders.end() || *at != node.id) object.holders.insert(at, node.id);
  } else if (item->stage == Stage::evicted) {
    item->slot = addStored({copy.object, copy.size, {node.id}});  // a copy nobody knew of
    setStage(*job, *item, Stage::stored);
  } else if (item->stage == Stage::assigned && item->node == node.id.value) {
    ++ignored;  // it is being made again right there, and a release could hit the new one
  } else {
    node.orders.release.push_back(copy.object);  // it is being made again elsewhere, or has failed
    owe(node);
  }
}

void Tables::dropped(Node& node, ObjectId object) {
  Job* job = find(object.job());
  Item* item = job ? job->items.find(object.index()) : nullptr;
  if (!item || item->stage != Stage::stored) {
    ++ignored;
    return;
  }
  holderGone(stored[item->slot], node.id);
  settle(*job);
}

}  // namespace alnilam::head
