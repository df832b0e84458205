#pragma once
// What the node brain remembers.  Not for users of the brain: node_brain.h is its surface.
//
//   Job        lanes by class, and one executor at a time
//   Lane       a class of one job, or one variant of it: tasks that wait, tasks that were sent,
//              slots that draw from it
//   Choice     a class with variants: tasks for which none has been picked, and the lanes of each
//   Task       one assignment, from its arrival to its report; lives in a pool, linked into lists
//   Slot       a grant that an executor holds; its resources are taken until it is reported closed
//   Object     a stored object of this node, or one being pulled
//
// Invariants, which hold between any two calls:
//   a task is in exactly one place: fetching (missing or unmade > 0), its choice's undecided, its
//     lane's queue, its lane's sent, or its lane's following (with the executor, unmade > 0: it
//     takes no slot yet)
//   unmade counts the inputs that are coming; for each the ring of the task that makes it has an
//     element; if that one ends without a result this one is returned, or orphaned if it follows
//   an object's pins are the stored inputs of live tasks that name it
//   room is the node's total less what the slots hold; no open slot has a device that is out of
//     service
//   a lane is in `active` exactly while it has tasks in its lists, or slots
//
// tasks.cc moves tasks, chains.cc those that wait for others, objects.cc objects, executors.cc
// executors; variants.cc gives tasks with variants to lanes; lanes.cc decides who gets slots and
// sends; devices.cc takes devices out of service.

#include "core/base/rings.h"
#include "core/node/id_table.h"
#include "core/node/node_brain.h"
#include "core/placement/choice.h"
#include "core/placement/slots.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace alnilam::node {

inline constexpr std::uint32_t kNoTask = IdTable::kNone;

struct TaskList {
  std::uint32_t first = kNoTask;
  std::uint32_t last = kNoTask;
  std::size_t size = 0;
};

struct Job;
struct Lane;

struct Choice {
  TaskClass definition;
  std::vector<Lane*> ways;  // by variant
  std::vector<placement::CostTable::Series> series;  // likewise; 0 where not looked up yet
  TaskList undecided;
  std::optional<Instant> gaveUpAt;  // one of them waits for a better variant until then
};

struct Lane {
  Job* job = nullptr;
  ClassIndex index = 0;   // its number for executors: the class's, or laneFor the variant
  TaskClass definition;   // of a variant: with its function and needs
  Choice* choice = nullptr;  // of a variant
  std::uint8_t way = 0;      // which one
  Duration backlog{};        // of a variant: what its tasks are expected to take
  bool feasible = false;  // fits on the idle node, on devices that are in service
  std::uint64_t killedOn = 0;  // devices (bits) where its tasks killed contexts, see devices.cc

  TaskList queue;
  TaskList sent;
  TaskList following;         // sent before their inputs are made; they need no slot yet
  std::vector<SlotId> open;   // not asked to close
  std::size_t closing = 0;    // asked to close, still holding their resources
  ExecutorId announced;       // the executor that was told of the lane

  std::int64_t usual = 0;     // nanoseconds a task runs, an exponential mean
  bool measured = false;

  bool active = false;
  std::uint64_t age = 0;                 // order of becoming active
  std::optional<Instant> drySince;       // no task in the lists
  std::optional<Instant> slotlessSince;  // has tasks, and not one slot

  std::size_t tasks() const { return queue.size + sent.size; }
  // The class as the head told it.
  const TaskClass& whole() const { return choice ? choice->definition : definition; }
};

struct Job {
  JobNotice notice;
  std::vector<std::unique_ptr<Lane>> lanes;  // by class, of the first variant; null: none told
  std::vector<std::unique_ptr<Lane>> moreLanes;  // of the other variants
  std::vector<std::unique_ptr<Choice>> choices;
  ExecutorId executor;                       // none while none is started
  std::size_t tasks = 0;                     // live ones, fetching included
  std::size_t sent = 0;
  std::size_t following = 0;
  std::size_t slots = 0;                     // open or closing
  std::size_t suspects = 0;
  bool diedIdle = false;  // its executor died without a task on board, and none has finished since
  std::optional<Instant> failedAt;           // the last start that failed, and why
  std::string failedWhy;
};

struct Task {
  enum class At : std::uint8_t { nowhere, fetching, undecided, queued, sent, following };

  TaskId id;
  Attempt attempt;
  Attempt sentAs;
  Lane* lane = nullptr;
  std::uint32_t next = kNoTask;
  std::uint32_t previous = kNoTask;
  std::uint32_t missing = 0;   // inputs that are being pulled
  std::uint32_t unmade = 0;    // inputs that are coming: tasks of this node have yet to make them
  std::uint32_t waiters = 0;   // the ring of those who wait for its result
  std::uint64_t serial = 0;    // tells it from others that had the same place in the pool
  At at = At::nowhere;
  bool suspect = false;
  bool cancelled = false;
  bool recalled = false;  // it is not to run here any more, and its executor was told to drop it
  bool awaited = false;        // others wait for its result, or may come and wait
  bool announced = false;      // sent as awaited: those who wait may follow
  bool orphaned = false;       // following, and one that it waits for is over without a result
  Blob arguments;
  std::vector<RunInput> inputs;
  // Of a class with variants; while none is picked, `lane` is that of the first.
  std::uint8_t hint = 0;   // the variant that the head counts on
  bool trial = false;      // and it shall be that one
  Bytes bytes = 0;         // of its arguments, and of the inputs that are known
  std::uint8_t sizeClass = 0;  // of all of them
  Instant since{};         // when they were all here
};

struct Slot {
  placement::Taken taken;
  ResourceSet needs;
  Lane* lane = nullptr;  // null: its job ended
  ExecutorId executor;
  bool closing = false;
};

struct Executor {
  Job* job = nullptr;  // null: its job ended, it was told to stop
  JobId ended;         // that job; its objects go when its threads are gone
  bool up = false;
  bool hasDevices = false;  // it has had a slot with devices, and may keep results there
  Orders orders;       // owed since the last settle
};

// What speaks against a device since a task last ended well there, see devices.cc.
struct DeviceRecord {
  struct Charge {
    TaskId task;
    ClassIndex lane = 0;
  };
  std::vector<Charge> charges;  // fewer than kTooMany
  std::string outOfService;     // why it is; empty: it is in service
};

// A task that waits for something: out of date if another has its place by now.
struct Waiter {
  std::uint32_t task = kNoTask;
  std::uint64_t serial = 0;
};

struct Object {

  ObjectId id;
  Bytes size = 0;
  bool here = false;  // in the store; else being pulled
  bool unwanted = false;  // the head released it; dropped when no task uses it
  std::uint32_t pins = 0;
  std::vector<NodeId> holders;  // known while it is pulled
  std::size_t tried = 0;        // the first ones of them, already asked
  Instant asked{};              // when
  std::vector<Waiter> waiters;
};

struct NodeBrain::State {
  explicit State(Config given);

  // tasks.cc
  void assign(Instant now, Assignment&& assignment);
  void cancel(TaskId id);
  void done(ExecutorId executor, TaskDone&& done);
  void enqueue(std::uint32_t index);
  void fail(std::uint32_t index, FailureKind kind, std::string message, TaskId where = {});
  void refuse(const Assignment& assignment, FailureKind kind, std::string message);
  void returnUnbegun(TaskId id, Attempt attempt);
  void forget(std::uint32_t index);  // unpins, unlinks, frees
  void failAll(Job& job, FailureKind kind, const std::string& message);
  std::uint32_t newTask();
  void append(TaskList& list, std::uint32_t index);
  void prepend(TaskList& list, std::uint32_t index);
  void unlink(TaskList& list, std::uint32_t index);
  TaskList& listOf(Task& task);

  // devices.cc
  void endedWell(Lane& lane, std::uint32_t gpu);
  bool endedBadly(Lane& lane, const TaskDone& done);  // whether the device is out of service now
  void absolve(const Lane& lane);
  void withdraw(std::uint32_t gpu, std::string why);
  void restoreDevices();
  void deviceServiceChanged();
  bool isFeasible(const Lane& lane) const;  // of a variant: one of them all is
  bool wouldBeFeasible(const Lane& lane) const;  // if all devices were in service
  void giveBackStrays();

  // chains.cc
  bool awaitResult(ObjectId id, std::uint32_t index, RunInput& input);  // false: nobody makes it
  void made(std::uint32_t index, const TaskDone& done);  // those who wait for it get its result
  void unmade(std::uint32_t index);                      // those who wait for it are returned
  void runnable(std::uint32_t index);
  void giveBack(std::uint32_t index);
  void giveBackUnbegun(TaskId id);
  void returned(std::uint32_t index);
  void mayFollow(std::uint32_t index);
  void mayFollowTo(const Task& maker);
  void follow();
  bool canFollow(const Task& task) const;
  void requeueFollowing(Lane& lane);

  // objects.cc
  bool pin(ObjectId id, const Value& value, std::uint32_t waiter);  // whether it is here
  void unpin(ObjectId id);
  void arrived(ObjectId id, Bytes size);
  void pulled(ObjectId id, Bytes size);
  void pullFailed(ObjectId id, const std::string& why);
  void localPut(ObjectId id, Bytes size);
  void release(ObjectId id);
  void dropObjectsOf(JobId job);
  std::uint32_t newObject(ObjectId id);
  void eraseObject(std::uint32_t index);
  void dropObject(std::uint32_t index);

  // executors.cc
  void learn(JobNotice&& notice);
  void learn(ClassNotice&& notice);
  void ended(JobId id);
  void startExecutors();
  void executorUp(ExecutorId id);
  void executorFailed(Instant now, ExecutorId id, const std::string& why);
  void executorGone(Instant now, const ExecutorGone& gone);
  void charge(Job& job, const ExecutorGone& gone);
  void requeueSent(Lane& lane);
  void retire(ExecutorId id);
  void report(ExecutorId id, ExecutorReport&& report);
  std::unique_ptr<Lane> newLane(Job& job, ClassIndex index, TaskClass definition);
  Job* jobOf(JobId id);
  Lane* laneOf(TaskId task, ClassIndex index);

  // variants.cc
  void learnVariants(Job& job, ClassNotice&& notice);
  placement::CostTable::Series seriesOf(Lane& lane);
  Duration expected(Lane& lane, std::uint8_t sizeClass);
  bool mayWaitIn(Lane& lane, std::uint8_t sizeClass);
  void decideAll(Instant now);
  void decide(Instant now, Choice& choice);
  void give(std::uint32_t index, Lane& lane);
  void takeBack(Lane& lane);
  void leaveBacklog(Lane& lane);
  void learnRun(Lane& lane, std::uint8_t sizeClass, const TaskDone& done);

  // lanes.cc
  void plan(Instant now);
  void openSlots(Instant now);
  void openSlot(Lane& lane, placement::Taken taken);
  void announce(Lane& lane);
  void closeIdle(Instant now);
  void reclaim(Instant now, const std::vector<Lane*>& blocked);
  std::vector<SlotId> victimsFor(const Lane& lane, bool starves) const;
  bool makeWay(const Lane& lane, placement::NodeRoom& projected,
               const std::vector<SlotId>& victims);
  void closeSlot(SlotId id);
  void slotClosed(SlotId id);
  void freeSlot(std::map<SlotId, Slot>::iterator slot);
  void activate(Lane& lane);
  void deactivateIdle();
  std::size_t wantedSlots(const Lane& lane) const;
  bool starving(Instant now, const Lane& lane) const;
  bool holdsSuspect(const Lane& lane) const;
  std::size_t sendLimit(const Lane& lane) const;
  void send(Lane& lane);
  void setDeadline(Instant now);
  bool serves(const Lane& lane) const { return lane.job->executor && isUp(lane.job->executor); }
  bool isUp(ExecutorId id) const;

  Config config;
  Instant callTime{};  // of the call at hand
  placement::CostTable costs;
  placement::TransferRate pulls;
  std::string deviceModels;  // of the node's devices: a task may get any of them
  placement::NodeRoom room;
  placement::NodeRoom idleRoom;  // if no slot were open
  std::vector<DeviceRecord> devices;  // by index
  bool straysDue = false;  // some tasks may have become infeasible

  std::vector<std::unique_ptr<Job>> jobs;  // by id
  Job* lastJob = nullptr;                  // of the last lookup
  std::map<ExecutorId, Executor> executors;
  std::map<SlotId, Slot> slots;
  std::vector<Lane*> active;  // by priority, then by age
  std::size_t closingSlots = 0;

  std::vector<Task> tasks;
  std::vector<std::uint32_t> freeTasks;
  IdTable taskIndex;
  Rings<Waiter> rings;               // of those who wait for tasks
  std::vector<Waiter> followers;     // tasks that may follow their makers to the executor now
  std::vector<Object> objects;
  std::vector<std::uint32_t> freeObjects;
  IdTable objectIndex;

  std::uint32_t lastExecutor = 0;
  std::uint32_t lastSlot = 0;
  std::uint64_t lastAge = 0;
  std::uint64_t lastSerial = 0;
  std::size_t sentTasks = 0;  // sent or following
  bool planDue = false;
  std::optional<Instant> deadline;

  std::vector<Output> owed;  // starts, stops, pulls and drops since the last settle, in order
  NodeReport owedReport;
};

}  // namespace alnilam::node
