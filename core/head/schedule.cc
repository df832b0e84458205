// The pass: goes through the classes with ready tasks in order of priority (with what each has
// gained by waiting), then of age, and hands chunks of each to the nodes that have room for it.
// Where tasks of several jobs wait at one priority their jobs take turns, see order.cc.
//
// Whoever comes later in that order must not keep an earlier one from ever running.  Two rules see
// to that.  A node on which an earlier class would run if only a resource were free gets nothing
// ahead of a later class that takes the same resource (`mustDrain`), so that it drains.  And one
// node, always the same, is kept for the first class that fits nowhere until one of its tasks is
// placed (`isReserved`): what it lacks there is not given to others that come later, or a
// task for a whole node would wait behind small ones for ever.  A few classes at a time have such a
// node, the oldest reservations lasting longest, so that jobs which take turns at being first do
// not take it from each other.

#include "core/head/tables.h"

#include <algorithm>

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
  refreshTotal();
  for (std::uint32_t id : changedNodes) promote(nodes[id - 1]);
  for (;;) {
    auto emptied = [](const Class* cls) { return cls->readyCount == 0; };
    for (Class* cls : readyClasses) {
      if (!emptied(cls)) continue;
      unblock = unblock || cls->blocked;
      unlist(*cls);
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

    sortReady();
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
  if (readyClasses.empty()) fetchStuck();
  for (std::uint32_t id : changedNodes) nodes[id - 1].changed = nodes[id - 1].freed = false;
  changedNodes.clear();
}

void Tables::pass(std::span<Class* const> order) {
  blockedClasses.clear();
  bool laterOpen = false;
  auto place = [&](Class& cls) {
    if (cls.readyCount == 0) return;
    bool wasBlocked = cls.blocked;
    placeClass(cls);
    if (cls.readyCount > 0) noteBlocked(cls);
    else if (wasBlocked) laterOpen = true;
  };
  while (!order.empty()) {
    std::int64_t priority = priorityOf(*order.front());
    std::size_t size = 1;
    bool isOfOneJob = true;
    for (; size < order.size() && priorityOf(*order[size]) == priority; ++size) {
      isOfOneJob = isOfOneJob && order[size]->owner == order.front()->owner;
    }
    auto group = order.first(size);
    order = order.subspan(size);
    if (isOfOneJob) {
      for (Class* cls : group) {
        if (laterOpen) cls->blocked = false;
        place(*cls);
      }
      continue;
    }
    for (Class* cls : group) cls->blocked = cls->blocked && !laterOpen;
    laterOpen = shareOut(group) || laterOpen;
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
    Job& job = *classOf(key).owner;
    while (lane->ahead > 0 && lane->fitting < lane->capacity && node.free.covers(needs)) {
      hold(node, job, needs);
      ++lane->fitting;
      --lane->ahead;
      --node.ahead;
    }
  }
}

bool Tables::refuseAll(Class& cls) {
  const Failure* refusal = refusalOf(cls);
  if (!refusal) return false;
  Job& job = *cls.owner;
  while (cls.readyCount > 0) {
    std::uint32_t index = firstReady(job, cls);
    fail(job, index, failureOf(refusal->kind, job, index, job.items.at(index), refusal->message));
  }
  settle(job);
  return true;
}

void Tables::placeClass(Class& cls) {
  if (refuseAll(cls)) return;
  Job& job = *cls.owner;
  if (cls.choice) return placeVariants(job, cls, kAll);
  handOut(job, cls, Sent::fitting, kAll);
  if (cls.readyCount > 0) handOut(job, cls, Sent::ahead, kAll);
  cls.blocked = cls.readyCount > 0 && !isOverQuota(cls);
  settle(job);
}

void Tables::collectRooms(Class& cls, Sent how) {
  rooms.clear();
  roomOf.resize(nodes.size() + 1);
  const ResourceSet& needs = cls.definition.needs;
  auto consider = [&](Node& node) {
    if (!isUsable(node)) return;
    Lane& lane = laneOf(node, cls);
    if (lane.capacity == 0) return;
    std::uint64_t room;
    if (how == Sent::ahead) {
      std::uint64_t most = placement::mayQueue(cls.runTime, lane.fitting, config.prefetchHorizon,
                                               config.maxPrefetch);
      room = most > lane.ahead ? most - lane.ahead : 0;
      if (room > 0 && !blockedClasses.empty() && mustDrain(node, cls, needs)) room = 0;
    } else {
      room = node.free.timesCovers(needs, lane.capacity - std::min(lane.capacity, lane.fitting));
    }
    if (!cls.definition.placing.apart.empty()) {
      room = isKeptApart(node, cls) ? 0 : std::min<std::uint64_t>(room, 1);
    }
    if (room == 0 || isReserved(node, cls, needs)) return;
    rooms.push_back({node.id.value, room, node.load, lane.cost});
    roomOf[node.id.value] = static_cast<std::uint32_t>(rooms.size());
  };
  if (cls.blocked) {
    for (std::uint32_t id : changedNodes) consider(nodes[id - 1]);
  } else {
    for (Node& node : nodes) consider(node);
  }
}

void Tables::handOut(Job& job, Class& cls, Sent how, std::uint64_t most) {
  most = leftOfQuota(job, cls.definition.needs, most);
  if (most == 0) return;
  collectRooms(cls, how);
  std::uint64_t room = 0;
  for (const placement::Room& one : rooms) room += one.tasks;
  room = std::min(room, most);
  batch.clear();
  while (batch.size() < room) {
    std::uint32_t index = takeReady(job, cls);
    if (index == 0) break;
    batch.push_back(index);
  }
  auto give = [&](std::uint32_t at, std::uint32_t index) {
    Node& node = nodes[rooms[at].node - 1];
    assign(node, laneOf(node, cls), job, cls, index, how);
  };
  // Those with data somewhere go there while there is room, the others where the policy wants them.
  PlacementPolicy policy = policyOf(cls);
  bool followsData = policy == PlacementPolicy::standard || policy == PlacementPolicy::locality;
  std::size_t left = 0;
  for (std::uint32_t index : batch) {
    const Item& item = job.items.at(index);
    std::uint32_t nearest = followsData && item.nearData ? roomNearData(job, item) : 0;
    if (nearest == 0) {
      bool waits = policy == PlacementPolicy::locality && item.nearData &&
                   waitNearData(job, cls, index);
      if (!waits) batch[left++] = index;
      continue;
    }
    give(nearest - 1, index);
    --rooms[nearest - 1].tasks;
    rooms[nearest - 1].load += rooms[nearest - 1].cost;
  }
  chunks.clear();
  divide(cls, how, left);
  std::size_t next = 0;
  for (const placement::Chunk& chunk : chunks) {
    auto& orders = nodes[rooms[chunk.room].node - 1].orders.assign;
    if (orders.empty()) orders.reserve(std::min<std::uint64_t>(chunk.tasks, kMostReserved));
    for (std::uint64_t i = 0; i < chunk.tasks; ++i) give(chunk.room, batch[next++]);
  }
  for (const placement::Room& one : rooms) roomOf[one.node] = 0;
  // Those for which no node is good enough now; the oldest is first again.
  while (left > next) putBack(job, cls, batch[--left]);
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

// One that was just taken.
void Tables::putBack(Job& job, Class& cls, std::uint32_t index) {
  Item& item = job.items.at(index);
  item.previous = 0;
  item.next = cls.ready.first;
  (item.next != 0 ? job.items.at(item.next).previous : cls.ready.last) = index;
  cls.ready.first = index;
  ++cls.ready.count;
  ++cls.readyCount;
}

void Tables::countBytes(const Job& job, const Item& item) {
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
}

// Index + 1 of the room on the node that holds most bytes of the inputs, or 0.
std::uint32_t Tables::roomNearData(const Job& job, const Item& item) {
  countBytes(job, item);
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

bool Tables::isReserved(const Node& node, const Class& taker, const ResourceSet& needs) const {
  return std::any_of(reservations.begin(), reservations.end(), [&](const Class* waiting) {
    return waiting != &taker && waiting->reserved == node.id.value && waiting->readyCount > 0 &&
           contends(node.free, waiting->likelyNeeds(), needs) && !mayPass(taker, *waiting);
  });
}

bool Tables::mustDrain(const Node& node, const Class& taker, const ResourceSet& needs) const {
  return std::any_of(blockedClasses.begin(), blockedClasses.end(), [&](const Class* earlier) {
    return contends(node.free, earlier->likelyNeeds(), needs) && couldRun(node, *earlier) &&
           precedes(*earlier, taker);
  });
}

void Tables::noteBlocked(Class& cls) {
  if (isOverQuota(cls)) return unreserve(cls);  // room on a node would not help it
  if (blockedClasses.size() >= kBlocked) return;
  blockedClasses.push_back(&cls);
  if (blockedClasses.size() == 1) reserveFor(cls);
  if (anyPreemptible && !cls.hasPreempted) preempt(cls);
}

void Tables::reserveFor(Class& cls) {
  auto isGood = [&](const Node& node) {
    return isUsable(node) && couldRun(node, cls) && !isKeptApart(node, cls);
  };
  if (cls.reserved == 0 || !isGood(nodes[cls.reserved - 1])) {
    unreserve(cls);
    for (const Node& node : nodes) {
      bool isBetter = cls.reserved == 0 || node.load < nodes[cls.reserved - 1].load;
      if (isBetter && isGood(node)) cls.reserved = node.id.value;
    }
    if (cls.reserved == 0) return;
  }
  if (std::find(reservations.begin(), reservations.end(), &cls) != reservations.end()) return;
  if (reservations.size() >= kReservations) unreserve(*reservations.back());
  reservations.push_back(&cls);
}

void Tables::unreserve(Class& cls) {
  if (std::exchange(cls.reserved, 0) != 0) std::erase(reservations, &cls);
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
