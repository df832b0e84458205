#include "transport/rpc/node_codec.h"

#include "transport/rpc/common_parse.h"
#include "transport/rpc/parts.h"
#include "transport/rpc/task_done_parse.h"

#include <algorithm>

namespace alnilam::rpc {
namespace {

constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxJobs = 1'000'000;

// More than the machine has, by kind; named amounts are the operator's word.
void requireWithin(const ResourceSet& offered, const ResourceSet& total) {
  ResourceSet plain = offered;
  plain.named.clear();
  if (total.covers(plain)) return;
  breaks("the node offers more than its topology has: " + show(offered) + " of " + show(total));
}

JobNotice take(schema::JobNotice::Reader from) {
  JobNotice notice;
  notice.job = JobId{from.getJob()};
  require(bool(notice.job), "a job's id is zero");
  notice.program = textOf(from.getProgram(), 64, "program's hash");
  notice.arguments =
      textsOf(from.getArguments(), kMaxArguments, kMaxArgument, "arguments of the program");
  return notice;
}

ClassNotice take(schema::ClassNotice::Reader from) {
  return {JobId{from.getJob()}, from.getIndex(), parse(from.getDefinition())};
}

Assignment take(schema::Assignment::Reader from) {
  Assignment assignment;
  assignment.id = objectOf(from.getTask());
  assignment.attempt = Attempt{from.getAttempt()};
  assignment.taskClass = from.getTaskClass();
  assignment.awaited = from.getAwaited();
  assignment.arguments = blobOf(from.getArguments(), "arguments of a task");
  if (from.hasInputs()) {
    assignment.inputs = parse(from.getInputs(), ValuesOf::inputs, {});
    atMost(assignment.inputs.size(), kMaxInputs, "inputs");
  }
  assignment.variant = from.getVariant();
  require(assignment.variant < TaskClass::kMaxVariants, "a task is of a variant that no class has");
  assignment.trial = from.getTrial();
  return assignment;
}

void fill(const JobNotice& from, schema::JobNotice::Builder to) {
  to.setJob(from.job.value);
  to.setProgram(textFor(from.program));
  auto arguments = to.initArguments(static_cast<unsigned>(from.arguments.size()));
  for (unsigned i = 0; i < from.arguments.size(); ++i) {
    arguments.set(i, textFor(from.arguments[i]));
  }
}

void fill(const ClassNotice& from, schema::ClassNotice::Builder to) {
  to.setJob(from.job.value);
  to.setIndex(from.index);
  write(from.definition, to.initDefinition());
}

void fill(const Assignment& from, schema::Assignment::Builder to) {
  to.setTask(from.id.value);
  to.setAttempt(from.attempt.value);
  to.setTaskClass(from.taskClass);
  to.setAwaited(from.awaited);
  if (!from.arguments.empty()) to.setArguments(dataFor(from.arguments.bytes()));
  to.setVariant(from.variant);
  to.setTrial(from.trial);
  if (from.inputs.empty()) return;
  write(from.inputs, to.initInputs(static_cast<unsigned>(from.inputs.size())), nullptr);
}

CostReport take(schema::NodeReport::Cost::Reader from) {
  CostReport cost;
  cost.job = JobId{from.getJob()};
  require(bool(cost.job), "a job's id is zero");
  cost.taskClass = from.getTaskClass();
  cost.variant = from.getVariant();
  require(cost.variant < TaskClass::kMaxVariants, "a cost is of a variant that no class has");
  cost.sizeClass = from.getSizeClass();
  require(cost.sizeClass < 64, "a cost is of a size that nothing has");
  if (from.getDevice() != 0) {
    cost.gpu = from.getDevice() - 1u;
    require(cost.gpu < Topology::kMaxGpus, "a cost is of a GPU that no node has");
  }
  cost.runs = from.getRuns();
  cost.total = from.getTotal();
  require(cost.runs > 0 && cost.runs <= cost.total, "a cost miscounts its runs");
  cost.mean = durationOf(from.getMeanNanoseconds());
  cost.deviation = durationOf(from.getDeviationNanoseconds());
  return cost;
}

void fill(const CostReport& from, schema::NodeReport::Cost::Builder to) {
  to.setJob(from.job.value);
  to.setTaskClass(from.taskClass);
  to.setVariant(from.variant);
  to.setSizeClass(from.sizeClass);
  if (from.gpu != TaskDone::kNoGpu) to.setDevice(static_cast<std::uint16_t>(from.gpu + 1));
  to.setRuns(from.runs);
  to.setTotal(from.total);
  to.setMeanNanoseconds(nanosecondsFor(from.mean));
  to.setDeviationNanoseconds(nanosecondsFor(from.deviation));
}

}  // namespace

void write(const NodeIdentity& from, schema::NodeIdentity::Builder to) {
  to.setIncarnation(from.incarnation.value);
  write(from.address, to.initAddress());
  write(from.topology, to.initTopology());
  write(from.offered, to.initOffered());
  to.setDataLane(textFor(from.dataLane));
  to.setStoreBytes(from.storeBytes);
  to.setVersion(textFor(from.version));
}

Result<NodeIdentity> read(schema::NodeIdentity::Reader from) {
  return guarded([&] {
    NodeIdentity identity;
    identity.incarnation = Incarnation{from.getIncarnation()};
    require(bool(identity.incarnation), "the node's incarnation is zero");
    identity.address = parse(from.getAddress());
    identity.topology = parse(from.getTopology());
    identity.offered = parse(from.getOffered());
    requireWithin(identity.offered, identity.topology.total());
    identity.dataLane = textOf(from.getDataLane(), 1024, "data lane");
    identity.storeBytes = from.getStoreBytes();
    require(identity.storeBytes <= ResourceSet::kMaxBytes, "the node's store is too large");
    identity.version = textOf(from.getVersion(), kMaxName, "version");
    return identity;
  });
}

void write(const NodeMail& from, schema::NodeOrders::Builder to) {
  const NodeOrders& orders = from.orders;
  fillAll(from.peers, [&](unsigned n) { return to.initPeers(n); },
          [](auto& one, auto wire) { write(one, wire); });
  fillAll(orders.jobs, [&](unsigned n) { return to.initJobs(n); },
          [](auto& one, auto wire) { fill(one, wire); });
  fillAll(orders.classes, [&](unsigned n) { return to.initClasses(n); },
          [](auto& one, auto wire) { fill(one, wire); });
  fillAll(orders.assign, [&](unsigned n) { return to.initAssign(n); },
          [](auto& one, auto wire) { fill(one, wire); });
  writeIds(orders.cancel, [&](unsigned n) { return to.initCancel(n); });
  writeIds(orders.release, [&](unsigned n) { return to.initRelease(n); });
  writeIds(orders.ended, [&](unsigned n) { return to.initEnded(n); });
  to.setRestoreDevices(orders.restoreDevices);
  writeIds(orders.giveBack, [&](unsigned n) { return to.initGiveBack(n); });
}

Result<NodeMail> read(schema::NodeOrders::Reader from) {
  return guarded([&] {
    NodeMail mail;
    mail.peers = takeAll<NodeAddress>(from.getPeers(), kMaxNodes, "peers",
        [](auto wire) { return parse(wire); });
    mail.orders.jobs = takeAll<JobNotice>(from.getJobs(), kMaxJobs, "jobs",
        [](auto wire) { return take(wire); });
    mail.orders.classes = takeAll<ClassNotice>(from.getClasses(), kMaxListed, "classes",
        [](auto wire) { return take(wire); });
    mail.orders.assign = takeAll<Assignment>(from.getAssign(), kMaxListed, "assignments",
        [](auto wire) { return take(wire); });
    mail.orders.cancel = idsOf<TaskId>(from.getCancel(), kMaxListed, "cancels");
    mail.orders.release = idsOf<ObjectId>(from.getRelease(), kMaxListed, "releases");
    mail.orders.ended = idsOf<JobId>(from.getEnded(), kMaxJobs, "ended jobs");
    mail.orders.restoreDevices = from.getRestoreDevices();
    mail.orders.giveBack = idsOf<TaskId>(from.getGiveBack(), kMaxListed, "tasks to give back");
    return mail;
  });
}

void write(const std::vector<TaskDone>& from, capnp::List<schema::TaskDone>::Builder to,
           FailureTable& failures) {
  for (unsigned i = 0; i < from.size(); ++i) {
    const TaskDone& done = from[i];
    auto wire = to[i];
    wire.setTask(done.id.value);
    wire.setAttempt(done.attempt.value);
    wire.setHow(wireOf<schema::TaskDone::How>(done.how));
    if (done.gpu != TaskDone::kNoGpu) {
      wire.setDevice(static_cast<std::uint16_t>(done.gpu + 1));
    }
    wire.setRanNanoseconds(nanosecondsFor(done.ran));
    wire.setVariant(done.variant);
    switch (done.how) {
      case TaskDone::How::held:
        wire.setHeld(dataFor(done.held.bytes()));
        break;
      case TaskDone::How::stored:
        wire.setSize(done.size);
        break;
      case TaskDone::How::failed:
        wire.setFailure(failures.add(done.failure));
        break;
      case TaskDone::How::returned:
        break;
    }
    if (done.health == DeviceHealth::ok) continue;
    wire.setHealth(wireOf<schema::TaskDone::DeviceHealth>(done.health));
    wire.setSickDevice(static_cast<std::uint8_t>(done.sickGpu + 1));
  }
}

std::vector<TaskDone> parse(capnp::List<schema::TaskDone>::Reader from,
                            const std::vector<FailurePtr>& failures) {
  atMost(from.size(), kMaxListed, "ends of tasks");
  std::vector<TaskDone> out;
  out.reserve(std::min<std::size_t>(from.size(), kMostReserved));
  for (auto wire : from) {
    TaskDone& done = out.emplace_back();
    done.id = objectOf(wire.getTask());
    done.attempt = Attempt{wire.getAttempt()};
    done.how = enumOf(wire.getHow(), TaskDone::How::held, TaskDone::How::returned, "end of a task");
    if (wire.getDevice() != 0) {
      done.gpu = wire.getDevice() - 1u;
      require(done.gpu < Topology::kMaxGpus, "a task had a GPU that no node has");
    }
    done.ran = durationOf(wire.getRanNanoseconds());
    done.variant = wire.getVariant();
    require(done.variant < TaskClass::kMaxVariants, "a task ran as a variant that no class has");
    switch (done.how) {
      case TaskDone::How::held:
        done.held = blobOf(wire.getHeld(), "bytes of a result");
        break;
      case TaskDone::How::stored:
        done.size = wire.getSize();
        break;
      case TaskDone::How::failed:
        done.failure = failureAt(failures, wire.getFailure());
        break;
      case TaskDone::How::returned:
        break;
    }
    done.health = enumOf(wire.getHealth(), DeviceHealth::ok, DeviceHealth::deviceLost,
                         "health of a device");
    if (done.health == DeviceHealth::ok) continue;
    require(wire.getSickDevice() != 0 && wire.getSickDevice() <= Topology::kMaxGpus,
            "a task says of no GPU that it is sick");
    done.sickGpu = wire.getSickDevice() - 1u;
  }
  return out;
}

void write(const NodeNews& from, schema::NodeReport::Builder to) {
  FailureTable failures;
  if (!from.report.done.empty()) {
    write(from.report.done, to.initDone(static_cast<unsigned>(from.report.done.size())),
          failures);
  }
  if (failures.size() > 0) failures.write(to.initFailures(static_cast<unsigned>(failures.size())));
  if (!from.report.kept.empty()) {
    auto kept = to.initKept(static_cast<unsigned>(from.report.kept.size()));
    for (unsigned i = 0; i < from.report.kept.size(); ++i) {
      kept[i].setObject(from.report.kept[i].object.value);
      kept[i].setSize(from.report.kept[i].size);
    }
  }
  writeIds(from.report.dropped, [&](unsigned n) { return to.initDropped(n); });
  if (from.lanes) {
    auto lanes = to.initLanes(static_cast<unsigned>(from.lanes->size()));
    for (unsigned i = 0; i < from.lanes->size(); ++i) write((*from.lanes)[i], lanes[i]);
  }
  to.setStoreUsedBytes(from.storeUsed);
  fillAll(from.report.costs, [&](unsigned n) { return to.initCosts(n); },
          [](auto& one, auto wire) { fill(one, wire); });
  to.setPullBytesPerSecond(from.report.pullRate);
  if (const auto& withdrawn = from.report.withdrawn) {
    write(*withdrawn, to.initWithdrawn(static_cast<unsigned>(withdrawn->size())));
  }
  if (const auto& memory = from.deviceMemory) {
    write(*memory, to.initDeviceMemory(static_cast<unsigned>(memory->size())));
  }
}

Result<NodeNews> read(schema::NodeReport::Reader from) {
  return guarded([&] {
    NodeNews news;
    news.report.done = parse(from.getDone(), parseFailures(from.getFailures()));
    atMost(from.getKept().size(), kMaxListed, "kept objects");
    for (auto kept : from.getKept()) {
      news.report.kept.push_back({objectOf(kept.getObject()), kept.getSize()});
    }
    news.report.dropped = idsOf<ObjectId>(from.getDropped(), kMaxListed, "dropped objects");
    if (from.hasLanes()) {
      atMost(from.getLanes().size(), kMaxNodes, "lanes");
      news.lanes.emplace();
      for (auto lane : from.getLanes()) news.lanes->push_back(orBreak(read(lane)));
    }
    news.storeUsed = from.getStoreUsedBytes();
    news.report.costs = takeAll<CostReport>(from.getCosts(), kMaxListed, "costs",
        [](auto wire) { return take(wire); });
    news.report.pullRate = from.getPullBytesPerSecond();
    if (from.hasWithdrawn()) news.report.withdrawn = parse(from.getWithdrawn());
    if (from.hasDeviceMemory()) news.deviceMemory = parse(from.getDeviceMemory());
    return news;
  });
}

}  // namespace alnilam::rpc
