// Devices that fail: which are taken out of service, and what becomes of the tasks they had.
//
// A device that is lost is withdrawn at once.  One on which contexts keep dying is withdrawn when
// kTooMany tasks in a row have each killed one and none has ended well there in between.  But a
// kernel with a bug kills contexts wherever it runs, and must not cost the node its devices.  So
// only a function counts that has ended well on this node, in this job; and if its tasks kill
// contexts on two devices, none of them ending well in between, it is the function's fault, and
// what it did speaks against no device.
//
// The slots on a withdrawn device are closed; its resources stay theirs until they are.  Tasks go
// to other devices if they can run there.  Those that cannot are given back to the head, which
// knows of the withdrawal before; an executor that has some is told to drop them.  A task that
// found the device lost before it began runs again at once (a suspect goes back: its turn is over).
// One that had begun has failed, and the head decides whether it is tried again.

#include "core/node/state.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace alnilam::node {
namespace {

constexpr std::size_t kTooMany = 5;

std::string bounded(std::string why) {
  why.resize(std::min(why.size(), WithdrawnGpu::kMaxWhy));
  return cleanMessage(why);
}

}  // namespace

// ---- What speaks for a device, and what against it.

void NodeBrain::State::endedWell(Lane& lane, std::uint32_t gpu) {
  lane.killedOn = 0;
  if (gpu >= devices.size()) return;
  devices[gpu].charges.clear();
  // The report names the first device; the others of the slot did well too.
  if (lane.definition.needs.gpus > Amount::whole(1)) absolve(lane);
}

bool NodeBrain::State::endedBadly(Lane& lane, const TaskDone& done) {
  if (done.sickGpu >= devices.size()) return false;
  DeviceRecord& device = devices[done.sickGpu];
  if (!device.outOfService.empty()) return true;
  if (done.health == DeviceHealth::deviceLost) {
    withdraw(done.sickGpu, "lost: " + done.failure->message);
    return true;
  }
  lane.killedOn |= std::uint64_t{1} << done.sickGpu;
  if (std::popcount(lane.killedOn) > 1) absolve(lane);
  if (std::popcount(lane.killedOn) > 1 || !lane.measured) return false;
  bool isKnown = std::any_of(device.charges.begin(), device.charges.end(),
                             [&](const auto& charge) { return charge.task == done.id; });
  if (!isKnown) device.charges.push_back({done.id, lane.index});
  if (device.charges.size() < kTooMany) return false;
  withdraw(done.sickGpu, std::to_string(kTooMany) + " tasks in a row killed their contexts; the " +
                             "last was " + lane.definition.function + ": " +
                             done.failure->message);
  return true;
}

// What tasks of the lane did speaks against no device.
void NodeBrain::State::absolve(const Lane& lane) {
  for (DeviceRecord& device : devices) {
    std::erase_if(device.charges, [&](const DeviceRecord::Charge& charge) {
      return charge.task.job() == lane.job->notice.job && charge.lane == lane.index;
    });
  }
}

// ---- Out of service, and back.

void NodeBrain::State::withdraw(std::uint32_t gpu, std::string why) {
  devices[gpu].outOfService = bounded(std::move(why));
  devices[gpu].charges.clear();
  std::vector<SlotId> there;
  for (const auto& [id, slot] : slots) {
    const auto& grants = slot.taken.devices;
    bool hasIt = std::any_of(grants.begin(), grants.end(),
                             [gpu](const DeviceGrant& grant) { return grant.gpu == gpu; });
    if (hasIt && !slot.closing) there.push_back(id);
  }
  for (SlotId id : there) closeSlot(id);
  deviceServiceChanged();
}

void NodeBrain::State::restoreDevices() {
  for (DeviceRecord& device : devices) device = {};
  deviceServiceChanged();
}

void NodeBrain::State::deviceServiceChanged() {
  std::uint64_t out = 0;
  owedReport.withdrawn.emplace();
  for (std::uint32_t gpu = 0; gpu < devices.size(); ++gpu) {
    if (devices[gpu].outOfService.empty()) continue;
    out |= std::uint64_t{1} << gpu;
    owedReport.withdrawn->push_back({gpu, devices[gpu].outOfService});
  }
  room.outOfService = idleRoom.outOfService = out;
  for (auto& job : jobs) {
    for (auto* lanes : {&job->lanes, &job->moreLanes}) {
      for (auto& lane : *lanes) {
        placement::NodeRoom trial = idleRoom;
        if (!lane) continue;
        lane->feasible =
            placement::take(config.topology, trial, lane->definition.needs).has_value();
      }
    }
  }
  straysDue = planDue = true;
}

// ---- Tasks that can run nowhere here.

bool NodeBrain::State::isFeasible(const Lane& lane) const {
  if (!lane.choice) return lane.feasible;
  const auto& ways = lane.choice->ways;
  return std::any_of(ways.begin(), ways.end(), [](const Lane* way) { return way->feasible; });
}

bool NodeBrain::State::wouldBeFeasible(const Lane& lane) const {
  placement::NodeRoom whole = idleRoom;
  whole.outOfService = 0;
  for (std::size_t way = 0; way < lane.whole().ways(); ++way) {
    placement::NodeRoom trial = whole;
    if (placement::take(config.topology, trial, lane.whole().needsOf(way))) return true;
  }
  return false;
}

void NodeBrain::State::giveBackStrays() {
  if (!std::exchange(straysDue, false)) return;
  for (std::uint32_t index = 0; index < tasks.size(); ++index) {
    Task& task = tasks[index];
    if (!task.lane) continue;
    bool isOnBoard = task.at == Task::At::sent || task.at == Task::At::following;
    if (!isOnBoard) {
      // While there are suspects nobody picks another variant: a suspect would wait for itself.
      bool isStuck = task.suspect && !task.lane->feasible;
      if (isStuck || !isFeasible(*task.lane)) giveBack(index);
    } else if (!task.lane->feasible && !task.cancelled && !std::exchange(task.recalled, true)) {
      executors.at(task.lane->job->executor).orders.cancel.push_back(task.id);
    }
  }
}

}  // namespace alnilam::node
