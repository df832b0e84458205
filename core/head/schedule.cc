// The pass: goes through the classes with ready tasks in order of priority, then of age, and hands
// chunks of each to the nodes that have room for it.
//
// Whoever comes later in that order must not keep an earlier one from ever running.  Two rules see
// to that.  A node on which an earlier class would run if only a resource were free gets nothing
// ahead of a later class that takes the same resource (`mustDrain`), so that it drains.  And one
// node, always the same, is kept for the first class that fits nowhere (`isReserved`): what it
// lacks there is not given to others, or a task for a whole node would wait behind small ones for
// ever.

#include "core/head/tables.h"

#include <algorithm>
#include <tuple>

namespace alnilam::head {

bool contends(const ResourceSet& free, const ResourceSet& wanting, const ResourceSet& taker) {
  if (free.cpus < wanting.cpus && taker.cpus.parts > 0) return true;
  if (free.gpus < wanting.gpus && taker.gpus.parts > 0) return true;
  if (free.memory < wanting.memory && taker.memory > 0) return true;
  if (free.gpuMemory < wanting.gpuMemory && taker.gpuMemory > 0) return true;
  return std::any_of(taker.named.begin(), taker.named.end(), [&](const NamedAmount& one) {
    ResourceSet alone;
    for (const NamedAmount& wanted : wanting.named) {
      if (wanted.name == one.name) alone.named.push_back(wanted);
    }
    return !free.covers(alone);
  });
}

void Tables::schedule() {
  holdUntil = Instant::max();
  for (std::uint32_t id : changedNodes) promote(nodes[id - 1]);
  for (;;) {
    auto emptied = [](const Class* cls) { return cls->readyCount == 0; };
    for (Class* cls : readyClasses) {
      if (!emptied(cls)) continue;
      cls->listed = false;
      unblock = unblock || cls->blocked;
    }
    std::erase_if(readyClasses, emptied);
    if (unblock) {
      for (Class* cls : readyClasses) cls->blocked = false;
    }
    unblock = false;
    bool isOpen = !changedNodes.empty() ||
                  std::any_of(readyClasses.begin(), readyClasses.end(),
                              [](const Class* cls) { return !cls->blocked; });
    if (aliveNodes == 0 || readyClasses.empty() || !isOpen) break;

    std::sort(readyClasses.begin(), readyClasses.end(), [this](const Class* a, const Class* b) {
      auto rank = [this](const Class& cls) {
        const Job& job = *find(cls.job);
        const Item& oldest = job.items.at(firstReady(job, cls));
        return std::tuple(-cls.definition.priority, oldest.age, cls.job, cls.index);
      };
      return rank(*a) < rank(*b);
    });
    again = false;
    std::vector<Class*> order;
    std::swap(order, readyClasses);
    pass(order);
    readyClasses.insert(readyClasses.end(), order.begin(), order.end());
    for (std::uint32_t id : changedNodes) nodes[id - 1].changed = nodes[id - 1].freed = false;
    changedNodes.clear();
    if (!again) break;
    unblock = true;  // a value is being remade: its task was queued while the pass went on
  }
  sendChains();
  for (std::uint32_t id : changedNodes) nodes[id - 1].changed = nodes[id - 1].freed = false;
  changedNodes.clear();
}

void Tables::pass(const std::vector<Class*>& order) {
  blockedClasses.clear();
  bool laterOpen = false;
  for (Class* cls : order) {
    if (laterOpen) cls->blocked = false;
    if (cls->readyCount == 0) continue;
    bool wasBlocked = cls->blocked;
    placeClass(*find(cls->job), *cls);
    if (cls->readyCount > 0) noteBlocked(*cls);
    else if (wasBlocked) laterOpen = true;
  }
}

void Tables::promote(Node& node) {
  if (!node.alive || !node.freed || node.ahead == 0) return;
  std::vector<std::pair<Lane*, std::uint64_t>> waiting;
  for (auto& [key, lane] : node.lanes) {
    if (lane.ahead > 0) waiting.emplace_back(&lane, key);
  }
  std::stable_sort(waiting.begin(), waiting.end(), [this](const auto& a, const auto& b) {
    return classOf(a.second).definition.priority > classOf(b.second).definition.priority;
  });
  for (auto& [lane, key] : waiting) {
    const ResourceSet& needs = needsOf(key);
    while (lane->ahead > 0 && lane->fitting < lane->capacity && node.free.covers(needs)) {
      node.free.subtract(needs);
      ++lane->fitting;
      --lane->ahead;
      --node.ahead;
    }
  }
}

void Tables::placeClass(Job& job, Class& cls) {
  if (const Failure* refusal = refusalOf(cls)) {
    while (cls.readyCount > 0) {
      std::uint32_t index = firstReady(job, cls);
      fail(job, index, failureOf(refusal->kind, job, index, job.items.at(index),
                                 refusal->message));
    }
    return settle(job);
  }
  if (cls.choice) return placeVariants(job, cls);
  handOut(job, cls, Sent::fitting);
  if (cls.readyCount > 0) handOut(job, cls, Sent::ahead);
  cls.blocked = cls.readyCount > 0;
  settle(job);
}

void Tables::collectRooms(Class& cls, Sent how) {
  rooms.clear();
  roomOf.resize(nodes.size() + 1);
  const ResourceSet& needs = cls.definition.needs;
  auto consider = [&](Node& node) {
    if (!node.alive) return;
    Lane& lane = laneOf(node, cls);
    if (lane.capacity == 0) return;
    std::uint64_t room;
    if (how == Sent::ahead) {
      std::uint64_t most = placement::mayQueue(cls.runTime, lane.fitting, config.prefetchHorizon,
                                               config.maxPrefetch);
      room = most > lane.ahead ? most - lane.ahead : 0;
      if (room > 0 && !blockedClasses.empty() && mustDrain(node, needs)) room = 0;
    } else {
      room = node.free.timesCovers(needs, lane.capacity - std::min(lane.capacity, lane.fitting));
    }
    if (room == 0 || isReserved(node, needs)) return;
    rooms.push_back({node.id.value, room, node.load, lane.cost});
    roomOf[node.id.value] = static_cast<std::uint32_t>(rooms.size());
  };
  if (cls.blocked) {
    for (std::uint32_t id : changedNodes) consider(nodes[id - 1]);
  } else {
    for (Node& node : nodes) consider(node);
  }
}

void Tables::handOut(Job& job, Class& cls, Sent how) {
  collectRooms(cls, how);
  std::uint64_t total = 0;
  for (const placement::Room& room : rooms) total += room.tasks;
  batch.clear();
  while (batch.size() < total) {
    std::uint32_t index = takeReady(job, cls);
    if (index == 0) break;
    batch.push_back(index);
  }
  auto give = [&](std::uint32_t room, std::uint32_t index) {
    Node& node = nodes[rooms[room].node - 1];
    assign(node, laneOf(node, cls), job, cls, index, how);
  };
  // Those with data somewhere go there while there is room, the others where load is least.
  std::size_t left = 0;
  for (std::uint32_t index : batch) {
    const Item& item = job.items.at(index);
    std::uint32_t nearest = item.nearData ? roomNearData(job, item) : 0;
    if (nearest == 0) {
      batch[left++] = index;
      continue;
    }
    give(nearest - 1, index);
    --rooms[nearest - 1].tasks;
    rooms[nearest - 1].load += rooms[nearest - 1].cost;
  }
  chunks.clear();
  placement::spread(left, rooms, chunks);
  std::size_t next = 0;
  for (const placement::Chunk& chunk : chunks) {
    auto& orders = nodes[rooms[chunk.room].node - 1].orders.assign;
    if (orders.empty()) orders.reserve(std::min<std::uint64_t>(chunk.tasks, kMostReserved));
    for (std::uint64_t i = 0; i < chunk.tasks; ++i) give(chunk.room, batch[next++]);
  }
  ALNILAM_ASSERT(next == left);
  for (const placement::Room& room : rooms) roomOf[room.node] = 0;
}

// The first ready task of the class, taken off its queue, or 0.  One whose inputs got lost since
// it became ready waits again.
std::uint32_t Tables::takeReady(Job& job, Class& cls) {
  while (cls.readyCount > 0) {
    std::uint32_t index = cls.ready.first;
    Item& item = job.items.at(index);
    unqueue(job, cls, item);
    if (item.inputs.empty() || checkInputs(job, index, item)) return index;
  }
  return 0;
}

// Index + 1 of the room on the node that holds most bytes of the inputs, or 0.
std::uint32_t Tables::roomNearData(const Job& job, const Item& item) {
  bytesOn.resize(nodes.size() + 1);
  nearNodes.clear();
  for (ObjectId input : item.inputs) {
    const Item& one = job.items.at(input.index());
    if (one.stage != Stage::stored) continue;
    const StoredObject& object = stored[one.slot];
    for (NodeId holder : object.holders) {
      if (bytesOn[holder.value] == 0) nearNodes.push_back(holder.value);
      bytesOn[holder.value] += std::max<Bytes>(object.size, 1);
    }
  }
  std::uint32_t best = 0;
  for (std::uint32_t node : nearNodes) {
    std::uint32_t room = roomOf[node];
    if (room == 0 || rooms[room - 1].tasks == 0) continue;
    if (best == 0) {
      best = room;
      continue;
    }
    Bytes here = bytesOn[node];
    Bytes there = bytesOn[rooms[best - 1].node];
    if (here > there || (here == there && lessLoaded(rooms[room - 1], rooms[best - 1]))) {
      best = room;
    }
  }
  for (std::uint32_t node : nearNodes) bytesOn[node] = 0;
  return best;
}

bool Tables::isReserved(const Node& node, const ResourceSet& needs) const {
  if (blockedClasses.empty()) return false;
  const Class& first = *blockedClasses.front();
  return first.reserved == node.id.value && contends(node.free, first.likelyNeeds(), needs);
}

bool Tables::mustDrain(const Node& node, const ResourceSet& needs) const {
  return std::any_of(blockedClasses.begin(), blockedClasses.end(), [&](const Class* earlier) {
    return contends(node.free, earlier->likelyNeeds(), needs) &&
           placement::capacity(node.shape, earlier->likelyNeeds()) > 0;
  });
}

void Tables::noteBlocked(Class& cls) {
  if (blockedClasses.size() >= kBlocked) return;
  blockedClasses.push_back(&cls);
  if (blockedClasses.size() > 1) {
    cls.reserved = 0;
    return;
  }
  auto couldRun = [&](const Node& node) {
    return node.alive && placement::capacity(node.shape, cls.likelyNeeds()) > 0;
  };
  if (cls.reserved != 0 && couldRun(nodes[cls.reserved - 1])) return;
  cls.reserved = 0;
  for (const Node& node : nodes) {
    if (!couldRun(node)) continue;
    if (cls.reserved == 0 || node.load < nodes[cls.reserved - 1].load) {
      cls.reserved = node.id.value;
    }
  }
}

void Tables::flush(std::vector<Output>& out) {
  std::sort(owingNodes.begin(), owingNodes.end());
  for (std::uint32_t id : owingNodes) {
    Node& node = nodes[id - 1];
    node.owing = false;
    if (node.alive && !node.orders.empty()) {
      out.push_back(NodeTold{node.id, std::move(node.orders)});
    }
    node.orders = {};
  }
  owingNodes.clear();
  std::sort(owingJobs.begin(), owingJobs.end());
  for (JobId id : owingJobs) {
    Job& job = *find(id);
    job.owing = false;
    job.toldBefore = job.told.size();
    out.push_back(Told{id, std::move(job.told)});
    job.told = {};
  }
  owingJobs.clear();
}

}  // namespace alnilam::head
