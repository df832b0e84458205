#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kHosts = 3;
constexpr Instant kBound = 20min;  // whoever is not done by then never will be
constexpr std::size_t kShown = 1000;
constexpr std::size_t kMaxEvents = 5'000'000;

std::string show(const head::Output& output) {
  if (auto* told = std::get_if<head::Told>(&output)) {
    std::string text = "told";
    for (auto& [object, value] : told->objects) {
      text += " " + alnilam::show(object) + "=" + std::to_string(static_cast<int>(value.state));
    }
    return text;
  }
  if (auto* told = std::get_if<head::NodeTold>(&output)) {
    std::string text = "node " + std::to_string(told->node.value) + ":";
    for (auto& job : told->orders.jobs) text += " job " + std::to_string(job.job.value);
    for (auto& one : told->orders.classes) text += " class " + std::to_string(one.index);
    for (auto& one : told->orders.assign) {
      text += " run " + alnilam::show(one.id) + "/" + std::to_string(one.attempt.value);
    }
    for (TaskId task : told->orders.cancel) text += " cancel " + alnilam::show(task);
    for (ObjectId object : told->orders.release) text += " release " + alnilam::show(object);
    for (JobId job : told->orders.ended) text += " ended " + std::to_string(job.value);
    if (told->orders.restoreDevices) text += " restore devices";
    return text;
  }
  if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
    return "accepted " + accepted->name + "/" + std::to_string(accepted->incarnation.value);
  }
  if (auto* gone = std::get_if<head::NodeGone>(&output)) {
    return "gone " + std::to_string(gone->node.value) + " " + gone->why;
  }
  if (auto* fenced = std::get_if<head::NodeFenced>(&output)) {
    return "fenced " + std::to_string(fenced->node.value) + "/" +
           std::to_string(fenced->incarnation.value);
  }
  return "output " + std::to_string(output.index());
}

}  // namespace

World::World(std::uint64_t seed, bool printTrace)
    : luck_(seed), printTrace_(printTrace), head_({}) {
  for (std::size_t i = 0; i < kHosts; ++i) {
    auto host = std::make_unique<Host>();
    host->node = std::make_unique<SimNode>(static_cast<Surroundings&>(*this),
                                           std::string(1, static_cast<char>('a' + i)),
                                           topologyOf(i));
    hosts_.push_back(std::move(host));
  }
  hosts_[1]->stays = !luck_.percent(20);
  std::size_t clients = 1 + luck_.percent(25);
  for (std::size_t i = 0; i < clients; ++i) {
    auto client = std::make_unique<Client>();
    client->program = Program::random(luck_);
    client->leaves = luck_.percent(10);
    client->released.resize(client->program.tasks.size() + 1);
    clients_.push_back(std::move(client));
  }
}

World::~World() = default;

std::uint64_t World::released() const {
  std::uint64_t sum = 0;
  for (const auto& host : hosts_) sum += host->node->released();
  return sum;
}

std::uint64_t World::withdrawals() const {
  std::uint64_t sum = 0;
  for (const auto& host : hosts_) sum += host->node->withdrawals();
  return sum;
}

// The first host has enough for every class of Program; the others have what they have.
Topology World::topologyOf(std::size_t host) {
  Topology topology;
  std::uint32_t domains = 1 + static_cast<std::uint32_t>(luck_.below(2));
  topology.packages = domains;
  for (std::uint32_t i = 0; i < domains; ++i) topology.domains.push_back({i, i, 16_GiB});
  std::uint32_t cores = 2 + static_cast<std::uint32_t>(luck_.below(4));
  if (host != 0) cores -= static_cast<std::uint32_t>(luck_.below(2));
  for (std::uint32_t i = 0; i < cores; ++i) topology.cores.push_back({i, i % domains});
  std::uint64_t gpus = host == 0 ? 1 + luck_.below(2) : luck_.below(3);
  for (std::uint32_t i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.uuid = "EMU-" + std::to_string(i);
    gpu.model = "made up";
    gpu.memory = 4_GiB;
    gpu.domain = i % domains;
    gpu.emulated = true;
    topology.gpus.push_back(gpu);
  }
  topology.links.resize(gpus * gpus);
  return topology;
}

void World::run() {
  for (auto& host : hosts_) boot(*host);
  for (auto& client : clients_) {
    time_.after(luck_.between(0us, 20ms), [this, &one = *client] { openClient(one); });
  }
  if (luck_.percent(70)) planTroubles();
  if (luck_.percent(40)) planLosses();
  sweep();
  while (!swept_ && violations_.empty()) {
    if (time_.now() > kBound || time_.events() > kMaxEvents) {
      violation("it does not come to an end");
      for (auto& client : clients_) {
        for (const head::TaskView& view : head_.tasks(client->job, kShown)) {
          if (view.state != "finished" && view.state != "failed") {
            violation(head_.explain(view.id));
          }
        }
      }
      return;
    }
    time_.step();
  }
}

// ---- Hosts.

void World::boot(Host& host) {
  ++host.incarnation.value;
  host.lost.resize(host.node->life() + 1);
  host.node->start();
  head::NodeJoined joined{host.node->name(), host.incarnation, host.node->topology(),
                          host.node->topology().total()};
  host.toHead.carry(time_, delay(), [this, &host, life = host.node->life(), joined] {
    if (!(host.node->life() != life && host.lost[life])) feedHead(joined);
  });
  beat(host, host.node->life());
}

void World::beat(Host& host, std::uint32_t life) {
  time_.after(2s, [this, &host, life] {
    if (host.node->life() != life) return;
    if (host.accepted == host.incarnation) toHead(host.node->name(), {});
    beat(host, life);
  });
}

void World::crash(Host& host) {
  if (!host.node->alive()) return;
  trace(host.node->name() + " crashes");
  troubled_ = true;
  host.lost[host.node->life()] = luck_.percent(50);
  NodeId id = host.id;
  Incarnation incarnation = host.incarnation;
  host.node->crash();
  if (id && host.accepted == incarnation && luck_.percent(70)) {
    host.toHead.carry(time_, delay(), [this, id, incarnation] {
      feedHead(head::NodeLeft{id, incarnation, "its connection broke"});
    });
  }
  if (!host.stays) return;
  time_.after(luck_.between(5ms, 3s), [this, &host] {
    host.toHead = {};  // a new connection
    host.fromHead = {};
    boot(host);
  });
}

void World::planTroubles() {
  std::size_t troubles = 1 + luck_.below(3);
  for (std::size_t i = 0; i < troubles; ++i) {
    Host& host = *hosts_[luck_.below(kHosts)];
    Duration when = luck_.between(0us, luck_.percent(70) ? 300ms : 3s);
    if (luck_.percent(80)) {
      time_.after(when, [this, &host] { crash(host); });
    } else {
      time_.after(when, [this, &host] {  // a cut-off host works on and is declared lost
        troubled_ = true;
        Instant until = time_.now() + luck_.between(1s, 15s);
        host.toHead.busyUntil = std::max(host.toHead.busyUntil, until);
        host.fromHead.busyUntil = std::max(host.fromHead.busyUntil, until);
      });
    }
  }
}

// Any device but the first host's first, which runs what no other can.  People may have devices
// restored, mended or not.
void World::planLosses() {
  std::size_t losses = 1 + luck_.below(3);
  for (std::size_t i = 0; i < losses; ++i) {
    Host& host = *hosts_[luck_.below(kHosts)];
    auto gpus = static_cast<std::uint32_t>(host.node->topology().gpus.size());
    std::uint32_t first = &host == hosts_[0].get() ? 1 : 0;
    if (gpus <= first) continue;
    auto gpu = first + static_cast<std::uint32_t>(luck_.below(gpus - first));
    time_.after(luck_.between(0us, 300ms), [this, &host, gpu] {
      trace(host.node->name() + " loses device " + std::to_string(gpu));
      host.node->loseDevice(gpu);
    });
    if (luck_.percent(50)) continue;
    bool isMended = luck_.percent(50);
    time_.after(luck_.between(300ms, 600ms), [this, &host, isMended] {
      if (isMended) host.node->mendDevices();
      if (host.id) feedHead(head::RestoreDevices{host.id});
    });
  }
}

Duration World::delay() {
  return luck_.percent(95) ? luck_.between(10us, 500us) : luck_.between(1ms, 40ms);
}

World::Host* World::hostOf(NodeId id) {
  for (auto& host : hosts_) {
    if (host->id == id) return host.get();
  }
  return nullptr;
}

void World::toHead(const std::string& node, NodeReport report) {
  Host& host = *hosts_[static_cast<std::size_t>(node[0] - 'a')];
  head::NodeHeard heard{host.id, host.incarnation, std::move(report)};
  host.toHead.carry(time_, delay(), [this, &host, life = host.node->life(), heard] {
    if (!(host.node->life() != life && host.lost[life])) feedHead(heard);
  });
}

bool World::holds(NodeId node, ObjectId object) {
  Host* host = hostOf(node);
  return host && host->node->alive() && host->node->holds(object);
}

// ---- The head.

void World::feedHead(head::Input input) {
  std::vector<head::Output> outputs;
  head_.step(time_.now(), std::move(input), outputs);
  perform(outputs);
  placeSoon();
}

void World::placeSoon() {
  if (std::exchange(placing_, true)) return;
  time_.after(luck_.between(0us, 30us), [this] {
    placing_ = false;
    std::vector<head::Output> outputs;
    head_.place(time_.now(), outputs);
    perform(outputs);
    auto due = head_.deadline();
    if (!due || (headWakesAt_ && *headWakesAt_ <= *due)) return;
    headWakesAt_ = due;
    time_.at(*due, [this] {
      headWakesAt_.reset();
      feedHead(head::Tick{});
    });
  });
}

void World::perform(std::vector<head::Output>& outputs) {
  for (head::Output& output : outputs) {
    trace("head " + show(output));
    performOne(output);
  }
}

void World::performOne(head::Output& output) {
  if (auto* ready = std::get_if<head::JobReady>(&output)) {
    Client& client = *clients_[ready->session];
    client.job = ready->job;
    client.fromHead.carry(time_, delay(), [this, &client] { submitSome(client); });
  } else if (auto* told = std::get_if<head::Told>(&output)) {
    for (auto& client : clients_) {
      if (client->job != told->job) continue;
      client->fromHead.carry(time_, delay(),
                             [this, &one = *client, words = *told] { hear(one, words); });
    }
  } else if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
    Host& host = *hosts_[static_cast<std::size_t>(accepted->name[0] - 'a')];
    host.id = accepted->node;
    host.accepted = accepted->incarnation;
  } else if (auto* orders = std::get_if<head::NodeTold>(&output)) {
    Host* host = hostOf(orders->node);
    if (!host || host->accepted != host->incarnation || !host->node->alive()) return;
    host->fromHead.carry(time_, delay(),
                         [host, life = host->node->life(), words = orders->orders] {
                           if (host->node->life() == life) host->node->feed(node::FromHead{words});
                         });
  } else if (auto* fenced = std::get_if<head::NodeFenced>(&output)) {
    Host* host = hostOf(fenced->node);
    if (!host) return violation("an unknown node is fenced");
    host->fromHead.carry(time_, delay(), [this, host, lost = fenced->incarnation] {
      if (host->incarnation == lost && host->node->alive()) crash(*host);
    });
  } else if (auto* refused = std::get_if<head::NodeRefused>(&output)) {
    violation("a node was refused: " + refused->refusal.why);
  } else if (std::holds_alternative<head::JobRefused>(output)) {
    violation("a job was refused");
  }
}

// ---- The record.

void World::violation(const std::string& what) {
  trace("VIOLATION " + what);
  violations_.push_back(std::to_string(time_.now() / 1us) + " us: " + what);
}

void World::trace(const std::string& line) {
  if (printTrace_) {
    std::fprintf(stderr, "%10lld %s\n", static_cast<long long>(time_.now() / 1us), line.c_str());
  }
  // Source: FNV-1a, Fowler, Noll, Vo.
  for (unsigned char byte : std::to_string(time_.now().count()) + line) {
    traceHash_ = (traceHash_ ^ byte) * 0x100000001b3u;
  }
}

}  // namespace alnilam::sim
