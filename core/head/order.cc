// Whose turn it is: levels of priority, shares of jobs, quotas.
//
// Classes are ordered by their priority, which rises by one for each Config::agingStep in which no
// task of that priority was placed though some waited.  So a priority waits for others at most as
// many steps as they are higher, and the time until a node has room; then it is placed first, and
// begins to wait again.  It is the priority that ages and not the task, or a job that came first
// with a long queue would go before all others until that is done.
//
// At one priority jobs take turns (`shareOut`), the one whose share is least by its weight first
// (placement/share.h).  Within a job the class with the earliest deadline goes first, then the one
// with the oldest task; a class without deadlines that was given nothing for kPatience goes as if
// that had been its deadline.  A class that finds no room while its job is behind makes others
// drain and has a node kept for it, see schedule.cc.
//
// A class that finds no room also has tasks of lower priorities make way that allow it
// (`preempt`): what waits on nodes and has not begun is returned and queued again, and no retry is
// lost.  What runs is not stopped: a function runs inside its program's executor, of which a part
// cannot be ended without the rest.
//
// What a job holds is counted where a node's `free` is.  With a quota also what it was sent ahead
// counts, since nodes start that when they have room, without asking; so a job never holds more
// than its quota, and a class that has room on nodes but not in the quota keeps nobody waiting.

#include "core/head/tables.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace alnilam::head {

using placement::Share;

// ---- Levels.

void Tables::list(Class& cls) {
  cls.listed = true;
  cls.blocked = cls.hasPreempted = false;
  cls.waitingSince = now;
  if (cls.level->listed++ == 0) cls.level->since = now;
  readyClasses.push_back(&cls);
}

void Tables::unlist(Class& cls) {
  cls.listed = false;
  --cls.level->listed;
  unreserve(cls);
}

std::int64_t Tables::priorityOf(const Class& cls) const {
  const Level& level = *cls.level;
  Duration waited = level.listed > 0 ? now - level.since : Duration{};
  return placement::effectivePriority(level.priority, waited, config.agingStep);
}

void Tables::sortReady() {
  if (readyClasses.size() < 2) return;
  ranked.clear();
  for (Class* cls : readyClasses) {
    std::uint32_t first = firstReady(*cls->owner, *cls);
    Instant due = deadlineOf(*cls, first);
    bool isPatient = now - cls->waitingSince < kPatience;
    if (due == Instant::max() && !isPatient) due = cls->waitingSince + kPatience;
    ranked.push_back({priorityOf(*cls), due, cls->owner->items.at(first).age, cls});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    auto rank = [](const Ranked& one) {
      return std::tuple(-one.priority, one.due, one.age, one.cls->job, one.cls->index);
    };
    return rank(a) < rank(b);
  });
  for (std::size_t i = 0; i < ranked.size(); ++i) readyClasses[i] = ranked[i].cls;
}

bool Tables::precedes(const Class& waiting, const Class& taker) const {
  std::int64_t its = priorityOf(waiting), other = priorityOf(taker);
  if (its != other || waiting.owner == taker.owner) return its >= other && &waiting != &taker;
  Share task = placement::standing(placement::dominantShare(taker.likelyNeeds(), total),
                                   taker.owner->share.weight);
  return placement::isBehind(standingOf(*waiting.owner), standingOf(*taker.owner), task);
}

// Turns of jobs come and go, and what is kept for a class is kept meanwhile.
bool Tables::mayPass(const Class& taker, const Class& waiting) const {
  std::int64_t its = priorityOf(taker), other = priorityOf(waiting);
  if (its != other || taker.owner != waiting.owner) return its > other;
  const Job& job = *taker.owner;
  auto age = [&](const Class& cls) {
    return std::pair(job.items.at(firstReady(job, cls)).age, cls.index);
  };
  return taker.readyCount > 0 && age(taker) < age(waiting);
}

// ---- Shares.

void Tables::refreshTotal() {
  if (!std::exchange(totalChanged, false)) return;
  total = {};
  for (const Node& node : nodes) {
    if (node.alive) total.add(node.shape.total);
  }
}

Share Tables::standingOf(const Job& job) const {
  return placement::standing(placement::dominantShare(job.held, total), job.share.weight);
}

namespace {

// A job among others of one priority.
struct Party {
  Job* job = nullptr;
  std::vector<Class*> classes;
  std::size_t next = 0;  // the class whose turn it is
};

// The jobs of `group`, in the order of their first classes.
std::vector<Party> partiesOf(std::span<Class* const> group) {
  std::vector<Party> parties;
  std::map<JobId, std::size_t> known;
  for (Class* cls : group) {
    auto [at, isNew] = known.try_emplace(cls->job, parties.size());
    if (isNew) parties.push_back({cls->owner, {}});
    parties[at->second].classes.push_back(cls);
  }
  return parties;
}

}  // namespace

// What is free goes to the job that stands lowest, until it stands a little higher than the next;
// then it is that one's turn; of two that stand alike, the one that was given nothing for longer is
// first.  What is left waits ahead, those of the lowest job first.
bool Tables::shareOut(std::span<Class* const> group) {
  std::vector<Party> parties = partiesOf(group);
  std::uint32_t weights = 0;
  for (const Party& party : parties) weights += party.job->share.weight;
  const Share step = placement::standing(placement::kWholeShare, weights) / placement::kSlackParts;

  using Turn = std::tuple<Share, Instant, std::size_t>;
  auto turnOf = [&](std::size_t at) {
    const Job& job = *parties[at].job;
    return Turn(standingOf(job), job.lastPlaced, at);
  };
  std::priority_queue<Turn, std::vector<Turn>, std::greater<Turn>> turns;
  for (std::size_t i = 0; i < parties.size(); ++i) turns.push(turnOf(i));
  while (!turns.empty()) {
    auto [stands, last, at] = turns.top();
    turns.pop();
    Party& party = parties[at];
    Class& cls = *party.classes[party.next];
    std::uint64_t most = kAll;
    if (!turns.empty()) {
      Share task = placement::standing(placement::dominantShare(cls.likelyNeeds(), total),
                                       party.job->share.weight);
      Share until = std::max(stands, std::get<0>(turns.top())) + step;
      most = std::max<Share>((until - stands) / std::max<Share>(task, 1), 1);
    }
    std::uint64_t before = cls.readyCount;
    if (before > 0 && !refuseAll(cls)) {
      if (cls.choice) placeVariants(*party.job, cls, most);
      else handOut(*party.job, cls, Sent::fitting, most);
    }
    bool isStuck = before - cls.readyCount < most;
    if (isStuck || cls.readyCount == 0) ++party.next;
    if (party.next < party.classes.size()) turns.push(turnOf(at));
  }

  std::stable_sort(parties.begin(), parties.end(), [this](const Party& a, const Party& b) {
    return std::pair(standingOf(*a.job), a.job->lastPlaced) <
           std::pair(standingOf(*b.job), b.job->lastPlaced);
  });
  bool isOneGone = false;
  for (const Party& party : parties) {
    for (Class* cls : party.classes) {
      if (cls->readyCount > 0 && !cls->choice) handOut(*party.job, *cls, Sent::ahead, kAll);
      if (cls->readyCount == 0) {
        isOneGone = isOneGone || cls->blocked;
        continue;
      }
      cls->blocked = !cls->choice && !isOverQuota(*cls);
      noteBlocked(*cls);
    }
    settle(*party.job);
  }
  return isOneGone;
}

// ---- Making way.

void Tables::askBack(Node& node, JobId job, std::uint32_t index, Item& item) {
  if (item.stage != Stage::assigned || std::exchange(item.askedBack, true)) return;
  node.orders.giveBack.push_back(ObjectId::make(job, index));
  owe(node);
}

// Once for each time that the class waits: those that come later find no place ahead of it.
void Tables::preempt(Class& cls) {
  cls.hasPreempted = true;
  const ResourceSet& needs = cls.likelyNeeds();
  std::uint64_t wanted = cls.readyCount;
  for (Node& node : nodes) {
    if (wanted == 0) return;
    std::uint64_t fits =
        isUsable(node) && couldRun(node, cls) ? placement::capacity(node.shape, needs) : 0;
    if (fits == 0) continue;
    bool asked = false;
    for (auto& [key, lane] : node.lanes) {
      const Class& other = classOf(key);
      bool makesWay = other.definition.preemptible && contends(node.free, needs, needsOf(key)) &&
                      other.definition.priority < cls.definition.priority;
      if (!makesWay) continue;
      for (std::uint32_t index = lane.first; index != 0;) {
        Item& item = other.owner->items.at(index);
        askBack(node, other.job, index, item);
        asked = true;
        index = item.next;
      }
    }
    if (asked) wanted -= std::min(wanted, fits);
  }
}

// ---- What jobs hold.

void Tables::hold(Node& node, Job& job, const ResourceSet& needs) {
  node.free.subtract(needs);
  job.held.add(needs);
}

void Tables::letGo(Node& node, Job& job, const ResourceSet& needs) {
  node.free.add(needs);
  job.held.subtract(needs);
}

void Tables::commit(Job& job, const ResourceSet& needs) {
  if (job.hasQuota) job.committed.add(needs);
}

void Tables::uncommit(Job& job, const ResourceSet& needs) {
  if (job.hasQuota) job.committed.subtract(needs);
}

std::uint64_t Tables::leftOfQuota(const Job& job, const ResourceSet& needs, std::uint64_t most) {
  if (!job.hasQuota) return most;
  return job.share.quota.timesCovers(job.committed, needs, most);
}

bool Tables::isOverQuota(const Class& cls) {
  const TaskClass& definition = cls.definition;
  for (std::size_t way = 0; way < definition.ways(); ++way) {
    if (leftOfQuota(*cls.owner, definition.needsOf(way), 1) > 0) return false;
  }
  return true;
}

}  // namespace alnilam::head
