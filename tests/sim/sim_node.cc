#include "tests/sim/sim_node.h"

#include "core/node/desk.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;

Blob blobOf(std::uint64_t value) {
  std::byte bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  return Blob::copyOf(bytes);
}

std::uint64_t valueOf(const Blob& blob) {
  std::uint64_t value = 0;
  if (blob.size() == sizeof value) std::memcpy(&value, blob.bytes().data(), sizeof value);
  return value;
}

}  // namespace

SimNode::SimNode(Surroundings& world, std::string name, Topology topology)
    : world_(world), name_(std::move(name)), topology_(std::move(topology)) {}

void SimNode::start() {
  node::NodeBrain::Config config;
  config.name = name_;
  config.topology = topology_;
  config.total = topology_.total();
  brain_.emplace(std::move(config));
}

void SimNode::crash() {
  ++life_;
  brain_.reset();
  executors_.clear();
  store_.clear();
  settling_ = false;
  wakesAt_.reset();
  lostDevices_.clear();
  withdrawn_.clear();
}

void SimNode::later(Link* link, Duration low, Duration high, std::function<void()> what) {
  auto guarded = [this, life = life_, what = std::move(what)] {
    if (life == life_) what();
  };
  Duration delay = world_.luck().between(low, high);
  if (link) link->carry(world_.time(), delay, std::move(guarded));
  else world_.time().after(delay, std::move(guarded));
}

SimNode::Executor* SimNode::find(ExecutorId id) {
  auto at = executors_.find(id);
  return at == executors_.end() ? nullptr : &at->second;
}

// ---- The brain's driver.

void SimNode::feed(node::Input input) {
  brain_->step(world_.time().now(), std::move(input));
  settleSoon();
}

void SimNode::settleSoon() {
  if (std::exchange(settling_, true)) return;
  later(nullptr, 0us, 20us, [this] { settle(); });
}

void SimNode::settle() {
  settling_ = false;
  std::vector<node::Output> outputs;
  Instant now = world_.time().now();
  brain_->settle(now, outputs);
  noteWithdrawn(outputs);
  for (node::Output& output : outputs) {
    world_.trace(name_ + " " + node::show(output));
    perform(output);
  }
  if (brain_->deadline() && *brain_->deadline() <= now) {
    world_.violation(name_ + ": settling left something overdue");
  }
  wakeAtDeadline();
}

// What is withdrawn now is not granted in the same breath either.
void SimNode::noteWithdrawn(const std::vector<node::Output>& outputs) {
  for (const node::Output& output : outputs) {
    auto* told = std::get_if<node::ToHead>(&output);
    if (!told || !told->report.withdrawn) continue;
    withdrawn_.clear();
    for (const WithdrawnGpu& out : *told->report.withdrawn) withdrawn_.insert(out.gpu);
    withdrawals_ += withdrawn_.size();
  }
  for (const node::Output& output : outputs) {
    auto* to = std::get_if<node::ToExecutor>(&output);
    if (!to) continue;
    for (const SlotGrant& grant : to->orders.open) {
      for (const DeviceGrant& device : grant.devices) {
        if (withdrawn_.contains(device.gpu)) world_.violation(name_ + " grants what is withdrawn");
      }
    }
  }
}

void SimNode::wakeAtDeadline() {
  auto due = brain_->deadline();
  if (!due || (wakesAt_ && *wakesAt_ <= *due)) return;
  wakesAt_ = due;
  world_.time().at(*due, [this, life = life_] {
    if (life != life_) return;
    wakesAt_.reset();
    feed(node::Tick{});
  });
}

void SimNode::perform(node::Output& output) {
  if (auto* start = std::get_if<node::StartExecutor>(&output)) {
    executors_[start->executor].job = start->job.job;
    later(&executors_[start->executor].out, 1ms, 30ms, [this, id = start->executor] {
      if (find(id)) feed(node::ExecutorUp{id});
    });
  } else if (auto* stop = std::get_if<node::StopExecutor>(&output)) {
    later(nullptr, 100us, 5ms, [this, id = stop->executor] {
      if (find(id)) end(id, {}, FailureKind::exited);
    });
  } else if (auto* to = std::get_if<node::ToExecutor>(&output)) {
    Executor* executor = find(to->executor);
    if (!executor) return;  // it died, and the brain has not heard of it yet
    auto orders = std::make_shared<Orders>(std::move(to->orders));  // copied with the closure
    later(&executor->in, 5us, 60us, [this, id = to->executor, orders] {
      if (find(id)) obey(id, std::move(*orders));
    });
  } else if (auto* wanted = std::get_if<node::Pull>(&output)) {
    pull(*wanted);
  } else if (auto* drop = std::get_if<node::Drop>(&output)) {
    if (store_.erase(drop->object) == 0) {
      world_.violation(name_ + " drops " + show(drop->object) + ", which it does not hold");
    }
  } else {
    world_.toHead(name_, std::move(std::get<node::ToHead>(output).report));
  }
}

void SimNode::putLocally(ObjectId object, std::uint64_t value) {
  store_[object] = value;
  feed(node::LocalPut{object, kStoredSize});
}

void SimNode::pull(const node::Pull& wanted) {
  later(nullptr, 50us, 20ms, [this, wanted] {
    bool found = std::any_of(wanted.holders.begin(), wanted.holders.end(), [&](NodeId holder) {
      return world_.holds(holder, wanted.object);
    });
    if (!found) {
      world_.pullFailed(wanted.object);
      return feed(node::PullFailed{wanted.object, "no holder has it"});
    }
    const Program* program = world_.programOf(wanted.object.job());
    store_[wanted.object] = program->at(wanted.object.index()).value;
    feed(node::Pulled{wanted.object, kStoredSize});
  });
}

// ---- Executors.

// Its slots, queues and everything that it has not reported are gone; the brain hears of it after
// what was reported.
void SimNode::end(ExecutorId id, TaskId culprit, FailureKind how) {
  auto node = executors_.extract(id);
  later(&node.mapped().out, 5us, 2ms, [this, id, culprit, how] {
    feed(node::ExecutorGone{id, culprit, how, "made up"});
  });
}

void SimNode::obey(ExecutorId id, Orders orders) {
  Executor& executor = *find(id);
  for (auto& [lane, function] : orders.lanes) executor.lanes[lane];
  for (SlotGrant& grant : orders.open) open(executor, std::move(grant));
  for (SlotId slot : orders.close) {
    auto at = executor.slots.find(slot);
    if (at == executor.slots.end()) {
      world_.violation(name_ + " closes a slot that is not open");
      continue;
    }
    at->second.closing = true;
  }
  for (RunTask& task : orders.run) {
    if (!executor.lanes.contains(task.lane)) world_.violation(name_ + " sends to no lane");
    if (task.id.job() != executor.job) world_.violation(name_ + " sends to another job");
    bool isComing = std::any_of(task.inputs.begin(), task.inputs.end(),
                                [](const RunInput& input) { return input.coming; });
    if (!isComing) {
      if (task.awaited) executor.room.expect(task.id);
      executor.lanes[task.lane].push_back(std::move(task));
      continue;
    }
    WaitingRoom::Outcome outcome;
    if (!executor.room.admit(task, false, outcome)) {
      TaskDone& done = executor.report.done.emplace_back();
      done.id = task.id;
      done.attempt = task.attempt;
      done.how = TaskDone::How::returned;
    }
    heed(executor, std::move(outcome));
  }
  for (TaskId cancelled : orders.cancel) {
    RunTask task;
    if (!executor.room.take(cancelled, task)) {
      for (auto& [lane, queue] : executor.lanes) {
        auto at = std::find_if(queue.begin(), queue.end(),
                               [&](const RunTask& one) { return one.id == cancelled; });
        if (at == queue.end()) continue;
        task = std::move(*at);
        queue.erase(at);
        break;
      }
    }
    if (!task.id) continue;
    TaskDone& done = executor.report.done.emplace_back();
    done.id = task.id;
    done.attempt = task.attempt;
    done.how = TaskDone::How::failed;
    auto why = std::make_shared<Failure>();
    why->kind = FailureKind::cancelled;
    done.failure = std::move(why);
    unmade(executor, cancelled);
  }
  drawAll(id);
}

std::size_t SimNode::heed(Executor& executor, WaitingRoom::Outcome outcome) {
  bool isAhead = !outcome.voided.empty() || !outcome.recalled.empty();
  if (isAhead) world_.violation(name_ + " has a task ahead of its inputs, without a device");
  for (TaskDone& done : outcome.ended) executor.report.done.push_back(std::move(done));
  std::size_t released = outcome.released.size();
  released_ += released;
  for (RunTask& one : outcome.released) executor.lanes[one.lane].push_back(std::move(one));
  return released;
}

void SimNode::unmade(Executor& executor, TaskId task) {
  WaitingRoom::Outcome outcome;
  executor.room.unmade(task, outcome);
  heed(executor, std::move(outcome));
}

void SimNode::open(Executor& executor, SlotGrant grant) {
  if (!executor.lanes.contains(grant.lane)) world_.violation(name_ + " opens for no lane");
  SlotId id = grant.id;
  Slot& slot = executor.slots[id];
  if (slot.grant.id) world_.violation(name_ + " opens a slot twice");
  slot.grant = std::move(grant);
  checkGrants();
}

// Adds up, from nothing, what all open slots of all executors hold.
void SimNode::checkGrants() {
  ResourceSet left = topology_.total();
  std::vector<std::int64_t> cores(topology_.cores.size(), Amount::kPerUnit);
  std::vector<std::int64_t> devices(topology_.gpus.size(), Amount::kPerUnit);
  std::vector<Bytes> memory;
  for (const Gpu& gpu : topology_.gpus) memory.push_back(gpu.memory);
  for (auto& [id, executor] : executors_) {
    const Program* program = world_.programOf(executor.job);
    for (auto& [slotId, slot] : executor.slots) {
      ClassIndex lane = slot.grant.lane;
      const ResourceSet& needs = program->classes[lane & 0xffffff].needsOf(lane >> 24);
      if (!left.covers(needs)) return world_.violation(name_ + " grants more than it has");
      left.subtract(needs);
      std::int64_t cpus = needs.cpus.parts;
      for (std::uint32_t core : slot.grant.cores) {
        std::int64_t part = std::min(cpus, Amount::kPerUnit);
        cpus -= part;
        if ((cores[core] -= part) < 0) world_.violation(name_ + " grants a core twice");
      }
      if (cpus != 0) world_.violation(name_ + " grants too few cores");
      std::int64_t gpus = 0;
      for (const DeviceGrant& device : slot.grant.devices) {
        gpus += device.share.parts;
        devices[device.gpu] -= device.share.parts;
        if (devices[device.gpu] < 0) world_.violation(name_ + " grants a device twice");
        if (memory[device.gpu] < device.memory) {
          return world_.violation(name_ + " grants more device memory than there is");
        }
        memory[device.gpu] -= device.memory;
      }
      if (gpus != needs.gpus.parts) world_.violation(name_ + " grants another share of devices");
    }
  }
}

void SimNode::drawAll(ExecutorId id) {
  std::vector<SlotId> slots;
  for (auto& [slotId, slot] : find(id)->slots) slots.push_back(slotId);
  for (SlotId slot : slots) draw(id, slot);
  reportSoon(id);
}

void SimNode::draw(ExecutorId id, SlotId slotId) {
  Executor& executor = *find(id);
  Slot& slot = executor.slots.at(slotId);
  if (slot.busy) return;
  if (slot.closing) {
    executor.slots.erase(slotId);
    executor.report.closed.push_back(slotId);
    return;
  }
  auto& queue = executor.lanes[slot.grant.lane];
  if (queue.empty()) return;
  if (auto gpu = lostDeviceOf(slot)) {
    RunTask task = std::move(queue.front());
    queue.pop_front();
    failOn(*gpu, executor, task, {});
    return draw(id, slotId);
  }
  std::uint64_t number = ++started_;
  slot.busy = Running{std::move(queue.front()), number, {}};
  queue.pop_front();
  checkInputs(executor, slot.busy->task, "start");
  const Program* program = world_.programOf(executor.job);
  Duration runs = world_.runTime(program->at(slot.busy->task.id.index()), slot.grant, topology_);
  slot.busy->runs = runs;
  later(nullptr, runs, runs + 1us, [this, id, slotId] {
    if (find(id)) finish(id, slotId);
  });
}

void SimNode::checkInputs(const Executor& executor, const RunTask& task, const char* when) {
  const Program* program = world_.programOf(task.id.job());
  const SimTask& known = program->at(task.id.index());
  std::string what = name_ + ", at the " + when + " of " + show(task.id) + ": input ";
  if (known.inputs.size() != task.inputs.size()) return world_.violation(what + "count");
  for (std::size_t i = 0; i < known.inputs.size(); ++i) {
    const RunInput& input = task.inputs[i];
    if (input.object.index() != known.inputs[i]) world_.violation(what + "is another object");
    std::uint64_t value = program->at(known.inputs[i]).value;
    if (input.coming) world_.violation(what + show(input.object) + " is yet to come");
    if (!input.stored) {
      if (sim::valueOf(input.held) == value) continue;
      world_.violation(what + show(input.object) + " has the wrong value");
      continue;
    }
    auto held = store_.find(input.object);
    auto made = executor.under.find(input.object);
    if (held == store_.end() && made == executor.under.end()) {
      world_.violation(what + show(input.object) + " is not in the store");
    } else if ((held != store_.end() ? held : made)->second != value) {
      world_.violation(what + show(input.object) + " has the wrong value");
    }
  }
}

void SimNode::finish(ExecutorId id, SlotId slotId) {
  Executor& executor = *find(id);
  Slot& slot = executor.slots.at(slotId);
  Running ran = std::move(*std::exchange(slot.busy, std::nullopt));
  RunTask task = std::move(ran.task);
  checkInputs(executor, task, "end");
  const Program* program = world_.programOf(executor.job);
  const SimTask& known = program->at(task.id.index());
  if (world_.crashesNow(task.id)) {
    bool named = world_.luck().percent(60);
    world_.trace(name_ + " executor dies of " + show(task.id));
    return end(id, named ? task.id : TaskId{},
               known.exits ? FailureKind::exited : FailureKind::crashed);
  }
  if (auto gpu = lostDeviceOf(slot)) {
    failOn(*gpu, executor, task, ran.runs);
    draw(id, slotId);
    return reportSoon(id);
  }
  TaskDone done;
  done.id = task.id;
  done.attempt = task.attempt;
  done.ran = ran.runs;
  if (!slot.grant.devices.empty()) done.gpu = slot.grant.devices.front().gpu;
  if (known.throws) {
    done.how = TaskDone::How::failed;
    auto why = std::make_shared<Failure>();
    why->kind = FailureKind::exception;
    why->message = "thrown";
    done.failure = std::move(why);
  } else if (known.stored) {
    done.how = TaskDone::How::stored;
    done.size = kStoredSize;
    executor.stored[task.id] = executor.under[task.id] = known.value;
  } else {
    done.held = blobOf(known.value);
  }
  executor.report.done.push_back(done);
  if (done.how == TaskDone::How::failed) {
    unmade(executor, task.id);
  } else {
    WaitingRoom::Outcome outcome;
    executor.room.made(task.id, {task.id, done.held, done.how == TaskDone::How::stored}, outcome);
    if (heed(executor, std::move(outcome)) > 0) return drawAll(id);
  }
  draw(id, slotId);
  reportSoon(id);
}

std::optional<std::uint32_t> SimNode::lostDeviceOf(const Slot& slot) const {
  for (const DeviceGrant& device : slot.grant.devices) {
    if (lostDevices_.contains(device.gpu)) return device.gpu;
  }
  return std::nullopt;
}

void SimNode::failOn(std::uint32_t gpu, Executor& executor, const RunTask& task, Duration ran) {
  TaskDone& done = executor.report.done.emplace_back();
  done.id = task.id;
  done.attempt = task.attempt;
  done.ran = ran;
  done.how = TaskDone::How::failed;
  done.health = DeviceHealth::deviceLost;
  done.sickGpu = gpu;
  auto why = std::make_shared<Failure>();
  why->kind = FailureKind::device;
  why->message = "made up";
  done.failure = std::move(why);
  unmade(executor, task.id);
}

void SimNode::reportSoon(ExecutorId id) {
  Executor& executor = *find(id);
  if (executor.report.empty() || std::exchange(executor.reporting, true)) return;
  later(nullptr, 0us, 30us, [this, id] {
    Executor* reporter = find(id);
    if (!reporter) return;
    reporter->reporting = false;
    auto report = std::make_shared<ExecutorReport>(std::exchange(reporter->report, {}));
    auto stored = std::exchange(reporter->stored, {});
    later(&reporter->out, 5us, 60us, [this, id, report, stored] {
      for (auto& [object, value] : stored) {
        store_[object] = value;
        if (Executor* maker = find(id)) maker->under.erase(object);
      }
      feed(node::FromExecutor{id, std::move(*report)});
    });
  });
}

std::string SimNode::leftovers() const {
  std::string text;
  if (!(brain_->inUse() == ResourceSet{})) text += " uses " + show(brain_->inUse());
  if (brain_->queued() != 0) text += " queues " + std::to_string(brain_->queued());
  if (brain_->sent() != 0) text += " sent " + std::to_string(brain_->sent());
  for (auto& [object, value] : store_) text += " holds " + show(object);
  return text;
}

}  // namespace alnilam::sim
