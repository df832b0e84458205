#pragma once
// A node brain at a desk: inputs in a few words, outputs as one line of text.
//
// For tests.  Jobs are numbered from 1, tasks are "job.index", and everything that the brain says
// is written in the order in which it said it, so that a test's expectation is the whole truth.

#include "core/node/node_brain.h"

#include <string>
#include <utility>
#include <vector>

namespace alnilam::node {

// "start 1 job 1", "pull 1.9 from 2,3", "to 1: lane 0 f; open #1 lane 0 cores 0; run 1.1",
// "head: 1.1 held".  "run 1.1>" is a task whose result is awaited, "run 1.3<1.1<1.2" one whose
// inputs 1.1 and 1.2 are coming.
inline std::string show(const Output& output);

inline std::string show(const TaskDone& done) {
  std::string text = show(done.id);
  if (done.attempt.value != 1) text += "/" + std::to_string(done.attempt.value);
  if (done.how == TaskDone::How::held) return text + " held";
  if (done.how == TaskDone::How::returned) return text + " returned";
  if (done.how == TaskDone::How::stored) return text + " stored " + std::to_string(done.size);
  if (done.how == TaskDone::How::returned) return text + " returned";
  return text + " " + name(done.failure->kind) + " (" + done.failure->message + ")";
}

// "0", and "0.1" for a class's second variant.
inline std::string showLane(ClassIndex lane) {
  std::string text = std::to_string(lane & 0xffffff);
  return lane >> 24 ? text + "." + std::to_string(lane >> 24) : text;
}

inline std::string show(const SlotGrant& grant) {
  std::string text = "open #" + std::to_string(grant.id.value) + " lane " + showLane(grant.lane);
  for (std::size_t i = 0; i < grant.cores.size(); ++i) {
    text += (i == 0 ? " cores " : ",") + std::to_string(grant.cores[i]);
  }
  for (const DeviceGrant& device : grant.devices) {
    text += " gpu " + std::to_string(device.gpu) + "*" + show(device.share);
    if (device.memory != 0) text += " " + showBytes(device.memory);
  }
  return text;
}

inline std::string show(const Orders& orders) {
  std::string text;
  auto item = [&](const std::string& words) { text += (text.empty() ? "" : "; ") + words; };
  for (auto& [lane, function] : orders.lanes) item("lane " + showLane(lane) + " " + function);
  for (const SlotGrant& grant : orders.open) item(show(grant));
  for (SlotId slot : orders.close) item("close #" + std::to_string(slot.value));
  for (const RunTask& task : orders.run) {
    std::string attempt =
        task.attempt.value == 1 ? "" : "/" + std::to_string(task.attempt.value);
    std::string chain;
    for (const RunInput& input : task.inputs) {
      if (input.coming) chain += "<" + show(input.object);
    }
    item("run " + show(task.id) + attempt + chain + (task.awaited ? ">" : "") +
         (task.lane >> 24 ? " in " + showLane(task.lane) : ""));
  }
  for (TaskId task : orders.cancel) item("cancel " + show(task));
  for (ObjectId object : orders.forget) item("forget " + show(object));
  return text;
}

inline std::string show(const NodeReport& report) {
  std::string text;
  auto item = [&](const std::string& words) { text += (text.empty() ? "" : "; ") + words; };
  for (const WithdrawnGpu& out : report.withdrawn.value_or(std::vector<WithdrawnGpu>())) {
    item("gpu " + std::to_string(out.gpu) + " out (" + out.why + ")");
  }
  if (report.withdrawn && report.withdrawn->empty()) item("all gpus in");
  for (const TaskDone& done : report.done) item(show(done));
  for (const ObjectKept& kept : report.kept) item("kept " + show(kept.object));
  for (ObjectId object : report.dropped) item("dropped " + show(object));
  for (const CostReport& cost : report.costs) {
    item("learned " + showLane(laneFor(cost.taskClass, cost.variant)) + " " +
         std::to_string(cost.mean / std::chrono::microseconds(1)) + "us by " +
         std::to_string(cost.runs) + " of " + std::to_string(cost.total));
  }
  return text;
}

inline std::string show(const Output& output) {
  auto number = [](auto id) { return std::to_string(id.value); };
  if (auto* o = std::get_if<StartExecutor>(&output)) {
    return "start " + number(o->executor) + " job " + number(o->job.job);
  }
  if (auto* o = std::get_if<StopExecutor>(&output)) return "stop " + number(o->executor);
  if (auto* o = std::get_if<ToExecutor>(&output)) {
    return "to " + number(o->executor) + ": " + show(o->orders);
  }
  if (auto* o = std::get_if<Pull>(&output)) {
    std::string text = "pull " + show(o->object);
    for (std::size_t i = 0; i < o->holders.size(); ++i) {
      text += (i == 0 ? " from " : ",") + number(o->holders[i]);
    }
    return text;
  }
  if (auto* o = std::get_if<Drop>(&output)) return "drop " + show(o->object);
  return "head: " + show(std::get<ToHead>(output).report);
}

inline Topology plainTopology(std::uint32_t cores, std::uint32_t gpus = 0) {
  Topology topology;
  topology.domains.push_back({0, 0, 64_GiB});
  for (std::uint32_t i = 0; i < cores; ++i) topology.cores.push_back({i, 0});
  for (std::uint32_t i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.uuid = "EMU-" + std::to_string(i);
    gpu.memory = 16_GiB;
    topology.gpus.push_back(gpu);
  }
  topology.links.resize(gpus * gpus);
  return topology;
}

class Desk {
 public:
  explicit Desk(std::uint32_t cores, std::uint32_t gpus = 0, NodeBrain::Config config = {})
      : brain(complete(std::move(config), cores, gpus)) {}

  // Feeds `input` and answers with all that the brain says to it, " | " between outputs.
  std::string say(Input input) {
    brain.step(now, std::move(input));
    return settle();
  }
  std::string settle() {
    outputs.clear();
    brain.settle(now, outputs);
    std::string text;
    for (const Output& output : outputs) text += (text.empty() ? "" : " | ") + show(output);
    return text;
  }
  std::string wait(Duration time) {
    now += time;
    return say(Tick{});
  }

  // Job `job` with these classes, and its executor up once a task came.
  void job(std::uint32_t number, std::vector<TaskClass> classes) {
    NodeOrders orders;
    orders.jobs.push_back({{number}, "program", {}});
    ClassIndex index = 0;
    for (TaskClass& one : classes) orders.classes.push_back({{number}, index++, std::move(one)});
    say(FromHead{std::move(orders)});
  }

  static ObjectId id(std::uint32_t job, std::uint32_t index) {
    return ObjectId::make(JobId{job}, index);
  }
  static Assignment task(ObjectId id, ClassIndex lane = 0, std::uint32_t attempt = 1) {
    Assignment assignment;
    assignment.id = id;
    assignment.attempt = {attempt};
    assignment.taskClass = lane;
    return assignment;
  }
  // Tasks of job 1.
  std::string assign(std::vector<std::uint32_t> indices, ClassIndex lane = 0) {
    NodeOrders orders;
    for (std::uint32_t index : indices) orders.assign.push_back(task(id(1, index), lane));
    return say(FromHead{std::move(orders)});
  }
  // Tasks of job 1, each with the inputs that tasks of this node make.
  std::string chain(std::vector<std::pair<std::uint32_t, std::vector<std::uint32_t>>> links,
                    ClassIndex lane = 0) {
    NodeOrders orders;
    for (auto& [index, inputs] : links) {
      Assignment& one = orders.assign.emplace_back(task(id(1, index), lane));
      for (std::uint32_t input : inputs) one.inputs.push_back({id(1, input), Value{}});
    }
    return say(FromHead{std::move(orders)});
  }
  std::string cancel(std::vector<std::uint32_t> indices) {
    NodeOrders orders;
    for (std::uint32_t index : indices) orders.cancel.push_back(id(1, index));
    return say(FromHead{std::move(orders)});
  }
  std::string up(std::uint32_t executor = 1) { return say(ExecutorUp{{executor}}); }
  std::string done(std::vector<std::uint32_t> indices, Duration ran = std::chrono::seconds(1),
                   std::uint32_t executor = 1) {
    ExecutorReport report;
    for (std::uint32_t index : indices) {
      TaskDone finished;
      finished.id = id(1, index);
      finished.attempt = {1};
      finished.ran = ran;
      report.done.push_back(finished);
    }
    return say(FromExecutor{{executor}, std::move(report)});
  }
  // How tasks ended, in one report.
  std::string ended(std::vector<std::pair<std::uint32_t, TaskDone::How>> ends,
                    std::uint32_t executor = 1) {
    ExecutorReport report;
    for (auto [index, how] : ends) {
      TaskDone& done = report.done.emplace_back();
      done.id = id(1, index);
      done.attempt = {1};
      done.how = how;
      done.ran = std::chrono::seconds(1);
      if (how == TaskDone::How::stored) done.size = 5;
      if (how != TaskDone::How::failed) continue;
      auto why = std::make_shared<Failure>();
      why->message = "thrown";
      done.failure = std::move(why);
    }
    return say(FromExecutor{{executor}, std::move(report)});
  }
  // A task of job 1 that failed on device `gpu`.
  std::string sick(std::uint32_t index, std::uint32_t gpu, DeviceHealth health,
                   Duration ran = std::chrono::seconds(1), std::uint32_t executor = 1) {
    ExecutorReport report;
    TaskDone& done = report.done.emplace_back();
    done.id = id(1, index);
    done.attempt = {1};
    done.how = TaskDone::How::failed;
    done.health = health;
    done.sickGpu = done.gpu = gpu;
    done.ran = ran;
    auto why = std::make_shared<Failure>();
    why->kind = FailureKind::device;
    why->message = "E";
    done.failure = std::move(why);
    return say(FromExecutor{{executor}, std::move(report)});
  }
  std::string restore() {
    NodeOrders orders;
    orders.restoreDevices = true;
    return say(FromHead{std::move(orders)});
  }
  std::string closed(std::vector<std::uint32_t> slots, std::uint32_t executor = 1) {
    ExecutorReport report;
    for (std::uint32_t slot : slots) report.closed.push_back({slot});
    return say(FromExecutor{{executor}, std::move(report)});
  }

  Instant now{};
  NodeBrain brain;
  std::vector<Output> outputs;

 private:
  static NodeBrain::Config complete(NodeBrain::Config config, std::uint32_t cores,
                                    std::uint32_t gpus) {
    config.name = "a";
    config.topology = plainTopology(cores, gpus);
    config.total = config.topology.total();
    return config;
  }
};

// A class by name, priority and needs.
inline TaskClass taskClass(std::string function, double cpus, std::int32_t priority = 0) {
  TaskClass made;
  made.function = std::move(function);
  made.needs.cpus = Amount::from(cpus, "cpus").value();
  made.priority = priority;
  return made;
}

}  // namespace alnilam::node
