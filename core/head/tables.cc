#include "core/head/tables.h"

namespace alnilam::head {

Job* Tables::find(JobId id) {
  std::uint32_t number = id.value & kMaxJobNumber;
  if (id.value >> 24 != config.cell || number == 0 || number > jobs.size()) return nullptr;
  return jobs[number - 1].get();
}

const Job* Tables::find(JobId id) const { return const_cast<Tables*>(this)->find(id); }

Node* Tables::find(NodeId id) {
  if (id.value == 0 || id.value > nodes.size()) return nullptr;
  return &nodes[id.value - 1];
}

const Class& Tables::classOf(std::uint64_t key) const {
  return find(JobId{static_cast<std::uint32_t>(key >> 32)})->classes[key & 0xffffff];
}

const ResourceSet& Tables::needsOf(std::uint64_t key) const {
  return classOf(key).definition.needsOf(key >> 24 & 0xff);
}

Lane& Tables::laneOf(Node& node, const Class& cls, std::size_t variant) {
  std::uint64_t key = laneKey(cls.job, cls.index, variant);
  if (node.memoKey == key) return *node.memoLane;
  auto [at, isNew] = node.lanes.try_emplace(key);
  Lane& lane = at->second;
  if (isNew) measure(node, lane, cls, variant);
  node.memoKey = key;
  node.memoLane = &lane;
  return lane;
}

void Tables::measure(const Node& node, Lane& lane, const Class& cls, std::size_t variant) {
  bool isAllowed = brokenRule(node, cls) == nullptr;
  lane.capacity =
      isAllowed ? placement::capacity(node.shape, cls.definition.needsOf(variant)) : 0;
  lane.cost = placement::kFullLoad / std::max<std::uint64_t>(lane.capacity, 1);
}

void Tables::setStage(Job& job, Item& item, Stage stage) {
  auto count = [&](Stage one, std::uint64_t step) {
    switch (one) {
      case Stage::waiting:
      case Stage::delayed: job.waiting += step; break;
      case Stage::ready: job.ready += step; break;
      case Stage::assigned: job.assigned += step; break;
      default: break;
    }
  };
  count(item.stage, ~std::uint64_t{0});
  count(stage, 1);
  item.stage = stage;
}

void Tables::owe(Node& node) {
  if (!node.owing) owingNodes.push_back(node.id.value);
  node.owing = true;
}

void Tables::owe(Job& job) {
  if (!job.owing) owingJobs.push_back(job.id);
  job.owing = true;
}

void Tables::noteChange(Node& node) {
  if (!node.changed) changedNodes.push_back(node.id.value);
  node.changed = true;
}

std::uint32_t Tables::addFailure(FailurePtr why) {
  std::uint32_t slot;
  if (freeFailures.empty()) {
    slot = static_cast<std::uint32_t>(failures.size());
    failures.emplace_back();
  } else {
    slot = freeFailures.back();
    freeFailures.pop_back();
  }
  failures[slot] = {std::move(why), 1};
  return slot;
}

void Tables::dropFailure(std::uint32_t slot) {
  if (--failures[slot].users > 0) return;
  failures[slot].why.reset();
  freeFailures.push_back(slot);
}

FailurePtr Tables::failureOf(FailureKind kind, const Job& job, std::uint32_t index,
                             const Item& item, std::string message) const {
  auto failure = std::make_shared<Failure>();
  failure->kind = kind;
  failure->task = ObjectId::make(job.id, index);
  if (!item.put && item.taskClass < job.classes.size()) {
    failure->function = job.classes[item.taskClass].definition.function;
  }
  if (item.node != 0) failure->node = nodes[item.node - 1].name;
  failure->attempt = {item.attempt};
  failure->message = std::move(message);
  return failure;
}

}  // namespace alnilam::head
