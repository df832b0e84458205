// Balance: work that waits where nothing moves is fetched to where there is room, and nodes on
// which everything fails get nothing for a while.
//
// Tasks are sent ahead as far as their class is short, so one that proves long holds up those
// behind it.  Whenever nothing is left to hand out and a node has room, tasks that wait at another
// whose lane has ended none for kStuck are asked back; those that have not begun come, and are
// placed anew.  A lane that moves is left alone: it will be through with what it has sooner.
//
// A node is set aside if its tasks fail one after another, and those of the same class all end well
// elsewhere meanwhile: a class that fails everywhere is the program's affair.  What waits there is
// asked back.  After a while it is tried again, and the next failure sets it aside for twice as
// long, the next success restores it.  The last node that is left is never set aside.
//
//     usable -- kTooMany failures in a row, as many successes elsewhere --> aside for kAside
//        ^                                                                     |
//        +-- a success, or people say so -- on trial <------------------- that has passed
//                                              +-- a failure --> aside for twice as long

#include "core/head/tables.h"

#include <algorithm>

namespace alnilam::head {
namespace {

constexpr Duration kStuck = std::chrono::milliseconds(10);
constexpr std::uint32_t kTooMany = 8;
constexpr Duration kAside = std::chrono::seconds(10);
constexpr Duration kLongestAside = std::chrono::minutes(10);
// Of the nodes that have room, and of the tasks of one lane, so many are looked at at a time.
constexpr std::size_t kMostIdle = 64;
constexpr std::uint64_t kMostFetched = 256;

// Failures that may be the node's.
bool maySpeakAgainstNode(FailureKind kind) {
  switch (kind) {
    case FailureKind::exception:
    case FailureKind::crashed:
    case FailureKind::exited:
    case FailureKind::executorFailed:
    case FailureKind::storeFull:
    case FailureKind::device: return true;
    default: return false;
  }
}

}  // namespace

// ---- Fetching.

void Tables::fetchStuck() {
  if (now < nextFetch) {  // a node may have run out of work since the last look
    holdUntil = std::min(holdUntil, nextFetch);
    return;
  }
  nextFetch = now + kStuck;
  std::vector<Node*> idle, busy;
  for (Node& node : nodes) {
    if (node.alive && node.ahead > 0) busy.push_back(&node);
    else if (isUsable(node) && idle.size() < kMostIdle) idle.push_back(&node);
  }
  if (idle.empty()) return;
  for (Node* from : busy) {
    for (auto& [key, lane] : from->lanes) {
      const Class& cls = classOf(key);
      bool staysThere = cls.choice || policyOf(cls) == PlacementPolicy::locality;
      if (lane.ahead == 0 || staysThere) continue;
      std::uint64_t room = 0;
      for (Node* to : idle) {
        const Lane& there = laneOf(*to, cls);
        std::uint64_t left = there.capacity - std::min(there.capacity, there.fitting);
        room += to->free.timesCovers(cls.definition.needs, left);
      }
      if (room == 0) continue;
      holdUntil = std::min(holdUntil, std::max(nextFetch, lane.movedAt + kStuck));
      if (now - lane.movedAt < kStuck) continue;
      // As many as can begin there, and half of what waits, for when those are through.
      fetch(*from, lane, cls, std::min(lane.ahead, std::max(room, (lane.ahead + 1) / 2)));
    }
  }
}

// The newest, which are the last that would begin there.
void Tables::fetch(Node& from, Lane& lane, const Class& cls, std::uint64_t count) {
  count = std::min(count, kMostFetched);
  Job& job = *cls.owner;
  for (std::uint32_t index = lane.first; index != 0 && count > 0;) {
    Item& item = job.items.at(index);
    if (!item.chained && !item.askedBack) {
      askBack(from, job.id, index, item);
      --count;
    }
    index = item.next;
  }
}

// ---- Setting aside.

void Tables::endedWell(Node& node, Class& cls) {
  node.failuresInARow = node.timesAside = 0;
  if (cls.suspect == node.id.value) cls.suspect = 0;
  else if (cls.suspect != 0) ++cls.othersWell;
}

void Tables::endedBadly(Node& node, Class& cls, const Failure& failure,
                        std::vector<Output>& out) {
  if (!maySpeakAgainstNode(failure.kind)) return;
  ++node.failuresInARow;
  if (std::exchange(cls.suspect, node.id.value) != node.id.value) {
    cls.suspectFailures = cls.othersWell = 0;
  }
  ++cls.suspectFailures;
  bool isItsFault = node.failuresInARow >= kTooMany && cls.suspectFailures >= kTooMany &&
                    cls.othersWell >= kTooMany;
  if (!isItsFault || !isUsable(node)) return;
  bool isLast = std::none_of(nodes.begin(), nodes.end(), [&](const Node& other) {
    return &other != &node && isUsable(other);
  });
  if (isLast) return;

  Duration length = kAside;
  for (std::uint32_t i = 0; i < node.timesAside && length < kLongestAside; ++i) length *= 2;
  ++node.timesAside;
  node.asideUntil = now + std::min(length, kLongestAside);
  node.asideWhy = std::to_string(node.failuresInARow) +
                  " tasks failed there in a row, and those of " + cls.definition.function +
                  " end well elsewhere; the last: " + failure.message.substr(0, kMaxReason);
  nextCheck = std::min(nextCheck, node.asideUntil);
  for (auto& [key, lane] : node.lanes) {
    if (lane.ahead > 0) fetch(node, lane, classOf(key), lane.ahead);
  }
  for (Class* waiting : std::vector<Class*>(reservations)) {
    if (waiting->reserved == node.id.value) unreserve(*waiting);
  }
  out.push_back(NodeSetAside{node.id, std::min(length, kLongestAside), node.asideWhy});
}

// A node that was set aside may be tried again.
void Tables::endAside(Node& node) {
  node.asideUntil = {};
  node.freed = true;
  noteChange(node);
}

std::string Tables::asideOf(const Node& node) const {
  if (!node.alive || isUsable(node)) return {};
  auto left = (node.asideUntil - now) / std::chrono::seconds(1) + 1;
  return "set aside for " + std::to_string(left) + " s more: " + node.asideWhy;
}

}  // namespace alnilam::head
