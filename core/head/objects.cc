// Values: how they reach those who wait, when they are dropped, and how they are remade.

#include "core/head/tables.h"

#include <algorithm>
#include <utility>

namespace alnilam::head {

Value Tables::valueOf(const Item& item) const {
  switch (item.stage) {
    case Stage::held: return Value::of(item.blob);
    case Stage::stored: return Value::at(stored[item.slot].size, stored[item.slot].holders);
    case Stage::failed: return Value::failed(failures[item.slot].why);
    default: return {};
  }
}

void Tables::tell(Job& job, std::uint32_t index, Item& item) {
  item.wanted = false;
  if (job.told.empty()) job.told.reserve(std::min<std::size_t>(job.toldBefore, kMostReserved));
  job.told.emplace_back(ObjectId::make(job.id, index), valueOf(item));
  owe(job);
}

std::uint32_t Tables::addStored(StoredObject object) {
  if (freeStored.empty()) {
    stored.push_back(std::move(object));
    return static_cast<std::uint32_t>(stored.size() - 1);
  }
  std::uint32_t slot = freeStored.back();
  freeStored.pop_back();
  stored[slot] = std::move(object);
  return slot;
}

bool Tables::holds(const Item& item, NodeId node) const {
  if (item.stage != Stage::stored) return false;
  const auto& holders = stored[item.slot].holders;
  return std::find(holders.begin(), holders.end(), node) != holders.end();
}

void Tables::freeStoredSlot(Item& item, bool tellHolders) {
  StoredObject& object = stored[item.slot];
  if (tellHolders) {
    for (NodeId holder : object.holders) {
      Node& node = nodes[holder.value - 1];
      node.orders.release.push_back(object.object);
      owe(node);
    }
  }
  object = {};
  freeStored.push_back(item.slot);
  item.slot = 0;
}

void Tables::fail(Job& job, std::uint32_t index, FailurePtr why) {
  Item& item = job.items.at(index);
  if (item.stage == Stage::ready) unqueue(job, job.classes[item.taskClass], item);
  setStage(job, item, Stage::failed);
  item.slot = addFailure(std::move(why));
  conclude(job, index);
}

void Tables::conclude(Job& job, std::uint32_t index) { job.concluded.push_back(index); }

void Tables::settle(Job& job) {
  // First in, first out: what became ready first is queued first.
  for (std::size_t i = 0; i < job.concluded.size(); ++i) passValueOn(job, job.concluded[i]);
  job.concluded.clear();
  while (!job.unneeded.empty()) {
    std::uint32_t index = job.unneeded.back();
    job.unneeded.pop_back();
    Item* item = job.items.find(index);
    if (!item || item->clientRef || item->uses > 0 || item->onBoard) continue;
    switch (item->stage) {
      case Stage::stored:
        freeStoredSlot(*item, true);
        setStage(job, *item, Stage::evicted);
        [[fallthrough]];
      case Stage::held:
        if (std::exchange(item->onDevice, false) && nodes[item->node - 1].alive) {
          nodes[item->node - 1].orders.release.push_back(ObjectId::make(job.id, index));
          owe(nodes[item->node - 1]);
        }
        [[fallthrough]];
      case Stage::evicted:
        if (item->lineageUses == 0) forget(job, index);
        break;
      case Stage::failed:
        if (item->lineageUses > 0) break;  // whoever is made again from it must find why not
        dropFailure(item->slot);
        forget(job, index);
        break;
      default:
        break;  // it has yet to run; its end comes back here
    }
  }
}

void Tables::dropIfUnneeded(Job& job, std::uint32_t index) { job.unneeded.push_back(index); }

void Tables::forget(Job& job, std::uint32_t index) {
  Item& item = job.items.at(index);
  for (ObjectId input : item.inputs) {  // only an evicted task still has any
    Item& one = job.items.at(input.index());
    if (--one.lineageUses == 0) dropIfUnneeded(job, input.index());
  }
  job.items.forget(index, pages);
}

void Tables::letInputsGo(Job& job, Item& item, bool keepLineage) {
  for (ObjectId input : item.inputs) {
    Item& one = job.items.at(input.index());
    if (keepLineage) ++one.lineageUses;
    if (--one.uses == 0 && !one.clientRef) dropIfUnneeded(job, input.index());
  }
  if (!keepLineage) item.inputs = {};
}

void Tables::passValueOn(Job& job, std::uint32_t index) {
  Item& item = job.items.at(index);
  if (item.wanted) tell(job, index, item);
  if (!item.put && item.taskClass < job.classes.size()) {
    if (Class& cls = job.classes[item.taskClass]; cls.times) noteEnded(cls, index);
  }
  if (item.stage == Stage::failed) {
    item.blob = {};
    if (!item.put) {
      ++job.failed;
      note(job, index, item, Duration{0}, true);
    }
  } else if (!item.put) {
    ++job.finished;
  }
  if (!item.inputs.empty()) letInputsGo(job, item, item.stage == Stage::stored);

  job.edges.drain(std::exchange(item.lastEdge, 0), [&](const Edge& edge) {
    // One that failed by another input is still in this ring, and may be forgotten by now; one that
    // was sent here as a link and came back may be in it twice.
    Item* waiter = job.items.find(edge.task);
    bool isChained = waiter && waiter->stage == Stage::assigned && waiter->chained;
    if (!waiter || (waiter->stage != Stage::waiting && !isChained)) return;
    if (edge.attempt + (isChained ? 1 : 0) != waiter->attempt) return;
    if (item.stage == Stage::failed) {
      if (isChained) {  // its node may not know yet, and counts it until it says that it ended
        Node& node = nodes[waiter->node - 1];
        node.orders.cancel.push_back(ObjectId::make(job.id, edge.task));
        owe(node);
      }
      waiter->slot = passOn(job, item.slot, job.classes[waiter->taskClass]);
      setStage(job, *waiter, Stage::failed);
      conclude(job, edge.task);
    } else if (--waiter->missing == 0) {
      if (isChained) unchain(job, *waiter);
      else enqueue(job, edge.task, false);
    }
  });
  if (!item.clientRef && item.uses == 0) dropIfUnneeded(job, index);
}

// A failure that goes on to another task names that task's function in its chain.  A thousand tasks
// of one class that fail for one reason share one copy, and so does a chain longer than kMaxChain.
std::uint32_t Tables::passOn(Job& job, std::uint32_t from, const Class& to) {
  if (failures[from].why->chain.size() >= Failure::kMaxChain) {
    ++failures[from].users;
    return from;
  }
  auto at = job.passedOn.find({from, to.index});
  if (at == job.passedOn.end()) {
    constexpr std::size_t kRemembered = 4096;
    if (job.passedOn.size() >= kRemembered) {
      for (auto& [key, slot] : job.passedOn) {
        dropFailure(key.first);
        dropFailure(slot);
      }
      job.passedOn.clear();
    }
    auto longer = std::make_shared<Failure>(*failures[from].why);
    longer->chain.push_back(to.definition.function);
    ++failures[from].users;  // so that the slots are not used for something else meanwhile
    at = job.passedOn.emplace(std::pair{from, to.index}, addFailure(std::move(longer))).first;
  }
  ++failures[at->second].users;
  return at->second;
}

bool Tables::checkInputs(Job& job, std::uint32_t index, Item& item) {
  std::uint32_t missing = 0;
  std::uint32_t lost = 0;
  bool nearData = false;
  bool isBeingMade = false;
  for (ObjectId input : item.inputs) {
    const Item& one = job.items.at(input.index());
    if (one.stage == Stage::held) continue;
    if (one.stage == Stage::stored) nearData = true;
    else if (one.stage == Stage::failed) lost = input.index();
    else ++missing;
    isBeingMade = isBeingMade || one.stage == Stage::assigned;
  }
  item.nearData = nearData;
  if (missing == 0 && lost == 0) return true;
  if (lost != 0) {
    Item& cause = job.items.at(lost);
    item.slot = passOn(job, cause.slot, job.classes[item.taskClass]);
    setStage(job, item, Stage::failed);
    conclude(job, index);
    return false;
  }
  setStage(job, item, Stage::waiting);
  item.missing = missing;
  if (isBeingMade) mayFollow.push_back(ObjectId::make(job.id, index));
  for (ObjectId input : item.inputs) {
    Item& one = job.items.at(input.index());
    if (one.stage == Stage::held || one.stage == Stage::stored) continue;
    one.lastEdge = job.edges.append(one.lastEdge, {index, item.attempt});
    if (one.stage == Stage::evicted) remake(job, input.index());
  }
  return false;
}

// Runs the task of an evicted value again, and for that whatever of its inputs is gone as well.
void Tables::remake(Job& job, std::uint32_t root) {
  std::vector<std::uint32_t> made{root};
  auto begin = [&](Item& item) {
    setStage(job, item, Stage::waiting);
    item.missing = 0;
    if (!item.put) --job.finished;
  };
  begin(job.items.at(root));
  for (std::size_t i = 0; i < made.size(); ++i) {
    std::uint32_t index = made[i];
    Item& item = job.items.at(index);
    bool canBeMade = !item.put;
    for (ObjectId input : item.inputs) {
      Item& one = job.items.at(input.index());
      --one.lineageUses;
      ++one.uses;
      if (one.stage == Stage::held || one.stage == Stage::stored) continue;
      if (one.stage == Stage::failed) {
        canBeMade = false;
        continue;
      }
      one.lastEdge = job.edges.append(one.lastEdge, {index, item.attempt});
      ++item.missing;
      if (one.stage == Stage::evicted) {
        begin(one);
        made.push_back(input.index());
      }
    }
    if (!canBeMade) {
      std::string what = item.put ? "a value that was put" : "a result whose inputs are gone";
      fail(job, index, failureOf(FailureKind::objectLost, job, index, item,
                                 show(ObjectId::make(job.id, index)) +
                                     " is lost and cannot be made again: " + what));
    } else if (item.missing == 0) {
      checkInputs(job, index, item);  // for nearData
      enqueue(job, index, false);
    }
  }
}

void Tables::holderGone(StoredObject& object, NodeId node) {
  auto at = std::find(object.holders.begin(), object.holders.end(), node);
  if (at == object.holders.end()) return;
  object.holders.erase(at);
  if (!object.holders.empty()) return;
  Job& job = *find(object.object.job());
  std::uint32_t index = object.object.index();
  Item& item = job.items.at(index);
  freeStoredSlot(item, false);
  setStage(job, item, Stage::evicted);
  if (item.put && (item.clientRef || item.uses > 0)) {
    fail(job, index, failureOf(FailureKind::objectLost, job, index, item,
                               show(ObjectId::make(job.id, index)) +
                                   " was put, and the last node that held it is gone"));
  }
}

}  // namespace alnilam::head
