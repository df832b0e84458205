#pragma once
// Made-up structs for tests and benches: the same seed gives the same struct.
//
// Every member is set to something that is not its default somewhere among a few seeds, within the
// bounds that the codecs hold peers to.

#include "transport/rpc/client_codec.h"
#include "transport/rpc/executor_codec.h"
#include "transport/rpc/node_codec.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace alnilam::rpc {

class MadeUp {
 public:
  explicit MadeUp(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}

  // Source: splitmix64, Sebastiano Vigna, public domain.
  std::uint64_t number() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return number() % n; }
  std::uint32_t small() { return static_cast<std::uint32_t>(1 + below(1000)); }
  bool maybe() { return below(2) == 0; }
  Duration duration() { return Duration(1 + below(1'000'000'000)); }

  std::string text(std::size_t most = 40) {
    static constexpr const char* kPieces[] = {"a", "Z",      "_",      "::",
                                              "7", "\u00e9", "\u6f22", "\U0001f600"};
    std::string text = "t";
    while (text.size() + 4 < most && below(12) != 0) text += kPieces[below(8)];
    return text;
  }
  Blob blob(std::size_t most = 100) {
    return Blob::fill(1 + below(most), [&](std::span<std::byte> room) {
      for (auto& byte : room) byte = static_cast<std::byte>(number());
    });
  }
  ObjectId object(JobId job = {7}) { return ObjectId::make(job, small()); }

  template <typename Make>
  auto list(Make make, std::size_t most = 4) {
    std::vector<decltype(make())> out;
    for (std::uint64_t n = 1 + below(most); n > 0; --n) out.push_back(make());
    return out;
  }
  std::vector<ObjectId> objects() { return list([&] { return object(); }); }
  std::vector<std::string> texts() { return list([&] { return text(); }); }

  ResourceSet resources() {
    ResourceSet set;
    set.cpus = {static_cast<std::int64_t>(small())};
    set.gpus = {static_cast<std::int64_t>(small())};
    set.memory = number() >> 8;
    set.gpuMemory = number() >> 8;
    set.named = {{"a" + text(), {5}}, {"b" + text(), {static_cast<std::int64_t>(small())}}};
    return set;
  }
  Topology topology() {
    Topology t;
    t.hostname = text();
    t.source = text();
    t.packages = 2;
    t.domains = {{0, 0, 1_GiB}, {small(), 1, (1 + below(64)) * 1_GiB}};
    t.cores = list([&] { return Core{small(), static_cast<std::uint32_t>(below(2))}; }, 64);
    t.gpus = list([&] {
      return Gpu{text(), text(), text(), (1 + below(80)) * 1_GiB,
                 static_cast<std::uint32_t>(below(2)), small(), 90, maybe(), small(), maybe(),
                 maybe(), text()};
    });
    t.nics = list([&] { return Nic{text(), static_cast<std::uint32_t>(below(2))}; });
    t.links.resize(t.gpus.size() * t.gpus.size());
    for (auto& link : t.links) link = {static_cast<LinkClass>(below(3)), small()};
    t.features = texts();
    t.labels = texts();
    return t;
  }
  std::vector<WithdrawnGpu> withdrawn() {
    return list([&] { return WithdrawnGpu{static_cast<std::uint32_t>(below(64)), text()}; });
  }
  std::vector<DeviceMemoryUse> deviceMemory() {
    return list([&] {
      return DeviceMemoryUse{static_cast<std::uint32_t>(below(64)), number() >> 20, number() >> 20,
                             number() >> 20, number() >> 20};
    });
  }
  TaskClass taskClass() {
    TaskClass made{text(), resources(), static_cast<std::int32_t>(below(2001)) - 1000,
                   static_cast<std::uint32_t>(below(101)), maybe()};
    made.delay = Duration(static_cast<std::int64_t>(number() >> 8));
    made.deadline = Duration(static_cast<std::int64_t>(number() >> 8));
    made.preemptible = maybe();
    made.placing.policy = static_cast<PlacementPolicy>(below(5));
    if (maybe()) made.placing.affinity = text();
    if (maybe()) made.placing.apart = text();
    made.placing.rules = list([&] { return LabelRule{text(8), texts(), maybe()}; });
    if (maybe()) return made;
    made.variants = list([&] { return Variant{text(8), text(), resources()}; });
    made.needs = made.variants.front().needs;
    return made;
  }
  FailurePtr failure() {
    Failure f;
    f.kind = static_cast<FailureKind>(1 + below(14));
    f.task = object();
    f.function = text();
    f.node = text();
    f.attempt = {small()};
    f.type = text();
    f.message = text(4000);
    f.chain = texts();
    return std::make_shared<const Failure>(std::move(f));
  }
  NodeAddress address() {
    return {NodeId{small()}, text(), text(), text(), text(), std::string("\0\xff", 2) + text()};
  }
  Value value() {
    if (maybe()) return Value::of(blob());
    return Value::at(1 + below(1 << 30), list([&] { return NodeId{small()}; }));
  }
  ObjectValues inputs() {
    return list([&] { return std::pair(object(), value()); });
  }
  ObjectValues answers() {
    ObjectValues out = inputs();
    auto shared = failure();
    for (int i = 0; i < 3; ++i) out.emplace_back(object(), Value::failed(shared));
    out.emplace_back(object(), Value::failed(failure()));
    return out;
  }
  Lane lane() { return {NodeId{small()}, text(), small(), number() >> 8, duration()}; }

  JobShare jobShare() {
    JobShare share;
    share.weight = 1 + static_cast<std::uint32_t>(below(JobShare::kMaxWeight));
    if (maybe()) share.quota.cpus = resources().cpus;
    if (maybe()) share.quota.gpus = resources().gpus;
    if (maybe()) share.quota.memory = resources().memory;
    if (maybe()) share.quota.gpuMemory = resources().gpuMemory;
    if (maybe()) share.quota.named = resources().named;
    return share;
  }
  Program program() {
    std::string hash;
    while (hash.size() < 64) hash += "0123456789abcdef"[below(16)];
    return {hash, 1 + below(1_GiB), texts()};
  }
  TaskSpec task(JobId job = {7}) {
    TaskSpec spec{object(job), small(), blob(), {}};
    if (maybe()) spec.inputs = objects();
    return spec;
  }
  ClientBatch clientBatch() {
    ClientBatch b;
    b.classes = list([&] { return taskClass(); });
    b.puts = inputs();
    b.tasks = list([&] { return task(); });
    b.wants = objects();
    b.cancels = objects();
    b.releases = objects();
    return b;
  }
  Told told() { return {answers(), list([&] { return address(); })}; }
  UsageRow usage() {
    UsageRow row{text(), text(), small(), duration(), number() >> 8, text()};
    if (maybe()) row.variants = list([&] { return VariantRuns{text(), text(8), text(), small()}; });
    return row;
  }
  Status status() {
    return {text(), Epoch{small()}, duration(), small(), small(), small(), small(), small(),
            small(), small()};
  }
  NodeRow nodeRow() {
    NodeRow row;
    row.view = {NodeId{small()}, text(), true, topology(), resources(), resources(), small(),
                small(), withdrawn(), text()};
    row.address = address();
    row.lanes = list([&] { return lane(); });
    row.storeBytes = number() >> 8;
    row.storeUsed = number() >> 8;
    row.deviceMemory = deviceMemory();
    return row;
  }
  head::JobView jobView() {
    return {JobId{small()}, text(), true, small(), small(), small(), small(), small()};
  }
  head::TaskView taskView() {
    return {object(), text(), text(), text(), Attempt{small()}, duration(), text()};
  }

  NodeIdentity identity() {
    NodeIdentity id;
    id.incarnation = {number() | 1};
    id.address = address();
    id.topology = topology();
    id.offered = id.topology.total();
    id.offered.named = {{"license", {10'000}}};
    id.dataLane = text();
    id.storeBytes = number() >> 8;
    id.version = text();
    return id;
  }
  Assignment assignment() {
    Assignment a{object(), Attempt{small()}, small(), blob(), {}, maybe()};
    if (maybe()) a.inputs = inputs();
    if (maybe()) a.inputs.emplace_back(object(), Value{});
    a.variant = static_cast<std::uint8_t>(below(8));
    a.trial = maybe();
    return a;
  }
  NodeMail mail() {
    NodeMail m;
    m.peers = list([&] { return address(); });
    m.orders.jobs = list([&] { return JobNotice{JobId{small()}, program().hash, texts()}; });
    m.orders.classes = list([&] { return ClassNotice{JobId{small()}, small(), taskClass()}; });
    m.orders.assign = list([&] { return assignment(); });
    m.orders.cancel = objects();
    m.orders.release = objects();
    m.orders.ended = list([&] { return JobId{small()}; });
    m.orders.restoreDevices = maybe();
    m.orders.giveBack = objects();
    return m;
  }
  TaskDone done() {
    TaskDone d;
    d.id = object();
    d.attempt = {small()};
    d.how = static_cast<TaskDone::How>(below(4));
    if (d.how == TaskDone::How::held) d.held = blob();
    if (d.how == TaskDone::How::stored) d.size = number();
    if (d.how == TaskDone::How::failed) d.failure = failure();
    d.ran = duration();
    if (maybe()) d.gpu = static_cast<std::uint32_t>(below(64));
    d.variant = static_cast<std::uint8_t>(below(8));
    d.health = static_cast<DeviceHealth>(below(3));
    if (d.health != DeviceHealth::ok) d.sickGpu = static_cast<std::uint32_t>(below(64));
    return d;
  }
  CostReport cost() {
    CostReport c;
    c.job = {small()};
    c.taskClass = small();
    c.variant = static_cast<std::uint8_t>(below(8));
    c.sizeClass = static_cast<std::uint8_t>(below(64));
    if (maybe()) c.gpu = static_cast<std::uint32_t>(below(64));
    c.runs = small();
    c.total = c.runs + small();
    c.mean = duration();
    c.deviation = duration();
    return c;
  }
  NodeNews news() {
    NodeNews n;
    n.report.done = list([&] { return done(); }, 8);
    n.report.kept = list([&] { return ObjectKept{object(), number()}; });
    n.report.dropped = objects();
    n.report.costs = list([&] { return cost(); });
    n.report.pullRate = number();
    n.lanes = list([&] { return lane(); });
    n.storeUsed = number();
    if (maybe()) n.report.withdrawn = maybe() ? withdrawn() : std::vector<WithdrawnGpu>();
    if (maybe()) n.deviceMemory = deviceMemory();
    return n;
  }

  ExecutorStart start() {
    return {ExecutorId{small()}, JobId{small()}, topology(), small(), number() >> 8, small(),
            text()};
  }
  SlotGrant grant() {
    return {SlotId{small()}, small(), list([&] { return small(); }),
            list([&] { return DeviceGrant{static_cast<std::uint32_t>(below(64)),
                                          Amount{static_cast<std::int64_t>(small())},
                                          number() >> 8}; })};
  }
  RunTask runTask() {
    RunTask t{object(), Attempt{small()}, small(), blob(), {}, maybe()};
    if (maybe()) {
      t.inputs = list([&] {
        if (maybe()) return RunInput{object(), {}, false, true};
        return maybe() ? RunInput{object(), {}, true} : RunInput{object(), blob(), false};
      });
    }
    return t;
  }
  Orders orders() {
    Orders o;
    o.lanes = list([&] { return std::pair<ClassIndex, std::string>(small(), text()); });
    o.open = list([&] { return grant(); });
    o.close = list([&] { return SlotId{small()}; });
    o.run = list([&] { return runTask(); });
    o.cancel = objects();
    o.forget = objects();
    return o;
  }
  ExecutorReport report() {
    return {list([&] { return done(); }, 8), list([&] { return SlotId{small()}; })};
  }

 private:
  std::uint64_t state_;
};

}  // namespace alnilam::rpc
