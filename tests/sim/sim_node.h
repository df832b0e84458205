#pragma once
// A simulated host: a real node brain, and executors, a store and a mover that are made up.
//
// Executors run tasks for seeded times on the slots that they were granted, exactly as orders.h
// says; a task may throw or take its executor down.  What waits for results of its own executor
// waits in the real waiting room.  The store is a map; a pull takes a while and
// fails if the holder lost the object.  While it plays, the host checks what the brain does: no
// core, device or byte is granted twice, no device that is out of service is granted, inputs are in
// the store from a task's start to its end, and nothing is dropped that is not there.

#include "core/engine/waiting_room.h"
#include "core/node/node_brain.h"
#include "tests/sim/program.h"
#include "tests/sim/timeline.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace alnilam::sim {

// What a host needs of the world around it.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual Timeline& time() = 0;
  virtual Luck& luck() = 0;
  virtual const Program* programOf(JobId job) = 0;
  // How long a task runs in a slot of `node`; of a class with variants, as one of them.
  virtual Duration runTime(const SimTask& task, const SlotGrant& slot, const Topology& node) = 0;
  // Whether `node` holds `object` now, as its mover would say.
  virtual bool holds(NodeId node, ObjectId object) = 0;
  // Whether this attempt of the task takes its executor down; counts it.
  virtual bool crashesNow(TaskId task) = 0;
  virtual void toHead(const std::string& node, NodeReport report) = 0;
  virtual void pullFailed(ObjectId object) = 0;
  virtual void violation(const std::string& what) = 0;
  virtual void trace(const std::string& line) = 0;
};

class SimNode {
 public:
  SimNode(Surroundings& world, std::string name, Topology topology);

  // A new life with an empty store; the brain knows nothing.
  void start();
  // The end of this life: everything is gone at once.
  void crash();
  void feed(node::Input input);
  // From now on tasks on this device fail, until devices are mended or a next life begins.
  void loseDevice(std::uint32_t gpu) { lostDevices_.insert(gpu); }
  void mendDevices() { lostDevices_.clear(); }

  const std::string& name() const { return name_; }
  const Topology& topology() const { return topology_; }
  bool alive() const { return brain_.has_value(); }
  std::uint32_t life() const { return life_; }
  bool holds(ObjectId object) const { return store_.contains(object); }
  std::uint64_t valueOf(ObjectId object) const { return store_.at(object); }
  void putLocally(ObjectId object, std::uint64_t value);

  // Everything that is still there though nobody needs it, in words; empty if nothing is.
  std::string leftovers() const;
  std::size_t executors() const { return executors_.size(); }
  // Tasks that executors started by themselves when their inputs were made.
  std::uint64_t released() const { return released_; }
  // Devices that the brain took out of service.
  std::uint64_t withdrawals() const { return withdrawals_; }

  static constexpr Bytes kStoredSize = 100'000;

 private:
  struct Running {
    RunTask task;
    std::uint64_t number = 0;
    Duration runs{};
  };
  struct Slot {
    SlotGrant grant;
    bool closing = false;
    std::optional<Running> busy;
  };
  struct Executor {
    JobId job;
    Link in, out;
    std::map<ClassIndex, std::deque<RunTask>> lanes;
    std::map<SlotId, Slot> slots;
    ExecutorReport report;
    std::map<ObjectId, std::uint64_t> stored;  // results in `report`
    std::map<ObjectId, std::uint64_t> under;   // stored results that the node has not heard of
    WaitingRoom room;
    bool reporting = false;
  };

  void settleSoon();
  void settle();
  void wakeAtDeadline();
  void perform(node::Output& output);
  void pull(const node::Pull& pull);
  void end(ExecutorId id, TaskId culprit, FailureKind how);
  void obey(ExecutorId id, Orders orders);
  void open(Executor& executor, SlotGrant grant);
  void checkGrants();
  void draw(ExecutorId id, SlotId slot);
  void drawAll(ExecutorId id);
  void finish(ExecutorId id, SlotId slot);
  std::optional<std::uint32_t> lostDeviceOf(const Slot& slot) const;
  void failOn(std::uint32_t gpu, Executor& executor, const RunTask& task, Duration ran);
  // Does what the room says; how many tasks it released.
  std::size_t heed(Executor& executor, WaitingRoom::Outcome outcome);
  void unmade(Executor& executor, TaskId task);
  void noteWithdrawn(const std::vector<node::Output>& outputs);
  void checkInputs(const Executor& executor, const RunTask& task, const char* when);
  void reportSoon(ExecutorId id);
  // Runs `what` later, unless this life is over by then.
  void later(Link* link, Duration low, Duration high, std::function<void()> what);
  Executor* find(ExecutorId id);

  Surroundings& world_;
  std::string name_;
  Topology topology_;
  std::uint32_t life_ = 0;
  std::optional<node::NodeBrain> brain_;
  std::map<ExecutorId, Executor> executors_;
  std::map<ObjectId, std::uint64_t> store_;
  std::uint64_t started_ = 0;
  std::uint64_t released_ = 0;
  std::uint64_t withdrawals_ = 0;
  std::set<std::uint32_t> lostDevices_;
  std::set<std::uint32_t> withdrawn_;  // as the brain says
  bool settling_ = false;
  std::optional<Instant> wakesAt_;
};

}  // namespace alnilam::sim
