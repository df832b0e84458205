#include "transport/rpc/executor_codec.h"

#include "transport/rpc/common_parse.h"
#include "transport/rpc/node_codec.h"
#include "transport/rpc/parts.h"
#include "transport/rpc/task_done_parse.h"

#include <algorithm>

namespace alnilam::rpc {
namespace {

void fill(const SlotGrant& from, schema::SlotGrant::Builder to) {
  to.setSlot(from.id.value);
  to.setLane(from.lane);
  if (!from.cores.empty()) {
    auto cores = to.initCores(static_cast<unsigned>(from.cores.size()));
    for (unsigned i = 0; i < from.cores.size(); ++i) cores.set(i, from.cores[i]);
  }
  if (from.devices.empty()) return;
  auto devices = to.initDevices(static_cast<unsigned>(from.devices.size()));
  for (unsigned i = 0; i < from.devices.size(); ++i) {
    devices[i].setGpu(from.devices[i].gpu);
    devices[i].setShareParts(static_cast<std::uint32_t>(from.devices[i].share.parts));
    devices[i].setMemoryBytes(from.devices[i].memory);
  }
}

SlotGrant take(schema::SlotGrant::Reader from) {
  SlotGrant grant;
  grant.id = SlotId{from.getSlot()};
  require(bool(grant.id), "a slot's id is zero");
  grant.lane = from.getLane();
  atMost(from.getCores().size(), Topology::kMaxCores, "cores of a slot");
  for (std::uint32_t core : from.getCores()) {
    require(core < Topology::kMaxCores, "a slot has a core that no node has");
    grant.cores.push_back(core);
  }
  atMost(from.getDevices().size(), Topology::kMaxGpus, "devices of a slot");
  for (auto wire : from.getDevices()) {
    require(wire.getGpu() < Topology::kMaxGpus, "a slot has a GPU that no node has");
    require(wire.getShareParts() <= Amount::kPerUnit, "a share is more than a whole GPU");
    grant.devices.push_back({wire.getGpu(), Amount{wire.getShareParts()}, wire.getMemoryBytes()});
  }
  return grant;
}

void fill(const RunTask& from, const WhereIs& whereIs, schema::RunTask::Builder to) {
  to.setTask(from.id.value);
  to.setAttempt(from.attempt.value);
  to.setLane(from.lane);
  to.setAwaited(from.awaited);
  if (!from.arguments.empty()) to.setArguments(dataFor(from.arguments.bytes()));
  if (from.inputs.empty()) return;
  auto inputs = to.initInputs(static_cast<unsigned>(from.inputs.size()));
  for (unsigned i = 0; i < from.inputs.size(); ++i) {
    const RunInput& input = from.inputs[i];
    inputs[i].setObject(input.object.value);
    inputs[i].setStored(input.stored);
    inputs[i].setComing(input.coming);
    if (input.coming) continue;
    if (input.stored) {
      Place place = whereIs(input.object);
      inputs[i].setOffset(place.offset);
      inputs[i].setSize(place.size);
    } else {
      inputs[i].setHeld(dataFor(input.held.bytes()));
    }
  }
}

RunTask take(schema::RunTask::Reader from, const BytesAt& bytesAt) {
  RunTask task;
  task.id = objectOf(from.getTask());
  task.attempt = Attempt{from.getAttempt()};
  task.lane = from.getLane();
  task.awaited = from.getAwaited();
  task.arguments = blobOf(from.getArguments(), "arguments of a task");
  if (!from.hasInputs()) return task;
  auto inputs = from.getInputs();
  atMost(inputs.size(), kMaxInputs, "inputs");
  task.inputs.reserve(std::min<std::size_t>(inputs.size(), kMostReserved));
  for (auto wire : inputs) {
    RunInput& input = task.inputs.emplace_back();
    input.object = objectOf(wire.getObject());
    input.coming = wire.getComing();
    input.stored = wire.getStored();
    if (input.coming) {
      require(!input.stored, "an input is both stored and coming");
    } else if (input.stored) {
      input.held = orBreak(bytesAt(input.object, {wire.getOffset(), wire.getSize()}));
    } else {
      input.held = blobOf(wire.getHeld(), "bytes of an input");
    }
  }
  return task;
}

}  // namespace

void write(const ExecutorStart& from, schema::ExecutorStart::Builder to) {
  to.setExecutor(from.executor.value);
  to.setJob(from.job.value);
  write(from.topology, to.initTopology());
  to.setArenaFd(from.arenaFd);
  to.setArenaBytes(from.arenaBytes);
  to.setCrashFd(from.crashFd);
  to.setNodeName(textFor(from.nodeName));
}

Result<ExecutorStart> read(schema::ExecutorStart::Reader from) {
  return guarded([&] {
    ExecutorStart start;
    start.executor = ExecutorId{from.getExecutor()};
    start.job = JobId{from.getJob()};
    start.topology = parse(from.getTopology());
    start.arenaFd = from.getArenaFd();
    start.arenaBytes = from.getArenaBytes();
    start.crashFd = from.getCrashFd();
    start.nodeName = textOf(from.getNodeName(), kMaxName, "node's name");
    return start;
  });
}

void write(const Orders& from, const WhereIs& whereIs, schema::ExecutorOrders::Builder to) {
  if (!from.lanes.empty()) {
    auto lanes = to.initLanes(static_cast<unsigned>(from.lanes.size()));
    for (unsigned i = 0; i < from.lanes.size(); ++i) {
      lanes[i].setLane(from.lanes[i].first);
      lanes[i].setFunction(textFor(from.lanes[i].second));
    }
  }
  fillAll(from.open, [&](unsigned n) { return to.initOpen(n); },
          [](auto& one, auto wire) { fill(one, wire); });
  writeIds(from.close, [&](unsigned n) { return to.initClose(n); });
  if (!from.run.empty()) {
    auto run = to.initRun(static_cast<unsigned>(from.run.size()));
    for (unsigned i = 0; i < from.run.size(); ++i) fill(from.run[i], whereIs, run[i]);
  }
  writeIds(from.cancel, [&](unsigned n) { return to.initCancel(n); });
  writeIds(from.forget, [&](unsigned n) { return to.initForget(n); });
}

Result<Orders> read(schema::ExecutorOrders::Reader from, const BytesAt& bytesAt) {
  return guarded([&] {
    Orders orders;
    atMost(from.getLanes().size(), kMaxClasses, "lanes");
    for (auto lane : from.getLanes()) {
      orders.lanes.emplace_back(lane.getLane(),
                                textOf(lane.getFunction(), kMaxFunctionName, "function's name"));
    }
    orders.open = takeAll<SlotGrant>(from.getOpen(), kMaxListed, "slots",
        [](auto wire) { return take(wire); });
    orders.close = idsOf<SlotId>(from.getClose(), kMaxListed, "slots");
    auto run = from.getRun();
    atMost(run.size(), kMaxListed, "tasks");
    orders.run.reserve(std::min<std::size_t>(run.size(), kMostReserved));
    for (auto task : run) orders.run.push_back(take(task, bytesAt));
    orders.cancel = idsOf<TaskId>(from.getCancel(), kMaxListed, "cancels");
    orders.forget = idsOf<ObjectId>(from.getForget(), kMaxListed, "results to forget");
    return orders;
  });
}

void write(const ExecutorReport& from, schema::ExecutorReport::Builder to) {
  FailureTable failures;
  if (!from.done.empty()) {
    write(from.done, to.initDone(static_cast<unsigned>(from.done.size())), failures);
  }
  if (failures.size() > 0) failures.write(to.initFailures(static_cast<unsigned>(failures.size())));
  writeIds(from.closed, [&](unsigned n) { return to.initClosed(n); });
}

Result<ExecutorReport> read(schema::ExecutorReport::Reader from) {
  return guarded([&] {
    ExecutorReport report;
    report.done = parse(from.getDone(), parseFailures(from.getFailures()));
    report.closed = idsOf<SlotId>(from.getClosed(), kMaxListed, "slots");
    return report;
  });
}

}  // namespace alnilam::rpc
