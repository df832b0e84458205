#include "transport/rpc/client_codec.h"

#include "transport/rpc/common_parse.h"
#include "transport/rpc/parts.h"

#include <algorithm>

namespace alnilam::rpc {
namespace {

constexpr std::size_t kMaxNodes = 100'000;
constexpr std::uint64_t kNoBound = ~std::uint64_t{0};  // of a quota

bool isHash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Tasks of one job travel by their index alone.
TaskSpec take(schema::ClientBatch::Task::Reader from, JobId job) {
  TaskSpec task;
  task.id = ObjectId::make(job, from.getIndex());
  require(from.getIndex() != 0 && from.getIndex() <= kMaxTasks, "a task's index is out of range");
  task.taskClass = from.getTaskClass();
  task.arguments = blobOf(from.getArguments(), "arguments of a task");
  if (from.hasInputs()) task.inputs = idsOf<ObjectId>(from.getInputs(), kMaxInputs, "inputs");
  return task;
}

void requireOf(JobId job, const std::vector<ObjectId>& objects) {
  for (ObjectId object : objects) {
    if (object.job() != job) breaks(show(object) + " is of another job");
  }
}

}  // namespace

void write(const Program& from, schema::Program::Builder to) {
  to.setHash(textFor(from.hash));
  to.setSize(from.size);
  auto arguments = to.initArguments(static_cast<unsigned>(from.arguments.size()));
  for (unsigned i = 0; i < from.arguments.size(); ++i) {
    arguments.set(i, textFor(from.arguments[i]));
  }
}

Result<Program> read(schema::Program::Reader from) {
  return guarded([&] {
    Program program;
    program.hash = textOf(from.getHash(), 64, "program's hash");
    require(isHash(program.hash), "the program's hash is not 64 hex digits");
    program.size = from.getSize();
    if (program.size == 0 || program.size > Program::kMaxSize) {
      breaks("a program of " + std::to_string(program.size) + " bytes");
    }
    program.arguments =
        textsOf(from.getArguments(), kMaxArguments, kMaxArgument, "arguments of the program");
    return program;
  });
}

void write(const JobShare& from, schema::JobShare::Builder to) {
  auto parts = [](Amount amount) { return static_cast<std::uint64_t>(amount.parts); };
  to.setWeight(from.weight);
  const Quota& quota = from.quota;
  if (quota.cpus) to.setCpuParts(parts(*quota.cpus));
  if (quota.gpus) to.setGpuParts(parts(*quota.gpus));
  if (quota.memory) to.setMemoryBytes(*quota.memory);
  if (quota.gpuMemory) to.setGpuMemoryBytes(*quota.gpuMemory);
  fillAll(quota.named, [&](unsigned n) { return to.initNamed(n); },
          [&](const NamedAmount& one, auto wire) {
            wire.setName(textFor(one.name));
            wire.setParts(parts(one.amount));
          });
}

Result<JobShare> read(schema::JobShare::Reader from) {
  return guarded([&] {
    constexpr std::uint64_t kMostParts = Amount::whole(Amount::kMaxUnits).parts;
    auto partsOf = [](std::uint64_t parts, const char* what) {
      atMost(parts, kMostParts, what);
      return Amount{static_cast<std::int64_t>(parts)};
    };
    JobShare share;
    share.weight = from.getWeight();
    Quota& quota = share.quota;
    if (from.getCpuParts() != kNoBound) quota.cpus = partsOf(from.getCpuParts(), "parts of cpus");
    if (from.getGpuParts() != kNoBound) quota.gpus = partsOf(from.getGpuParts(), "parts of gpus");
    if (from.getMemoryBytes() != kNoBound) quota.memory = from.getMemoryBytes();
    if (from.getGpuMemoryBytes() != kNoBound) quota.gpuMemory = from.getGpuMemoryBytes();
    quota.named = takeAll<NamedAmount>(
        from.getNamed(), ResourceSet::kMaxNamed, "resources of a quota", [&](auto wire) {
          return NamedAmount{textOf(wire.getName(), ResourceSet::kMaxName, "resource's name"),
                             partsOf(wire.getParts(), "parts of a resource")};
        });
    orBreak(share.check());
    return share;
  });
}

void write(const ClientBatch& from, schema::ClientBatch::Builder to) {
  fillAll(from.classes, [&](unsigned n) { return to.initClasses(n); },
          [](auto& one, auto wire) { write(one, wire); });
  if (!from.puts.empty()) {
    write(from.puts, to.initPuts(static_cast<unsigned>(from.puts.size())), nullptr);
  }
  if (!from.tasks.empty()) {
    auto tasks = to.initTasks(static_cast<unsigned>(from.tasks.size()));
    for (unsigned i = 0; i < from.tasks.size(); ++i) {
      const TaskSpec& task = from.tasks[i];
      auto wire = tasks[i];
      wire.setIndex(task.id.index());
      wire.setTaskClass(task.taskClass);
      if (!task.arguments.empty()) wire.setArguments(dataFor(task.arguments.bytes()));
      writeIds(task.inputs, [&](unsigned n) { return wire.initInputs(n); });
    }
  }
  writeIds(from.wants, [&](unsigned n) { return to.initWants(n); });
  writeIds(from.cancels, [&](unsigned n) { return to.initCancels(n); });
  writeIds(from.releases, [&](unsigned n) { return to.initReleases(n); });
}

Result<ClientBatch> read(schema::ClientBatch::Reader from, JobId job) {
  return guarded([&] {
    ClientBatch batch;
    batch.classes = takeAll<TaskClass>(from.getClasses(), kMaxClasses, "classes",
        [](auto wire) { return parse(wire); });
    batch.puts = parse(from.getPuts(), ValuesOf::puts, {});
    for (auto& put : batch.puts) {
      if (put.first.job() != job) breaks(show(put.first) + " is of another job");
    }
    auto tasks = from.getTasks();
    atMost(tasks.size(), kMaxListed, "tasks");
    batch.tasks.reserve(std::min<std::size_t>(tasks.size(), kMostReserved));
    for (auto task : tasks) batch.tasks.push_back(take(task, job));
    batch.wants = idsOf<ObjectId>(from.getWants(), kMaxListed, "wants");
    batch.cancels = idsOf<ObjectId>(from.getCancels(), kMaxListed, "cancels");
    batch.releases = idsOf<ObjectId>(from.getReleases(), kMaxListed, "releases");
    requireOf(job, batch.wants);
    requireOf(job, batch.cancels);
    requireOf(job, batch.releases);
    return batch;
  });
}

void write(const Told& from, schema::Told::Builder to) {
  FailureTable failures;
  write(from.values, to.initValues(static_cast<unsigned>(from.values.size())), &failures);
  if (failures.size() > 0) failures.write(to.initFailures(static_cast<unsigned>(failures.size())));
  fillAll(from.nodes, [&](unsigned n) { return to.initNodes(n); },
          [](auto& one, auto wire) { write(one, wire); });
}

Result<Told> read(schema::Told::Reader from) {
  return guarded([&] {
    Told told;
    told.values = parse(from.getValues(), ValuesOf::answers, parseFailures(from.getFailures()));
    told.nodes = takeAll<NodeAddress>(from.getNodes(), kMaxNodes, "nodes",
        [](auto wire) { return parse(wire); });
    return told;
  });
}

void write(const UsageRow& from, schema::UsageRow::Builder to) {
  to.setNode(textFor(from.node));
  to.setDevice(textFor(from.device));
  to.setTasks(from.tasks);
  to.setBusyNanoseconds(nanosecondsFor(from.busy));
  to.setMovedBytes(from.moved);
  to.setLanes(textFor(from.lanes));
  fillAll(from.variants, [&](unsigned n) { return to.initVariants(n); },
          [](const VariantRuns& one, auto wire) {
            wire.setFunction(textFor(one.function));
            wire.setKind(textFor(one.kind));
            wire.setVariant(textFor(one.variant));
            wire.setTasks(one.tasks);
          });
}

Result<UsageRow> read(schema::UsageRow::Reader from) {
  return guarded([&] {
    UsageRow row;
    row.node = textOf(from.getNode(), kMaxName, "node's name");
    row.device = textOf(from.getDevice(), 1024, "device's name");
    row.tasks = from.getTasks();
    row.busy = durationOf(from.getBusyNanoseconds());
    row.moved = from.getMovedBytes();
    row.lanes = textOf(from.getLanes(), 1024, "names of lanes");
    row.variants = takeAll<VariantRuns>(
        from.getVariants(), kMaxClasses * TaskClass::kMaxVariants, "variants", [](auto wire) {
          return VariantRuns{textOf(wire.getFunction(), kMaxFunctionName, "function's name"),
                             textOf(wire.getKind(), TaskClass::kMaxKind, "kind of a variant"),
                             textOf(wire.getVariant(), kMaxFunctionName, "function's name"),
                             wire.getTasks()};
        });
    return row;
  });
}

void write(const Status& from, schema::Status::Builder to) {
  to.setVersion(textFor(from.version));
  to.setEpoch(from.epoch.value);
  to.setUpNanoseconds(nanosecondsFor(from.up));
  to.setNodesAlive(from.nodesAlive);
  to.setJobsOpen(from.jobsOpen);
  to.setTasksPending(from.tasksPending);
  to.setTasksFinished(from.tasksFinished);
  to.setStaleReports(from.staleReports);
  to.setConnections(from.connections);
  to.setConnectionsRefused(from.connectionsRefused);
}

Result<Status> read(schema::Status::Reader from) {
  return guarded([&] {
    Status status;
    status.version = textOf(from.getVersion(), kMaxName, "version");
    status.epoch = Epoch{from.getEpoch()};
    status.up = durationOf(from.getUpNanoseconds());
    status.nodesAlive = from.getNodesAlive();
    status.jobsOpen = from.getJobsOpen();
    status.tasksPending = from.getTasksPending();
    status.tasksFinished = from.getTasksFinished();
    status.staleReports = from.getStaleReports();
    status.connections = from.getConnections();
    status.connectionsRefused = from.getConnectionsRefused();
    return status;
  });
}

void write(const NodeRow& from, schema::NodeView::Builder to) {
  to.setNode(from.view.node.value);
  to.setName(textFor(from.view.name));
  to.setAlive(from.view.alive);
  write(from.view.topology, to.initTopology());
  write(from.view.total, to.initTotal());
  write(from.view.committed, to.initCommitted());
  to.setRunning(from.view.running);
  to.setFinished(from.view.finished);
  fillAll(from.lanes, [&](unsigned n) { return to.initLanes(n); },
          [](auto& one, auto wire) { write(one, wire); });
  to.setStoreBytes(from.storeBytes);
  to.setStoreUsedBytes(from.storeUsed);
  write(from.address, to.initAddress());
  const std::vector<WithdrawnGpu>& withdrawn = from.view.withdrawn;
  if (!withdrawn.empty()) {
    write(withdrawn, to.initWithdrawn(static_cast<unsigned>(withdrawn.size())));
  }
  if (!from.view.aside.empty()) to.setAside(textFor(from.view.aside));
  if (!from.deviceMemory.empty()) {
    write(from.deviceMemory, to.initDeviceMemory(static_cast<unsigned>(from.deviceMemory.size())));
  }
}

Result<NodeRow> read(schema::NodeView::Reader from) {
  return guarded([&] {
    NodeRow row;
    row.view.node = NodeId{from.getNode()};
    row.view.name = textOf(from.getName(), kMaxName, "node's name");
    row.view.alive = from.getAlive();
    row.view.topology = parse(from.getTopology());
    row.view.total = parse(from.getTotal());
    row.view.committed = parse(from.getCommitted());
    row.view.running = from.getRunning();
    row.view.finished = from.getFinished();
    atMost(from.getLanes().size(), kMaxNodes, "lanes");
    for (auto lane : from.getLanes()) row.lanes.push_back(orBreak(read(lane)));
    row.storeBytes = from.getStoreBytes();
    row.storeUsed = from.getStoreUsedBytes();
    row.address = parse(from.getAddress());
    row.view.withdrawn = parse(from.getWithdrawn());
    row.deviceMemory = parse(from.getDeviceMemory());
    row.view.aside = textOf(from.getAside(), kMaxName, "reason why a node is set aside");
    return row;
  });
}

void write(const head::JobView& from, schema::JobView::Builder to) {
  to.setJob(from.job.value);
  to.setName(textFor(from.name));
  to.setOpen(from.open);
  to.setWaiting(from.waiting);
  to.setReady(from.ready);
  to.setAssigned(from.assigned);
  to.setFinished(from.finished);
  to.setFailed(from.failed);
}

Result<head::JobView> read(schema::JobView::Reader from) {
  return guarded([&] {
    head::JobView view;
    view.job = JobId{from.getJob()};
    view.name = textOf(from.getName(), kMaxName, "job's name");
    view.open = from.getOpen();
    view.waiting = from.getWaiting();
    view.ready = from.getReady();
    view.assigned = from.getAssigned();
    view.finished = from.getFinished();
    view.failed = from.getFailed();
    return view;
  });
}

void write(const head::TaskView& from, schema::TaskView::Builder to) {
  to.setTask(from.id.value);
  to.setFunction(textFor(from.function));
  to.setState(textFor(from.state));
  to.setNode(textFor(from.node));
  to.setAttempt(from.attempt.value);
  to.setRanNanoseconds(nanosecondsFor(from.ran));
  to.setVariant(textFor(from.variant));
}

Result<head::TaskView> read(schema::TaskView::Reader from) {
  return guarded([&] {
    head::TaskView view;
    view.id = objectOf(from.getTask());
    view.function = textOf(from.getFunction(), kMaxFunctionName, "function's name");
    view.state = textOf(from.getState(), kMaxName, "state of a task");
    view.node = textOf(from.getNode(), kMaxName, "node's name");
    view.attempt = Attempt{from.getAttempt()};
    view.ran = durationOf(from.getRanNanoseconds());
    view.variant = textOf(from.getVariant(), kMaxFunctionName + 32, "name of a variant");
    return view;
  });
}

}  // namespace alnilam::rpc
