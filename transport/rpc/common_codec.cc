#include "transport/rpc/common_codec.h"

#include "transport/rpc/common_parse.h"
#include "transport/rpc/parts.h"

#include <algorithm>

namespace alnilam::rpc {
namespace {

constexpr std::size_t kMaxWhy = 16 << 10;
constexpr std::size_t kMaxFeature = 1024;
constexpr std::size_t kMaxHolders = 10'000;
constexpr std::size_t kMaxWorkerAddress = 64 << 10;

Amount amountOf(std::uint64_t parts, const char* what) {
  constexpr auto kMost = static_cast<std::uint64_t>(Amount::kMaxUnits * Amount::kPerUnit);
  if (parts > kMost) {
    breaks(std::string(what) + " of " + std::to_string(parts) + " parts is more than " +
           std::to_string(kMost));
  }
  return Amount{static_cast<std::int64_t>(parts)};
}

std::string_view viewOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

}  // namespace

void write(const Refusal& from, schema::Refusal::Builder to) {
  to.setCode(wireOf<schema::Refusal::Code>(from.code));
  to.setWhy(textFor(from.why));
}

Refusal read(schema::Refusal::Reader from) {
  Refusal refusal{RefusalCode::invalid, {}};
  auto taken = guarded([&] {
    refusal.code = enumOf(from.getCode(), RefusalCode::invalid, RefusalCode::unavailable,
                          "refusal code");
    refusal.why = textOf(from.getWhy(), kMaxWhy, "sentence of a refusal");
    return true;
  });
  return taken ? refusal : taken.error();
}

void write(const ResourceSet& from, schema::ResourceSet::Builder to) {
  to.setCpuParts(static_cast<std::uint64_t>(from.cpus.parts));
  to.setGpuParts(static_cast<std::uint64_t>(from.gpus.parts));
  to.setMemoryBytes(from.memory);
  to.setGpuMemoryBytes(from.gpuMemory);
  if (from.named.empty()) return;
  auto named = to.initNamed(static_cast<unsigned>(from.named.size()));
  for (unsigned i = 0; i < from.named.size(); ++i) {
    named[i].setName(textFor(from.named[i].name));
    named[i].setParts(static_cast<std::uint64_t>(from.named[i].amount.parts));
  }
}

ResourceSet parse(schema::ResourceSet::Reader from) {
  ResourceSet set;
  set.cpus = amountOf(from.getCpuParts(), "cpus");
  set.gpus = amountOf(from.getGpuParts(), "gpus");
  set.memory = from.getMemoryBytes();
  set.gpuMemory = from.getGpuMemoryBytes();
  atMost(from.getNamed().size(), ResourceSet::kMaxNamed, "named resources");
  for (auto named : from.getNamed()) {
    set.named.push_back({textOf(named.getName(), ResourceSet::kMaxName, "resource's name"),
                         amountOf(named.getParts(), "a named resource")});
  }
  orBreak(set.check());
  return set;
}

void write(const Topology& from, schema::Topology::Builder to) {
  to.setHostname(textFor(from.hostname));
  to.setSource(textFor(from.source));
  to.setPackages(from.packages);
  auto domains = to.initDomains(static_cast<unsigned>(from.domains.size()));
  for (unsigned i = 0; i < from.domains.size(); ++i) {
    domains[i].setOsNode(from.domains[i].osNode);
    domains[i].setPackage(from.domains[i].package);
    domains[i].setMemoryBytes(from.domains[i].memory);
  }
  auto cores = to.initCores(static_cast<unsigned>(from.cores.size()));
  for (unsigned i = 0; i < from.cores.size(); ++i) {
    cores[i].setOsCpu(from.cores[i].osCpu);
    cores[i].setDomain(from.cores[i].domain);
  }
  auto gpus = to.initGpus(static_cast<unsigned>(from.gpus.size()));
  for (unsigned i = 0; i < from.gpus.size(); ++i) {
    const Gpu& gpu = from.gpus[i];
    gpus[i].setUuid(textFor(gpu.uuid));
    gpus[i].setModel(textFor(gpu.model));
    gpus[i].setPciAddress(textFor(gpu.pciAddress));
    gpus[i].setMemoryBytes(gpu.memory);
    gpus[i].setDomain(gpu.domain);
    gpus[i].setMultiprocessors(gpu.multiprocessors);
    gpus[i].setComputeCapability(gpu.computeCapability);
    gpus[i].setEmulated(gpu.emulated);
    gpus[i].setCopyEngines(gpu.copyEngines);
    gpus[i].setErrorCorrection(gpu.errorCorrection);
    gpus[i].setExclusive(gpu.exclusive);
    gpus[i].setParent(textFor(gpu.parent));
  }
  auto nics = to.initNics(static_cast<unsigned>(from.nics.size()));
  for (unsigned i = 0; i < from.nics.size(); ++i) {
    nics[i].setName(textFor(from.nics[i].name));
    nics[i].setDomain(from.nics[i].domain);
  }
  auto links = to.initLinks(static_cast<unsigned>(from.links.size()));
  for (unsigned i = 0; i < from.links.size(); ++i) {
    links[i].setKind(wireOf<schema::Topology::LinkClass>(from.links[i].kind));
    links[i].setMegabytesPerSecond(from.links[i].megabytesPerSecond);
  }
  auto features = to.initFeatures(static_cast<unsigned>(from.features.size()));
  for (unsigned i = 0; i < from.features.size(); ++i) features.set(i, textFor(from.features[i]));
  auto labels = to.initLabels(static_cast<unsigned>(from.labels.size()));
  for (unsigned i = 0; i < from.labels.size(); ++i) labels.set(i, textFor(from.labels[i]));
}

Topology parse(schema::Topology::Reader from) {
  Topology topology;
  topology.hostname = textOf(from.getHostname(), kMaxName, "host's name");
  topology.source = textOf(from.getSource(), 4096, "topology's source");
  topology.packages = from.getPackages();
  atMost(from.getDomains().size(), Topology::kMaxDomains, "NUMA domains");
  for (auto domain : from.getDomains()) {
    topology.domains.push_back(
        {domain.getOsNode(), domain.getPackage(), domain.getMemoryBytes()});
  }
  atMost(from.getCores().size(), Topology::kMaxCores, "cores");
  for (auto core : from.getCores()) topology.cores.push_back({core.getOsCpu(), core.getDomain()});
  atMost(from.getGpus().size(), Topology::kMaxGpus, "GPUs");
  for (auto wire : from.getGpus()) {
    Gpu gpu;
    gpu.uuid = textOf(wire.getUuid(), kMaxName, "GPU's UUID");
    gpu.model = textOf(wire.getModel(), kMaxName, "GPU's model");
    gpu.pciAddress = textOf(wire.getPciAddress(), kMaxName, "PCI address");
    gpu.memory = wire.getMemoryBytes();
    gpu.domain = wire.getDomain();
    gpu.multiprocessors = wire.getMultiprocessors();
    gpu.computeCapability = wire.getComputeCapability();
    gpu.emulated = wire.getEmulated();
    gpu.copyEngines = wire.getCopyEngines();
    gpu.errorCorrection = wire.getErrorCorrection();
    gpu.exclusive = wire.getExclusive();
    gpu.parent = textOf(wire.getParent(), kMaxName, "UUID of a GPU's parent");
    topology.gpus.push_back(std::move(gpu));
  }
  atMost(from.getNics().size(), Topology::kMaxNics, "network interfaces");
  for (auto nic : from.getNics()) {
    topology.nics.push_back({textOf(nic.getName(), kMaxName, "interface's name"),
                             nic.getDomain()});
  }
  atMost(from.getLinks().size(), Topology::kMaxGpus * Topology::kMaxGpus, "GPU links");
  for (auto link : from.getLinks()) {
    topology.links.push_back({enumOf(link.getKind(), LinkClass::host, LinkClass::nvlink,
                                     "class of link"),
                              link.getMegabytesPerSecond()});
  }
  atMost(from.getFeatures().size(), Topology::kMaxFeatures, "features");
  for (auto feature : from.getFeatures()) {
    topology.features.push_back(textOf(feature, kMaxFeature, "feature"));
  }
  atMost(from.getLabels().size(), Topology::kMaxLabels, "labels");
  for (auto label : from.getLabels()) {
    topology.labels.push_back(textOf(label, kMaxFeature, "label"));
  }
  orBreak(topology.check());
  return topology;
}

void write(const std::vector<WithdrawnGpu>& from, capnp::List<schema::WithdrawnGpu>::Builder to) {
  for (unsigned i = 0; i < from.size(); ++i) {
    to[i].setGpu(from[i].gpu);
    to[i].setWhy(textFor(from[i].why));
  }
}

std::vector<WithdrawnGpu> parse(capnp::List<schema::WithdrawnGpu>::Reader from) {
  return takeAll<WithdrawnGpu>(from, Topology::kMaxGpus, "withdrawn GPUs", [](auto wire) {
    require(wire.getGpu() < Topology::kMaxGpus, "a withdrawn GPU is one that no node has");
    return WithdrawnGpu{wire.getGpu(),
                        textOf(wire.getWhy(), WithdrawnGpu::kMaxWhy, "reason of a withdrawal")};
  });
}

void write(const std::vector<DeviceMemoryUse>& from,
           capnp::List<schema::DeviceMemory>::Builder to) {
  for (unsigned i = 0; i < from.size(); ++i) {
    to[i].setGpu(from[i].gpu);
    to[i].setUsed(from[i].used);
    to[i].setReserved(from[i].reserved);
    to[i].setMostUsed(from[i].mostUsed);
    to[i].setMostReserved(from[i].mostReserved);
  }
}

std::vector<DeviceMemoryUse> parse(capnp::List<schema::DeviceMemory>::Reader from) {
  return takeAll<DeviceMemoryUse>(from, Topology::kMaxGpus, "devices", [](auto wire) {
    require(wire.getGpu() < Topology::kMaxGpus, "memory of a GPU that no node has");
    // Of bytes more than a node's memory may be, sums would overflow.
    for (Bytes bytes : {wire.getUsed(), wire.getReserved(), wire.getMostUsed(),
                        wire.getMostReserved()}) {
      require(bytes <= Topology::kMaxMemory, "a GPU's memory is more than any has");
    }
    return DeviceMemoryUse{wire.getGpu(), wire.getUsed(), wire.getReserved(), wire.getMostUsed(),
                           wire.getMostReserved()};
  });
}

Result<std::vector<DeviceMemoryUse>> read(capnp::List<schema::DeviceMemory>::Reader from) {
  return guarded([&] { return parse(from); });
}

void write(const TaskClass& from, schema::TaskClass::Builder to) {
  to.setFunction(textFor(from.function));
  write(from.needs, to.initNeeds());
  to.setPriority(from.priority);
  to.setRetries(from.retries);
  to.setRetryExceptions(from.retryExceptions);
  to.setDelayNanoseconds(nanosecondsFor(from.delay));
  to.setDeadlineNanoseconds(nanosecondsFor(from.deadline));
  to.setPreemptible(from.preemptible);
  to.setPolicy(wireOf<schema::TaskClass::PlacementPolicy>(from.placing.policy));
  if (!from.placing.affinity.empty()) to.setAffinity(textFor(from.placing.affinity));
  if (!from.placing.apart.empty()) to.setApart(textFor(from.placing.apart));
  fillAll(from.placing.rules, [&](unsigned n) { return to.initRules(n); },
          [](const LabelRule& rule, auto wire) {
            wire.setKey(textFor(rule.key));
            auto values = wire.initValues(static_cast<unsigned>(rule.values.size()));
            for (unsigned i = 0; i < rule.values.size(); ++i) {
              values.set(i, textFor(rule.values[i]));
            }
            wire.setExcluded(rule.excluded);
          });
  fillAll(from.variants, [&](unsigned n) { return to.initVariants(n); },
          [](const Variant& one, auto wire) {
            wire.setKind(textFor(one.kind));
            wire.setFunction(textFor(one.function));
            write(one.needs, wire.initNeeds());
          });
}

static Variant takeVariant(schema::TaskClass::Variant::Reader from) {
  Variant variant;
  variant.kind = textOf(from.getKind(), TaskClass::kMaxKind, "kind of a variant");
  require(!variant.kind.empty(), "a task's variant has no kind");
  variant.function = textOf(from.getFunction(), kMaxFunctionName, "function's name");
  require(!variant.function.empty(), "a task's variant has no function");
  variant.needs = parse(from.getNeeds());
  return variant;
}

static Placing takePlacing(schema::TaskClass::Reader from) {
  Placing placing;
  placing.policy = enumOf(from.getPolicy(), PlacementPolicy::standard, PlacementPolicy::affinity,
                          "policy of placement");
  placing.affinity = textOf(from.getAffinity(), Placing::kMaxKey, "key of affinity");
  placing.apart = textOf(from.getApart(), Placing::kMaxKey, "key of tasks that are apart");
  placing.rules = takeAll<LabelRule>(from.getRules(), LabelRule::kMaxRules, "rules about labels",
      [](auto wire) {
        LabelRule rule;
        rule.key = textOf(wire.getKey(), kMaxLabelKey, "key of a label");
        rule.excluded = wire.getExcluded();
        atMost(wire.getValues().size(), LabelRule::kMaxValues, "values of a rule");
        for (auto value : wire.getValues()) {
          rule.values.push_back(textOf(value, kMaxLabelValue, "value of a label"));
        }
        return rule;
      });
  return placing;
}

TaskClass parse(schema::TaskClass::Reader from) {
  TaskClass taskClass;
  taskClass.function = textOf(from.getFunction(), kMaxFunctionName, "function's name");
  require(!taskClass.function.empty(), "a task's function has no name");
  taskClass.needs = parse(from.getNeeds());
  taskClass.priority = TaskClass::clampPriority(from.getPriority());
  taskClass.retries = from.getRetries();
  atMost(taskClass.retries, TaskClass::kMaxRetries, "retries");
  taskClass.retryExceptions = from.getRetryExceptions();
  taskClass.delay = durationOf(from.getDelayNanoseconds());
  taskClass.deadline = durationOf(from.getDeadlineNanoseconds());
  taskClass.preemptible = from.getPreemptible();
  taskClass.placing = takePlacing(from);
  taskClass.variants = takeAll<Variant>(from.getVariants(), TaskClass::kMaxVariants, "variants",
                                        [](auto wire) { return takeVariant(wire); });
  if (taskClass.hasVariants()) taskClass.needs = taskClass.variants.front().needs;
  return taskClass;
}

void write(const Failure& from, schema::Failure::Builder to) {
  to.setKind(wireOf<schema::Failure::Kind>(from.kind));
  to.setTask(from.task.value);
  to.setFunction(textFor(from.function));
  to.setNode(textFor(from.node));
  to.setAttempt(from.attempt.value);
  to.setType(textFor(from.type));
  to.setMessage(textFor(from.message));
  if (from.chain.empty()) return;
  auto chain = to.initChain(static_cast<unsigned>(from.chain.size()));
  for (unsigned i = 0; i < from.chain.size(); ++i) chain.set(i, textFor(from.chain[i]));
}

Failure parse(schema::Failure::Reader from) {
  Failure failure;
  failure.kind = enumOf(from.getKind(), FailureKind::exception, FailureKind::deadlinePassed,
                        "kind of failure");
  failure.task = TaskId{from.getTask()};
  failure.function = textOf(from.getFunction(), kMaxFunctionName, "function's name");
  failure.node = textOf(from.getNode(), kMaxName, "node's name");
  failure.attempt = Attempt{from.getAttempt()};
  failure.type = textOf(from.getType(), kMaxFunctionName, "exception's type");
  failure.message = textOf(from.getMessage(), Failure::kMaxMessage, "failure's message");
  atMost(from.getChain().size(), Failure::kMaxChain, "functions in a failure's chain");
  for (auto link : from.getChain()) {
    failure.chain.push_back(textOf(link, kMaxFunctionName, "function's name"));
  }
  return failure;
}

void write(const NodeAddress& from, schema::NodeAddress::Builder to) {
  to.setNode(from.node.value);
  to.setName(textFor(from.name));
  to.setObjects(textFor(from.objects));
  to.setLocalPath(textFor(from.localPath));
  to.setHostIdentity(textFor(from.hostIdentity));
  to.setMover(dataFor(std::as_bytes(std::span(from.mover))));
}

NodeAddress parse(schema::NodeAddress::Reader from) {
  NodeAddress address;
  address.node = NodeId{from.getNode()};
  address.name = textOf(from.getName(), kMaxName, "node's name");
  require(!address.name.empty(), "a node has no name");
  address.objects = textOf(from.getObjects(), 1024, "address of an object service");
  address.localPath = textOf(from.getLocalPath(), 4096, "path of an object service");
  address.hostIdentity = textOf(from.getHostIdentity(), kMaxName, "host's identity");
  atMost(from.getMover().size(), kMaxWorkerAddress, "bytes in a mover's address");
  address.mover = viewOf(from.getMover());
  return address;
}

Result<ResourceSet> read(schema::ResourceSet::Reader from) {
  return guarded([&] { return parse(from); });
}
Result<Topology> read(schema::Topology::Reader from) {
  return guarded([&] { return parse(from); });
}
Result<TaskClass> read(schema::TaskClass::Reader from) {
  return guarded([&] { return parse(from); });
}
Result<Failure> read(schema::Failure::Reader from) {
  return guarded([&] { return parse(from); });
}
Result<NodeAddress> read(schema::NodeAddress::Reader from) {
  return guarded([&] { return parse(from); });
}

std::uint32_t FailureTable::add(const FailurePtr& failure) {
  ALNILAM_ASSERT(failure != nullptr);
  auto [it, isNew] =
      indices_.try_emplace(failure.get(), static_cast<std::uint32_t>(failures_.size()));
  if (isNew) failures_.push_back(failure.get());
  return it->second;
}

void FailureTable::write(capnp::List<schema::Failure>::Builder to) const {
  for (unsigned i = 0; i < failures_.size(); ++i) rpc::write(*failures_[i], to[i]);
}

std::vector<FailurePtr> parseFailures(capnp::List<schema::Failure>::Reader from) {
  atMost(from.size(), kMaxListed, "failures");
  std::vector<FailurePtr> failures;
  for (auto failure : from) failures.push_back(std::make_shared<const Failure>(parse(failure)));
  return failures;
}

const FailurePtr& failureAt(const std::vector<FailurePtr>& failures, std::uint32_t index) {
  require(index < failures.size(), "a failed value points at no failure");
  return failures[index];
}

void write(const ObjectValues& from, capnp::List<schema::ObjectValue>::Builder to,
           FailureTable* failures) {
  for (unsigned i = 0; i < from.size(); ++i) {
    auto& [object, value] = from[i];
    auto wire = to[i];
    wire.setObject(object.value);
    wire.setState(wireOf<schema::ObjectValue::State>(value.state));
    switch (value.state) {
      case Value::State::pending:
        break;
      case Value::State::held:
        wire.setHeld(dataFor(value.held.bytes()));
        break;
      case Value::State::stored:
        wire.setSize(value.size);
        writeIds(value.holders, [&](unsigned n) { return wire.initHolders(n); });
        break;
      case Value::State::failed:
        ALNILAM_ASSERT(failures != nullptr);
        wire.setFailure(failures->add(value.failure));
        break;
    }
  }
}

ObjectValues parse(capnp::List<schema::ObjectValue>::Reader from, ValuesOf kind,
                   const std::vector<FailurePtr>& failures) {
  atMost(from.size(), kMaxListed, "values");
  ObjectValues out;
  out.reserve(std::min<std::size_t>(from.size(), kMostReserved));
  for (auto wire : from) {
    auto& [object, value] = out.emplace_back();
    object = objectOf(wire.getObject());
    value.state = enumOf(wire.getState(), Value::State::pending, Value::State::failed,
                         "state of a value");
    switch (value.state) {
      case Value::State::pending:
        if (kind != ValuesOf::inputs) breaks("the value of " + show(object) + " is pending");
        break;
      case Value::State::held:
        value.held = blobOf(wire.getHeld(), "bytes of a value");
        break;
      case Value::State::stored:
        value.size = wire.getSize();
        value.holders = idsOf<NodeId>(wire.getHolders(), kMaxHolders, "holders");
        require(!value.holders.empty(), "a stored value has no holder");
        break;
      case Value::State::failed:
        require(kind == ValuesOf::answers, "an input has failed");
        value.failure = failureAt(failures, wire.getFailure());
        break;
    }
  }
  return out;
}

}  // namespace alnilam::rpc
