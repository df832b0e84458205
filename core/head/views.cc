// What people see: nodes, jobs, tasks, and why a task is where it is.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {
namespace {

const char* stateName(Stage stage) {
  switch (stage) {
    case Stage::waiting:
    case Stage::delayed: return "waiting";
    case Stage::ready: return "ready";
    case Stage::assigned: return "assigned";
    case Stage::failed: return "failed";
    default: return "finished";
  }
}

}  // namespace

std::string Tables::variantName(const TaskClass& definition, std::size_t variant) {
  if (variant >= definition.variants.size()) return {};
  const Variant& one = definition.variants[variant];
  return one.kind + " (" + one.function + ")";
}

std::vector<NodeView> Tables::nodeViews() const {
  std::vector<NodeView> views;
  for (const Node& node : nodes) {
    NodeView& view = views.emplace_back();
    view.node = node.id;
    view.name = node.name;
    view.alive = node.alive;
    view.topology = node.topology;
    view.total = node.shape.total;
    view.withdrawn = node.withdrawn;
    view.aside = asideOf(node);
    view.running = node.live;
    view.finished = node.finished;
    for (const auto& [key, lane] : node.lanes) {
      const ResourceSet& needs = needsOf(key);
      for (std::uint64_t i = 0; i < lane.fitting + lane.ahead; ++i) view.committed.add(needs);
    }
  }
  return views;
}

std::vector<JobView> Tables::jobViews() const {
  std::vector<JobView> views;
  for (const ClosedJob& closed : closedJobs) views.push_back(closed.view);
  for (const auto& job : jobs) {
    if (!job) continue;
    views.push_back({job->id, job->name, true, job->waiting, job->ready, job->assigned,
                     job->finished, job->failed});
  }
  std::sort(views.begin(), views.end(),
            [](const JobView& a, const JobView& b) { return a.job < b.job; });
  return views;
}

std::vector<TaskView> Tables::taskViews(JobId wanted, std::size_t limit) const {
  // The newest of each job that live, and of those that ended recently; then the newest of all.
  struct Found {
    std::uint32_t age;
    TaskView view;
  };
  std::vector<Found> found;
  auto nodeName = [&](std::uint32_t node) {
    return node == 0 ? std::string() : nodes[node - 1].name;
  };
  for (const auto& job : jobs) {
    if (!job || (wanted && job->id != wanted)) continue;
    std::size_t taken = 0;
    for (std::uint32_t i = job->items.highest(); i > 0 && taken < limit; --i) {
      const Item* item = job->items.find(i);
      if (!item || item->put || !isUnfinished(item->stage)) continue;
      TaskView view;
      view.id = ObjectId::make(job->id, i);
      view.function = job->classes[item->taskClass].definition.function;
      view.state = stateName(item->stage);
      view.node = nodeName(item->node);
      view.attempt = {item->attempt};
      if (item->stage == Stage::assigned) {
        view.variant = variantName(job->classes[item->taskClass].definition, item->variant);
      }
      found.push_back({item->age, std::move(view)});
      ++taken;
    }
  }
  auto nameIt = [&](const FinishedTask& task, TaskView& view) {
    if (const Job* open = find(task.id.job())) {
      if (task.taskClass >= open->classes.size()) return;
      const TaskClass& definition = open->classes[task.taskClass].definition;
      view.function = definition.function;
      view.variant = variantName(definition, task.variant);
      return;
    }
    for (const ClosedJob& closed : closedJobs) {
      if (closed.view.job != task.id.job() || task.taskClass >= closed.classes.size()) continue;
      const ClosedJob::Names& names = closed.classes[task.taskClass];
      view.function = names.function;
      if (task.variant < names.variants.size()) view.variant = names.variants[task.variant];
    }
  };
  for (const FinishedTask& task : recent) {
    if (wanted && task.id.job() != wanted) continue;
    const Job* job = find(task.id.job());
    const Item* item = job ? job->items.find(task.id.index()) : nullptr;
    if (item && isUnfinished(item->stage)) continue;  // it is being made again, and found above
    TaskView view;
    view.id = task.id;
    nameIt(task, view);
    view.state = task.failed ? "failed" : "finished";
    view.node = nodeName(task.node);
    view.attempt = {task.attempt};
    view.ran = task.ran;
    found.push_back({task.age, std::move(view)});
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::pair(a.age, a.view.id) > std::pair(b.age, b.view.id);
  });
  std::vector<TaskView> views;
  for (Found& one : found) {
    if (views.size() >= limit) break;
    views.push_back(std::move(one.view));
  }
  return views;
}

std::string Tables::explain(TaskId task) const {
  const Job* job = find(task.job());
  if (!job) return show(task) + ": its job is not open";
  const Item* item = job->items.find(task.index());
  if (!item) {
    return show(task) + (job->items.isForgotten(task.index())
                             ? ": ended, and nobody holds a ref to it any more"
                             : ": was never submitted");
  }
  if (item->put) return show(task) + ": a value that the program put";
  const Class* cls =
      item->taskClass < job->classes.size() ? &job->classes[item->taskClass] : nullptr;
  std::string text = show(task);
  if (cls) text += " (" + cls->definition.function + ")";
  if (item->stage == Stage::failed) {
    return text + ": failed: " + failures[item->slot].why->message;
  }
  bool hasVariants = cls && cls->definition.hasVariants();
  auto chosen = [&] {
    if (!hasVariants) return std::string();
    return " as " + variantName(cls->definition, item->variant) +
           (item->trial ? ", a trial" : "") + explainVariants(*cls, *item);
  };
  if (item->stage == Stage::assigned) {
    text += ": attempt " + std::to_string(item->attempt) + " is at node " +
            nodes[item->node - 1].name;
    if (item->chained) text += ", behind " + std::to_string(item->missing) + " of its inputs";
    return text + chosen();
  }
  if (item->stage == Stage::evicted) return text + ": finished, its result is lost for now";
  if (item->stage == Stage::waiting) {
    constexpr std::size_t kShown = 5;
    text += ": waits for " + std::to_string(item->missing) + " inputs";
    std::size_t shown = 0;
    for (ObjectId input : item->inputs) {
      const Item& one = job->items.at(input.index());
      if (one.stage == Stage::held || one.stage == Stage::stored) continue;
      if (++shown > kShown) break;
      text += (shown == 1 ? ": " : ", ") + show(input) + " (" + stateName(one.stage) + ")";
    }
    return text;
  }
  if (item->stage == Stage::delayed) {
    Duration left = cls->times->submitted.at(task.index()) + cls->definition.delay - now;
    return text + ": its delay ends in " +
           std::to_string(std::max<std::int64_t>(left / std::chrono::milliseconds(1), 0)) + " ms";
  }
  if (item->stage != Stage::ready) {
    return text + ": finished at node " + nodes[item->node - 1].name + chosen();
  }

  text += ": ready, one of " + std::to_string(cls->readyCount) + " that ask for " +
          show(cls->definition.needs);
  for (std::size_t way = 1; way < cls->definition.ways(); ++way) {
    text += " or for " + show(cls->definition.needsOf(way));
  }
  const Placing& placing = cls->definition.placing;
  if (placing.policy != PlacementPolicy::standard) {
    text += ", placed by " + show(placing.policy, placing.affinity);
  }
  if (isOverQuota(*cls)) {
    return text + "\n  its job holds " + show(job->committed) + " and may not exceed its quota, " +
           show(job->share.quota);
  }
  if (nodes.empty()) return text + "\n  no node has joined";
  if (hasVariants) return text + explainVariants(*cls, *item);
  for (const Node& node : nodes) {
    text += "\n  " + node.name + ": ";
    const placement::NodeShape* shape = &node.shape;
    if (!node.alive) {
      text += "is lost";
    } else if (std::string aside = asideOf(node); !aside.empty()) {
      text += aside;
    } else if (const LabelRule* rule = brokenRule(node, *cls)) {
      auto value = labelOf(node, rule->key);
      text += "never: its tasks ask for " + show(*rule) + ", and it has " +
              (value ? rule->key + "=" + std::string(*value) : "no " + rule->key);
    } else if (isKeptApart(node, *cls)) {
      text += "a task is there from which this one is to be apart (" +
              cls->definition.placing.apart + ")";
    } else if (auto why = placement::whyNever({&shape, 1}, cls->definition.needs)) {
      text += "never: " + *why + butForDevices(node, cls->definition.needs);
    } else if (auto lack = node.free.firstLack(cls->definition.needs)) {
      text += "full: too little of " + *lack + " is free, " + std::to_string(node.live) +
              " tasks are there";
    } else if (auto lane = node.lanes.find(laneKey(job->id, cls->index));
               lane != node.lanes.end() && lane->second.fitting >= lane->second.capacity) {
      text += "full: " + std::to_string(lane->second.fitting) + " of its kind run there, more do "
              "not fit beside each other";
    } else {
      text += "has room: " + termsOf(node, *cls, *item);
    }
  }
  return text;
}

}  // namespace alnilam::head
