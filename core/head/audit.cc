#include "core/head/audit.h"

#include <algorithm>

namespace alnilam::head {
namespace {

// By node and lane: attempts, and those of them that are chained.
using OnBoard = std::map<std::pair<std::uint32_t, std::uint64_t>,
                         std::pair<std::uint64_t, std::uint64_t>>;

std::string auditJob(const Tables& tables, const Job& job,
                     OnBoard& onBoard) {
  std::vector<std::uint32_t> uses(job.items.highest() + 1), lineage(job.items.highest() + 1);
  std::vector<std::uint32_t> missing(job.items.highest() + 1);
  std::vector<std::uint32_t> ready(job.classes.size());
  std::uint64_t waiting = 0, readyAll = 0, assigned = 0;
  for (std::uint32_t i = 1; i <= job.items.highest(); ++i) {
    const Item* item = job.items.find(i);
    if (!item) continue;
    const std::string who = show(ObjectId::make(job.id, i));
    bool isOpen = isUnfinished(item->stage);
    for (ObjectId input : item->inputs) {
      if (!job.items.find(input.index())) return who + " has a forgotten input";
      ++(isOpen ? uses : lineage)[input.index()];
    }
    waiting += item->stage == Stage::waiting || item->stage == Stage::delayed;
    readyAll += item->stage == Stage::ready;
    assigned += item->stage == Stage::assigned;
    if (item->stage == Stage::ready) ++ready[item->taskClass];
    if (item->stage == Stage::waiting && item->missing == 0) return who + " waits for nothing";
    if (item->stage == Stage::delayed) {
      const Class& cls = job.classes[item->taskClass];
      if (!cls.times || cls.times->alarm == Instant::max()) return who + " is delayed for ever";
    }
    if (item->stage == Stage::assigned && !item->onBoard) return who + " is assigned to nobody";
    if (item->onBoard) {
      auto& [all, chained] =
          onBoard[{item->node, Tables::laneKey(job.id, item->taskClass, item->variant)}];
      ++all;
      chained += item->chained;
    } else if (item->chained) {
      return who + " is chained and nowhere";
    }
    job.edges.each(item->lastEdge, [&](const Edge& edge) {
      const Item* waiter = job.items.find(edge.task);
      bool isLink = waiter && waiter->stage == Stage::assigned && waiter->chained;
      bool isWaiting = waiter && waiter->stage == Stage::waiting;
      if (isWaiting || isLink) missing[edge.task] += edge.attempt + isLink == waiter->attempt;
      return true;
    });
    if (item->stage == Stage::stored) {
      const StoredObject& object = tables.stored[item->slot];
      if (object.object != ObjectId::make(job.id, i)) return who + " has another's slot";
      if (object.holders.empty()) return who + " is stored nowhere";
      if (!std::is_sorted(object.holders.begin(), object.holders.end())) return who + " unsorted";
      for (NodeId holder : object.holders) {
        if (!tables.nodes[holder.value - 1].alive) return who + " is stored on a lost node";
      }
    }
    if (item->stage == Stage::failed && !tables.failures[item->slot].why) return who + " no why";
  }
  for (std::uint32_t i = 1; i <= job.items.highest(); ++i) {
    const Item* item = job.items.find(i);
    if (!item) continue;
    const std::string who = show(ObjectId::make(job.id, i));
    if (item->uses != uses[i]) return who + " miscounts its uses";
    if (item->lineageUses != lineage[i]) return who + " miscounts its lineage";
    bool isLink = item->stage == Stage::assigned && item->chained;
    if (isLink && item->missing == 0) return who + " is chained to nothing";
    if ((isLink || item->stage == Stage::waiting) && item->missing != missing[i]) {
      return who + " miscounts what it waits for";
    }
    bool isKept = item->clientRef || item->uses > 0 || item->lineageUses > 0 || item->onBoard ||
                  isUnfinished(item->stage);
    if (!isKept) return who + " is kept for nobody";
    if (item->stage == Stage::stored && !item->clientRef && item->uses == 0) {
      return who + " is stored for nobody";
    }
  }
  for (const Class& cls : job.classes) {
    if (cls.readyCount != ready[cls.index]) return "a class miscounts its ready tasks";
    if (cls.readyCount > 0 && !cls.listed) return "a class with ready tasks is not listed";
    std::uint32_t queued = cls.ready.count;
    if (cls.choice) {
      for (const ReadyQueue& queue : cls.choice->ready) queued += queue.count;
    }
    if (queued != cls.readyCount) return "a class miscounts its queues";
  }
  if (waiting != job.waiting || readyAll != job.ready || assigned != job.assigned) {
    return "a job miscounts its tasks";
  }
  return {};
}

// Whether tasks are only where they may be.
std::string auditPlaces(const Tables& tables, const Node& node) {
  std::map<std::pair<JobId, std::string>, std::uint64_t> together;
  for (const auto& [key, lane] : node.lanes) {
    std::uint64_t all = lane.fitting + lane.ahead + lane.chained;
    const Class& cls = tables.classOf(key);
    if (all == 0) continue;
    if (Tables::brokenRule(node, cls)) return node.name + " has a task that may not run there";
    if (const std::string& apart = cls.definition.placing.apart; !apart.empty()) {
      if ((together[{cls.job, apart}] += all) > 1) return node.name + " has two that are apart";
    }
  }
  return {};
}

}  // namespace

std::string audit(const Tables& tables) {
  OnBoard onBoard;
  for (const auto& job : tables.jobs) {
    if (!job) continue;
    if (std::string wrong = auditJob(tables, *job, onBoard); !wrong.empty()) return wrong;
  }
  std::size_t lanesOnBoard = 0;
  std::map<JobId, ResourceSet> held, committed;
  for (const Node& node : tables.nodes) {
    if (!node.alive) {
      if (!node.lanes.empty()) return node.name + " is lost and has lanes";
      continue;
    }
    if (std::string wrong = auditPlaces(tables, node); !wrong.empty()) return wrong;
    ResourceSet sum = node.free;
    std::uint64_t live = 0, ahead = 0, chained = 0, load = 0;
    for (const auto& [key, lane] : node.lanes) {
      const Job* job = tables.find(JobId{static_cast<std::uint32_t>(key >> 32)});
      if (!job) return node.name + " has a lane of a closed job";
      for (std::uint64_t i = 0; i < lane.fitting; ++i) {
        sum.add(tables.needsOf(key));
        held[job->id].add(tables.needsOf(key));
      }
      for (std::uint64_t i = 0; i < lane.fitting + lane.ahead; ++i) {
        committed[job->id].add(tables.needsOf(key));
      }
      live += lane.fitting + lane.ahead + lane.chained;
      ahead += lane.ahead;
      chained += lane.chained;
      load += lane.cost * (lane.fitting + lane.ahead);
      if (lane.fitting > lane.capacity) return node.name + " runs more than it can";
      auto there = onBoard.find({node.id.value, key});
      auto [all, links] = there == onBoard.end() ? OnBoard::mapped_type() : there->second;
      if (all != lane.fitting + lane.ahead + lane.chained) return node.name + " miscounts a lane";
      if (links != lane.chained) return node.name + " miscounts the links of a lane";
      if (lane.chained > Tables::kMostInLane) return node.name + " has too many links";
      lanesOnBoard += all > 0;
    }
    if (!(sum == node.shape.total)) {
      return node.name + ": free and taken are " + show(sum) + " of " + show(node.shape.total);
    }
    bool agrees = live == node.live && ahead == node.ahead && chained == node.chained;
    if (!agrees || load != node.load) {
      return node.name + " miscounts its attempts";
    }
  }
  for (const auto& job : tables.jobs) {
    if (!job) continue;
    if (!(job->held == held[job->id])) return job->name + " miscounts what it holds";
    if (!job->hasQuota) continue;
    if (!(job->committed == committed[job->id])) return job->name + " miscounts its quota";
    if (job->share.quota.firstLack({}, job->committed)) return job->name + " exceeds its quota";
  }
  if (lanesOnBoard != onBoard.size()) return "an attempt is on board of no lane";
  return {};
}

}  // namespace alnilam::head
