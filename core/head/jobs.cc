// Programs: what they open, submit, put, ask for and give up.

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {
namespace {

// Why a class cannot be what an honest program declared; empty if it can.
std::string flawOf(const TaskClass& definition) {
  if (auto checked = definition.needs.check(); !checked) return checked.error().why;
  if (definition.function.empty()) return "the function has no name";
  if (definition.function.size() > kMaxFunctionName) {
    return "the function's name has " + std::to_string(definition.function.size()) +
           " bytes, at most " + std::to_string(kMaxFunctionName) + " are allowed";
  }
  if (definition.retries > TaskClass::kMaxRetries) {
    return "retries is more than " + std::to_string(TaskClass::kMaxRetries) + ": " +
           std::to_string(definition.retries);
  }
  if (definition.variants.size() > TaskClass::kMaxVariants) {
    return std::to_string(definition.variants.size()) + " variants, at most " +
           std::to_string(TaskClass::kMaxVariants) + " are allowed";
  }
  for (const Variant& one : definition.variants) {
    if (auto checked = one.needs.check(); !checked) return checked.error().why;
    if (one.function.empty() || one.function.size() > kMaxFunctionName) {
      return "the name of a variant's function is empty or too long";
    }
  }
  if (std::string flaw = definition.placing.flaw(); !flaw.empty()) return flaw;
  if (definition.delay < Duration{} || definition.delay > TaskClass::kMaxTime) {
    return "the delay is out of range";
  }
  if (definition.deadline < Duration{} || definition.deadline > TaskClass::kMaxTime) {
    return "the deadline is out of range";
  }
  if (definition.deadline > Duration{} && definition.deadline <= definition.delay) {
    return "the deadline is not after the delay";
  }
  return {};
}

// Why no way to run the class fits into the quota alone.
std::optional<std::string> beyondQuota(const Quota& quota, const TaskClass& definition) {
  for (std::size_t way = 0; way < definition.ways(); ++way) {
    if (!quota.firstLack({}, definition.needsOf(way))) return std::nullopt;
  }
  return "asks for " + show(definition.needs) + ", the job's quota is " + show(quota);
}

}  // namespace

void Tables::open(JobOpened input, std::vector<Output>& out) {
  auto refuse = [&](RefusalCode code, std::string why) {
    out.push_back(JobRefused{input.session, {code, std::move(why)}});
  };
  if (input.name.size() > kMaxName) {
    return refuse(RefusalCode::invalid, "the job's name has " + std::to_string(input.name.size()) +
                                            " bytes, at most " + std::to_string(kMaxName) +
                                            " are allowed");
  }
  if (openJobs >= kMaxOpenJobs || jobs.size() >= kMaxJobNumber) {
    return refuse(RefusalCode::overloaded,
                  std::to_string(openJobs) + " jobs are open, the head takes no more");
  }
  if (auto checked = input.share.check(); !checked) {
    return refuse(checked.error().code, checked.error().why);
  }
  auto job = std::make_unique<Job>();
  job->id = {std::uint32_t{config.cell} << 24 | static_cast<std::uint32_t>(jobs.size() + 1)};
  job->name = std::move(input.name);
  job->share = std::move(input.share);
  job->hasQuota = job->share.quota.isBounded();
  job->notice = {job->id, std::move(input.program), std::move(input.arguments)};
  out.push_back(JobReady{input.session, job->id});
  jobs.push_back(std::move(job));
  ++openJobs;
}

void Tables::close(JobId id) {
  Job* job = find(id);
  if (!job) {
    ++ignored;
    return;
  }
  for (Node& node : nodes) {
    if (!node.alive) continue;
    auto from = node.lanes.lower_bound(laneKey(id, 0));
    auto to = from;
    for (; to != node.lanes.end() && to->first >> 32 == id.value; ++to) {
      Lane& lane = to->second;
      const ResourceSet& needs = needsOf(to->first);
      for (std::uint64_t i = 0; i < lane.fitting; ++i) node.free.add(needs);
      node.load -= lane.cost * (lane.fitting + lane.ahead);
      node.live -= lane.fitting + lane.ahead + lane.chained;
      node.ahead -= lane.ahead;
      node.chained -= lane.chained;
    }
    node.lanes.erase(from, to);
    node.memoKey = ~std::uint64_t{0};
    node.freed = true;
    noteChange(node);
    if (node.jobsTold.erase(id) == 0) continue;  // it was only looked at for this job's tasks
    node.orders.ended.push_back(id);
    owe(node);
  }
  auto isOfJob = [&](const Class* cls) { return cls->job == id; };
  for (Class* cls : readyClasses) {
    if (isOfJob(cls)) unlist(*cls);
  }
  for (Class& cls : job->classes) {
    if (cls.times) alarms.erase({cls.times->alarm, id, cls.index});
  }
  std::erase_if(readyClasses, isOfJob);
  std::erase_if(blockedClasses, isOfJob);
  std::erase(owingJobs, id);
  unblock = true;
  for (std::uint32_t slot = 0; slot < stored.size(); ++slot) {
    StoredObject& object = stored[slot];
    if (object.object.job() != id) continue;
    for (NodeId holder : object.holders) {  // also on nodes that never ran this job
      Node& node = nodes[holder.value - 1];
      if (!node.orders.ended.empty() && node.orders.ended.back() == id) continue;
      node.orders.release.push_back(object.object);
      owe(node);
    }
    object = {};
    freeStored.push_back(slot);
  }
  for (std::uint32_t i = 1; i <= job->items.highest(); ++i) {
    Item* item = job->items.find(i);
    if (item && item->stage == Stage::failed) dropFailure(item->slot);
    if (item && item->onBoard && job->classes[item->taskClass].choice) {
      leaveVariant(nodes[item->node - 1], job->classes[item->taskClass], *item);
    }
  }
  for (auto& [from, slot] : job->passedOn) {
    dropFailure(from.first);
    dropFailure(slot);
  }
  ClosedJob closed;
  closed.view = {id, std::move(job->name), false, 0, 0, 0, job->finished, job->failed};
  for (Class& cls : job->classes) {
    ClosedJob::Names& names = closed.classes.emplace_back();
    for (std::size_t way = 0; way < cls.definition.variants.size(); ++way) {
      names.variants.push_back(variantName(cls.definition, way));
    }
    names.function = std::move(cls.definition.function);
  }
  closedJobs.push_back(std::move(closed));
  if (closedJobs.size() > kClosedJobs) closedJobs.pop_front();
  jobs[(id.value & kMaxJobNumber) - 1].reset();
  --openJobs;
}

void Tables::addClass(Job& job, TaskClass definition) {
  definition.priority = TaskClass::clampPriority(definition.priority);
  Class& cls = job.classes.emplace_back();
  cls.job = job.id;
  cls.index = static_cast<ClassIndex>(job.classes.size() - 1);
  cls.definition = std::move(definition);
  cls.owner = &job;
  cls.level = &levels.try_emplace(cls.definition.priority).first->second;
  cls.level->priority = cls.definition.priority;
  if (cls.definition.hasVariants()) {
    cls.choice = std::make_unique<Choice>();
    for (const Variant& one : cls.definition.variants) {
      // Equal names in two programs are two functions; and what a task is given of a device decides
      // how fast it is.
      cls.choice->variants.emplace_back().implementation =
          job.notice.program + " " + one.function + " " + show(one.needs);
    }
  }
  if (cls.definition.delay > Duration{} || cls.definition.deadline > Duration{}) {
    cls.times = std::make_unique<Times>();
  }
  anyPreemptible = anyPreemptible || cls.definition.preemptible;
  if (const std::string& key = cls.definition.placing.apart; !key.empty()) {
    job.apart[key].push_back(cls.index);
  }
  auto refuse = [&](FailureKind kind, std::string why) {
    auto failure = std::make_shared<Failure>();
    failure->kind = kind;
    failure->function = cls.definition.function;
    failure->message = std::move(why);
    cls.refusal = std::move(failure);
    cls.checkedAt = kForGood;
  };
  if (std::string flaw = flawOf(cls.definition); !flaw.empty()) {
    cls.definition.function.resize(std::min(cls.definition.function.size(), kMaxFunctionName));
    refuse(FailureKind::badArguments, std::move(flaw));
  } else if (auto lack = beyondQuota(job.share.quota, cls.definition)) {
    refuse(FailureKind::infeasible, std::move(*lack));
  }
}

const Failure* Tables::refusalOf(Class& cls) {
  if (cls.checkedAt >= shapesVersion || aliveNodes == 0) {
    bool forNow = cls.refusal && cls.refusal->kind == FailureKind::infeasible &&
                  aliveNodes == 0 && cls.checkedAt != kForGood;
    return forNow ? nullptr : cls.refusal.get();
  }
  cls.checkedAt = shapesVersion;
  cls.refusal.reset();
  // A node that is gone counts: it may come back, and its tasks wait for it.
  for (const Node& node : nodes) {
    for (std::size_t way = 0; way < cls.definition.ways(); ++way) {
      if (couldRun(node, cls, way)) return nullptr;
    }
  }
  std::vector<const placement::NodeShape*> shapes;
  for (const Node& node : nodes) shapes.push_back(&node.shape);
  auto failure = std::make_shared<Failure>();
  failure->kind = FailureKind::infeasible;
  failure->function = cls.definition.function;
  failure->message = placement::whyNever(shapes, cls.definition.needs).value_or("");
  if (std::string lack = lackOfLabels(cls); !lack.empty()) failure->message = std::move(lack);
  for (std::size_t way = 1; way < cls.definition.ways(); ++way) {
    failure->message += "; as " + cls.definition.variants[way].kind + " it " +
                        placement::whyNever(shapes, cls.definition.needsOf(way)).value_or("");
  }
  for (const Node& node : nodes) {
    if (failure->message.size() > Failure::kMaxMessage) break;
    for (std::size_t way = 0; way < cls.definition.ways(); ++way) {
      std::string reason = butForDevices(node, cls.definition.needsOf(way));
      failure->message += reason;
      if (!reason.empty()) break;
    }
  }
  failure->message = cleanMessage(failure->message);
  cls.refusal = std::move(failure);
  return cls.refusal.get();
}

void Tables::submit(Submit input) {
  Job* job = find(input.job);
  if (!job) {
    ignored += input.tasks.size() + input.classes.size();
    return;
  }
  ++submissions;
  for (TaskClass& definition : input.classes) {
    if (job->classes.size() < kMaxClasses) addClass(*job, std::move(definition));
    else ++ignored;
  }
  for (TaskSpec& spec : input.tasks) submitTask(*job, spec);
  settle(*job);
}

void Tables::submitTask(Job& job, TaskSpec& spec) {
  std::uint32_t index = spec.id.index();
  Item* item = spec.id.job() == job.id ? job.items.create(index, pages) : nullptr;
  if (!item) {
    ++ignored;
    return;
  }
  item->clientRef = true;
  item->age = submissions;
  item->taskClass = static_cast<std::uint16_t>(spec.taskClass);
  auto refuse = [&](std::string why) {
    fail(job, index, failureOf(FailureKind::badArguments, job, index, *item, std::move(why)));
  };
  if (spec.taskClass >= job.classes.size()) {
    item->taskClass = 0xffff;
    return refuse("class " + std::to_string(spec.taskClass) + " is not known, the job has " +
                  std::to_string(job.classes.size()));
  }
  Class& cls = job.classes[spec.taskClass];
  if (const Failure* refusal = refusalOf(cls)) {
    return fail(job, index, failureOf(refusal->kind, job, index, *item, refusal->message));
  }
  if (cls.times) noteSubmitted(cls, index);
  if (spec.inputs.empty()) {
    item->blob = std::move(spec.arguments);
    return enqueue(job, index, false);
  }
  if (spec.inputs.size() > kMaxInputs) {
    return refuse(std::to_string(spec.inputs.size()) + " inputs, at most " +
                  std::to_string(kMaxInputs) + " are allowed");
  }
  const Item* failedInput = nullptr;
  for (ObjectId input : spec.inputs) {
    const Item* one = input.job() == job.id ? job.items.find(input.index()) : nullptr;
    if (!one || one == item) return refuse("input " + show(input) + " is not known");
    if (one->stage == Stage::failed && !failedInput) failedInput = one;
  }
  if (failedInput) {
    item->slot = passOn(job, failedInput->slot, cls);
    item->stage = Stage::failed;
    return conclude(job, index);
  }
  item->blob = std::move(spec.arguments);
  item->inputs = std::move(spec.inputs);
  for (ObjectId input : item->inputs) ++job.items.at(input.index()).uses;
  item->stage = Stage::waiting;
  ++job.waiting;
  if (checkInputs(job, index, *item)) enqueue(job, index, false);
}

void Tables::put(Put input) {
  Job* job = find(input.object.job());
  bool isValue = input.value.state == Value::State::held ||
                 input.value.state == Value::State::stored;
  Item* item = job && isValue ? job->items.create(input.object.index(), pages) : nullptr;
  if (!item) {
    ++ignored;
    return;
  }
  std::uint32_t index = input.object.index();
  item->put = true;
  item->clientRef = true;
  item->age = submissions;
  if (input.value.state == Value::State::held) {
    item->blob = std::move(input.value.held);
    item->stage = Stage::held;
    return;
  }
  std::vector<NodeId>& holders = input.value.holders;
  std::erase_if(holders, [&](NodeId id) {
    const Node* node = find(id);
    return !node || !node->alive;
  });
  std::sort(holders.begin(), holders.end());
  holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
  if (holders.empty()) {
    fail(*job, index, failureOf(FailureKind::objectLost, *job, index, *item,
                                "no live node holds the value that was put"));
    return settle(*job);
  }
  item->stage = Stage::stored;
  item->slot = addStored({input.object, input.value.size, std::move(holders)});
}

void Tables::want(const Want& input) {
  Job* job = find(input.job);
  for (ObjectId object : input.objects) {
    if (!job || object.job() != job->id || object.index() == 0) {
      ++ignored;
      continue;
    }
    Item* item = job->items.find(object.index());
    if (!item) {
      // Whoever waits for it must hear something, or would wait for ever.
      ++ignored;
      auto failure = std::make_shared<Failure>();
      failure->kind = FailureKind::objectLost;
      failure->task = object;
      failure->message = show(object) + " is not known: never submitted, or its ref was dropped";
      job->told.emplace_back(object, Value::failed(std::move(failure)));
      owe(*job);
    } else if (isResolved(item->stage)) {
      tell(*job, object.index(), *item);
    } else {
      item->wanted = true;
      if (item->stage == Stage::evicted) remake(*job, object.index());
    }
  }
  if (job) settle(*job);
}

void Tables::release(const Release& input) {
  Job* job = find(input.job);
  for (ObjectId object : input.objects) {
    Item* item = job && object.job() == job->id ? job->items.find(object.index()) : nullptr;
    if (!item || !item->clientRef) {
      ++ignored;
      continue;
    }
    item->clientRef = false;
    item->wanted = false;
    if (item->uses == 0) dropIfUnneeded(*job, object.index());
  }
  if (job) settle(*job);
}

void Tables::cancel(const Cancel& input) {
  Job* job = find(input.job);
  for (TaskId task : input.tasks) {
    Item* item = job && task.job() == job->id ? job->items.find(task.index()) : nullptr;
    if (!item) {
      ++ignored;
      continue;
    }
    if (!isUnfinished(item->stage)) continue;
    if (item->stage == Stage::assigned) {
      // The attempt goes on counting on its node until the node says that it ended.
      Node& node = nodes[item->node - 1];
      node.orders.cancel.push_back(task);
      owe(node);
    }
    fail(*job, task.index(),
         failureOf(FailureKind::cancelled, *job, task.index(), *item, "cancelled by the program"));
  }
  if (job) settle(*job);
}

}  // namespace alnilam::head
