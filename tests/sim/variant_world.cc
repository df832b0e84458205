#include "tests/sim/variant_world.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;
using placement::CostTable;

constexpr Instant kBound = 20min;
constexpr std::size_t kCpu = 0, kCuda = 1;  // variants
constexpr Duration kWarmUp = 30ms;          // of a host's first run on a device
constexpr std::size_t kBytes[] = {40, 700, 12'000};  // of a task's arguments, by size

}  // namespace

VariantWorld::VariantWorld(std::uint64_t seed) : luck_(seed), head_({}) {
  faults_ = luck_.percent(50);
  usedSizes_ = luck_.percent(40) ? 1 : kSizes;
  makeHosts();
  makeTasks();
}

void VariantWorld::makeHosts() {
  std::size_t count = 3 + luck_.below(3);
  bool oneModel = usedSizes_ == 1;
  for (std::size_t i = 0; i < count; ++i) {
    auto host = std::make_unique<Host>();
    host->model = i == 0 ? 0 : i == 1 ? 1 : oneModel ? luck_.below(2) : luck_.below(kModels);
    Topology topology;
    topology.hostname = std::string(1, static_cast<char>('a' + i));
    topology.domains.push_back({0, 0, 64_GiB});
    std::uint64_t cores = 2 + luck_.below(5);
    for (std::uint32_t c = 0; c < cores; ++c) topology.cores.push_back({c, 0});
    std::uint64_t gpus = host->model == 0 ? 0 : 1 + luck_.below(2);
    for (std::uint32_t g = 0; g < gpus; ++g) {
      Gpu gpu;
      gpu.uuid = "EMU-" + std::to_string(g);
      gpu.model = host->model == 1 ? "A" : "B";
      gpu.memory = 4_GiB;
      topology.gpus.push_back(gpu);
    }
    topology.links.resize(gpus * gpus);
    host->node = std::make_unique<SimNode>(static_cast<Surroundings&>(*this), topology.hostname,
                                           topology);
    hosts_.push_back(std::move(host));
  }
}

void VariantWorld::makeTasks() {
  TaskClass made;
  made.function = "both";
  made.variants = {{"cpu", "onCpu", {}}, {"cuda", "onDevice", {}}};
  made.variants[kCpu].needs.cpus = Amount::whole(1);
  made.variants[kCuda].needs.gpus = Amount::whole(1);
  made.needs = made.variants.front().needs;
  made.retries = TaskClass::kMaxRetries;
  program_.classes.push_back(std::move(made));

  constexpr std::int64_t kRatios[] = {20, 12, 8, 3, 1, -3, -8, -20};  // below 0: slower
  Duration base = luck_.between(500us, 8ms);
  for (std::size_t size = 0; size < kSizes; ++size) {
    onCpu_[size] = base;
    base *= 1 + static_cast<std::int64_t>(luck_.below(4));
    for (std::size_t model = 1; model < kModels; ++model) {
      std::int64_t ratio = kRatios[luck_.below(std::size(kRatios))];
      onDevice_[size][model] = 20us + (ratio > 0 ? onCpu_[size] / ratio : onCpu_[size] * -ratio);
    }
  }
  std::size_t count = 300 + luck_.below(600);
  if (usedSizes_ == 1) count *= 4;
  sizes_.push_back(0);
  for (std::uint32_t index = 1; index <= count; ++index) {
    SimTask task;
    task.index = index;
    program_.tasks.push_back(task);
    sizes_.push_back(luck_.below(usedSizes_));
  }
  told_.resize(count + 1);
}

Duration VariantWorld::runTime(const SimTask& task, const SlotGrant& slot, const Topology& node) {
  Host& host = *hosts_[static_cast<std::size_t>(node.hostname[0] - 'a')];
  std::size_t size = sizeOf(task.index);
  bool onDevice = (slot.lane >> 24) == kCuda;
  Duration usual = onDevice ? onDevice_[size][host.model] : onCpu_[size];
  Duration time = luck_.between(usual * 95 / 100, usual * 105 / 100 + 1ns);
  if (onDevice && !std::exchange(host.isWarm, true)) time += kWarmUp;
  return time;
}

Duration VariantWorld::longestRun() const {
  Duration longest{};
  for (std::size_t size = 0; size < usedSizes_; ++size) {
    longest = std::max(longest, onCpu_[size]);
    for (auto& host : hosts_) longest = std::max(longest, onDevice_[size][host->model]);
  }
  return longest;
}

// ---- The best fixed rule.

Duration VariantWorld::bestStatic() const {
  struct Slot {
    Instant free{};
    std::size_t variant, model;
  };
  std::vector<Slot> idle;
  for (auto& host : hosts_) {
    for (std::size_t i = 0; i < host->node->topology().cores.size(); ++i) {
      idle.push_back({{}, kCpu, host->model});
    }
    for (std::size_t i = 0; i < host->node->topology().gpus.size(); ++i) {
      idle.push_back({{}, kCuda, host->model});
    }
  }
  constexpr std::size_t kDecisions = kSizes * (kModels - 1);
  Duration best = Duration::max();
  for (std::size_t rule = 0; rule < (std::size_t{1} << kDecisions); ++rule) {
    auto chosen = [&](std::size_t size, std::size_t model) {
      if (model == 0) return kCpu;
      return rule >> (size * (kModels - 1) + model - 1) & 1 ? kCuda : kCpu;
    };
    std::vector<Slot> slots = idle;
    Instant last{};
    for (std::size_t index = 1; index < sizes_.size() && last < best; ++index) {
      std::size_t size = sizes_[index];
      Slot* first = nullptr;
      Instant firstEnd = Instant::max();
      for (Slot& slot : slots) {
        if (slot.variant != chosen(size, slot.model)) continue;
        Duration run = slot.variant == kCpu ? onCpu_[size] : onDevice_[size][slot.model];
        if (slot.free + run >= firstEnd) continue;
        first = &slot;
        firstEnd = slot.free + run;
      }
      first->free = firstEnd;
      last = std::max(last, firstEnd);
    }
    best = std::min(best, Duration(last));
  }
  return best;
}

std::optional<VariantWorld::Mix> VariantWorld::mix() const {
  if (usedSizes_ != 1) return std::nullopt;
  Duration onCpu = onCpu_[0], onDevice = onDevice_[0][1];
  if (3 * std::min(onCpu, onDevice) > std::max(onCpu, onDevice)) return std::nullopt;
  std::size_t slower = onCpu < onDevice ? kCuda : kCpu;
  std::uint64_t cores = 0, devices = 0;
  for (auto& host : hosts_) {
    if (host->model == 0) continue;
    cores += host->node->topology().cores.size();
    devices += host->node->topology().gpus.size();
  }
  double byCores = static_cast<double>(cores) / static_cast<double>(onCpu.count());
  double byDevices = static_cast<double>(devices) / static_cast<double>(onDevice.count());
  Mix mix;
  mix.fairShare = (slower == kCpu ? byCores : byDevices) / (byCores + byDevices);
  Instant half = firstSubmit_ + makespan() / 2;
  for (const Ended& one : ended_) {
    if (one.model == 0 || one.when < half) continue;
    ++mix.all;
    mix.slower += one.variant == slower;
  }
  return mix;
}

std::string VariantWorld::describe() const {
  std::string text;
  auto us = [](Duration time) { return std::to_string(time / 1us) + " us"; };
  for (auto& host : hosts_) {
    text += host->node->name() + ": " + std::to_string(host->node->topology().cores.size()) +
            " cores, " + std::to_string(host->node->topology().gpus.size()) + " of model " +
            std::to_string(host->model) + "\n";
  }
  for (std::size_t size = 0; size < usedSizes_; ++size) {
    text += "size " + std::to_string(size) + ": cpu " + us(onCpu_[size]) + ", A " +
            us(onDevice_[size][1]) + ", B " + us(onDevice_[size][2]) + "\n";
  }
  std::map<std::array<std::size_t, 3>, std::pair<std::uint64_t, Instant>> ran;
  for (const Ended& one : ended_) {
    auto& [count, last] = ran[{one.size, one.model, one.variant}];
    ++count;
    last = one.when;
  }
  for (auto& [key, what] : ran) {
    text += "size " + std::to_string(key[0]) + " on hosts of model " + std::to_string(key[1]) +
            " as variant " + std::to_string(key[2]) + ": " + std::to_string(what.first) +
            ", the last at " + us(what.second - firstSubmit_) + "\n";
  }
  return text;
}

// ---- What happens.

void VariantWorld::run() {
  for (auto& host : hosts_) boot(*host);
  time_.after(5ms, [this] { feedHead(head::JobOpened{1, "variants", "program", {}}); });
  std::size_t crashes = faults_ ? 1 + luck_.below(3) : 0;
  for (std::size_t i = 0; i < crashes; ++i) {
    Host& host = *hosts_[luck_.below(hosts_.size())];
    time_.after(luck_.between(20ms, 400ms), [this, &host] { crash(host); });
  }
  while (toldCount_ + 1 < told_.size() && violations_.empty()) {
    if (time_.now() > kBound) {
      for (const head::TaskView& view : head_.tasks(job_, 100'000)) {
        if (view.state == "finished" || view.state == "failed") continue;
        return violation("it does not come to an end: " + head_.explain(view.id));
      }
      return violation("it does not come to an end");
    }
    time_.step();
  }
}

void VariantWorld::boot(Host& host) {
  ++host.incarnation.value;
  host.accepted = host.isWarm = false;
  host.toHead = host.fromHead = {};
  host.node->start();
  head::NodeJoined joined{host.node->name(), host.incarnation, host.node->topology(),
                          host.node->topology().total()};
  host.toHead.carry(time_, delay(), [this, joined] { feedHead(joined); });
}

void VariantWorld::crash(Host& host) {
  if (!host.node->alive() || !host.accepted) return;
  host.node->crash();
  std::erase_if(underWay_, [&](auto& one) { return one.second.second == host.id; });
  feedHead(head::NodeLeft{host.id, host.incarnation, "it crashed"});
  time_.after(luck_.between(5ms, 200ms), [this, &host] { boot(host); });
}

void VariantWorld::toHead(const std::string& node, NodeReport report) {
  Host& host = *hosts_[static_cast<std::size_t>(node[0] - 'a')];
  head::NodeHeard heard{host.id, host.incarnation, std::move(report)};
  host.toHead.carry(time_, delay(), [this, &host, heard, life = host.node->life()] {
    if (host.node->life() != life) return;
    for (const TaskDone& done : heard.report.done) {
      ended_.push_back({time_.now(), done.variant, host.model, sizeOf(done.id.index())});
    }
    endTrials(heard.report);
    feedHead(heard);
  });
}

void VariantWorld::submitFrom(std::uint32_t index) {
  if (index == 1) firstSubmit_ = time_.now();
  head::Submit submit{job_, {}, {}};
  head::Want want{job_, {}};
  if (index == 1) submit.classes = program_.classes;
  auto end = std::min<std::uint32_t>(index + 200, static_cast<std::uint32_t>(sizes_.size()));
  for (; index < end; ++index) {
    TaskSpec spec;
    spec.id = ObjectId::make(job_, index);
    spec.arguments = Blob::fill(kBytes[sizeOf(index)], [](std::span<std::byte> room) {
      std::memset(room.data(), 0, room.size());
    });
    want.objects.push_back(spec.id);
    submit.tasks.push_back(std::move(spec));
  }
  feedHead(std::move(submit));
  feedHead(std::move(want));
  if (end < sizes_.size()) time_.after(1ms, [this, end] { submitFrom(end); });
}

// ---- The head.

void VariantWorld::feedHead(head::Input input) {
  std::vector<head::Output> outputs;
  head_.step(time_.now(), std::move(input), outputs);
  perform(outputs);
  placeSoon();
}

void VariantWorld::placeSoon() {
  if (std::exchange(placing_, true)) return;
  time_.after(luck_.between(0us, 30us), [this] {
    placing_ = false;
    std::vector<head::Output> outputs;
    head_.place(time_.now(), outputs);
    perform(outputs);
    auto due = head_.deadline();
    if (due && *due <= time_.now()) violation("placing left something overdue");
    if (!due || (headWakesAt_ && *headWakesAt_ <= *due)) return;
    headWakesAt_ = due;
    time_.at(*due, [this] {
      headWakesAt_.reset();
      feedHead(head::Tick{});
    });
  });
}

VariantWorld::Host* VariantWorld::hostOf(NodeId id) {
  for (auto& host : hosts_) {
    if (host->id == id) return host.get();
  }
  return nullptr;
}

void VariantWorld::perform(std::vector<head::Output>& outputs) {
  for (head::Output& output : outputs) {
    if (auto* ready = std::get_if<head::JobReady>(&output)) {
      job_ = ready->job;
      time_.after(1ms, [this] { submitFrom(1); });
    } else if (auto* told = std::get_if<head::Told>(&output)) {
      for (auto& [object, value] : told->objects) {
        if (value.state != Value::State::held) violation(show(object) + " has no value");
        if (told_[object.index()]) violation(show(object) + " is told twice");
        told_[object.index()] = true;
        ++toldCount_;
        lastTold_ = time_.now();
      }
    } else if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
      Host& host = *hosts_[static_cast<std::size_t>(accepted->name[0] - 'a')];
      host.id = accepted->node;
      host.accepted = true;
    } else if (auto* orders = std::get_if<head::NodeTold>(&output)) {
      Host* host = hostOf(orders->node);
      seeTrials(orders->orders, *host);
      host->fromHead.carry(time_, delay(),
                           [host, life = host->node->life(), words = orders->orders] {
                             bool isSame = host->node->alive() && host->node->life() == life;
                             if (isSame) host->node->feed(node::FromHead{words});
                           });
    } else if (!std::holds_alternative<head::NodeGone>(output) &&
               !std::holds_alternative<head::NodeSetAside>(output)) {
      violation("the head said what it has no reason to");
    }
  }
}

void VariantWorld::seeTrials(const NodeOrders& orders, const Host& host) {
  for (const Assignment& one : orders.assign) {
    if (!one.trial) continue;
    std::size_t model = one.variant == kCpu ? 0 : host.model;
    TrialKey key{one.variant, model, sizeOf(one.id.index())};
    if (++trials_[key] > CostTable::kTrials) violation("one trial too many");
    for (auto& [task, other] : underWay_) {
      if (other.first == key) violation("two trials of one kind at once");
    }
    underWay_[one.id] = {key, host.id};
  }
}

void VariantWorld::endTrials(const NodeReport& report) {
  for (const TaskDone& done : report.done) underWay_.erase(done.id);
}

}  // namespace alnilam::sim
