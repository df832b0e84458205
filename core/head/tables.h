#pragma once
// All that the head brain knows, and the steps that change it, a subject a file:
//
//   jobs.cc      programs: opened, closed, submit, put, want, release, cancel
//   objects.cc   values: resolved, passed on to those who wait, dropped, remade
//   nodes.cc     nodes: joined, heard, lost
//   devices.cc   devices that nodes take out of service, and back
//   attempts.cc  attempts: begun, ended, tried again
//   schedule.cc  the pass that hands ready tasks to nodes
//   times.cc     delays and deadlines
//   order.cc     whose turn it is: levels of priority, shares of jobs, quotas
//   balance.cc   work fetched from where nothing moves; nodes that are set aside
//   placing.cc   which nodes a class may use, and which it likes best
//   variants.cc  the pass for tasks with variants: which of them, where, and what was learned
//   chains.cc    tasks that are sent after those that make their inputs
//   views.cc     what people see
//
// Nothing recurses along the graph: values travel by two worklists of the job, `concluded` (items
// that have just resolved) and `unneeded` (items that may be dropped), which `settle` drains.
//
// Accounting of a node, exactly: an attempt is *fitting*, its needs taken out of `free`, or
// *ahead*, sent to wait at the node for room, or *chained*, sent to wait there for its inputs; a
// chained one holds nothing and is no load, and becomes one of the others when its inputs are made.
// When a fitting attempt of a class ends, one ahead of the same class takes its place; what gets
// free otherwise goes to tasks ahead of other classes first, then to the queues (`promote`,
// `placeClass`).
//
// Text and numbers from outside are checked where they come in; what is refused is counted in
// `ignored` or `stale`, never asserted on.

#include "core/head/head_brain.h"
#include "core/head/item.h"
#include "core/placement/choice.h"
#include "core/placement/feasibility.h"
#include "core/placement/prefetch.h"
#include "core/placement/share.h"
#include "core/placement/spread.h"

#include <deque>
#include <map>
#include <set>
#include <span>

namespace alnilam::head {

// Tasks that are ready, linked through their items.
struct ReadyQueue {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint32_t count = 0;
};

// What is kept of a class with variants.
struct Choice {
  struct ByVariant {
    std::string implementation;  // what its costs are filed under
    // By number of a device model: its costs; 0 where not looked up yet.
    std::vector<placement::CostTable::Series> series;
    std::array<std::uint32_t, placement::kSizeClasses> live{};  // attempts, by size class
  };

  std::vector<ByVariant> variants;
  std::array<ReadyQueue, placement::kSizeClasses> ready;  // of the class, by size class
  std::size_t wanted = 0;            // the variant that the last pass would have liked most
  std::optional<Instant> heldSince;  // some wait since then though a slower way is free
  Instant trialEnded{};              // the last one
  std::uint32_t passedOver = 0;      // the oldest task that is ready
  std::uint32_t timesPassed = 0;     // how many younger ones were placed meanwhile
};

// All classes of one priority, of all jobs.
struct Level {
  std::int32_t priority = 0;
  std::uint32_t listed = 0;  // its classes in Tables::readyClasses
  Instant since{};           // a task of it was last placed then, or the first class listed
};

struct Job;

// Of a class whose tasks have a delay or a deadline.
struct Times {
  std::map<std::uint32_t, Instant> submitted;             // its tasks that have not ended
  std::set<std::pair<Instant, std::uint32_t>> delayed;    // by when they may start
  std::set<std::pair<Instant, std::uint32_t>> deadlines;  // of those not known to have started
  Instant alarm = Instant::max();                         // its entry in Tables::alarms
};

struct Class {
  JobId job;
  ClassIndex index = 0;
  TaskClass definition;
  ReadyQueue ready;               // unless it has variants: then Choice has them
  std::uint32_t readyCount = 0;
  bool listed = false;          // in Tables::readyClasses
  bool blocked = false;         // the last pass found every node full
  std::uint32_t reserved = 0;   // node that is being kept free for it; 0: none
  Level* level = nullptr;       // of its priority
  Job* owner = nullptr;         // of `job`
  placement::RunTime runTime;
  FailurePtr refusal;           // why none of its tasks can run; null if one could
  std::uint64_t checkedAt = 0;  // Tables::shapesVersion when `refusal` was found out, or kForGood
  std::unique_ptr<Choice> choice;  // of a class with variants
  std::unique_ptr<Times> times;    // of one with a delay or a deadline
  Instant waitingSince{};          // it was listed then, or given something
  bool hasPreempted = false;       // since then, others were asked to make way
  std::vector<std::uint32_t> ranking;  // of a class with an affinity: nodes, its favourite first
  // A node on which some of its tasks failed and none ended well since; 0: none.
  std::uint32_t suspect = 0;
  std::uint32_t suspectFailures = 0;  // there, since nobody else is the suspect
  std::uint32_t othersWell = 0;       // tasks that ended well elsewhere, likewise

  // What the next of its ready tasks is likely to need.
  const ResourceSet& likelyNeeds() const {
    return definition.needsOf(choice ? choice->wanted : 0);
  }
};

struct Job {
  JobId id;
  std::string name;
  JobNotice notice;
  Items items;
  Edges edges;
  std::deque<Class> classes;  // a deque, since readyClasses points into it
  std::uint64_t waiting = 0, ready = 0, assigned = 0, finished = 0, failed = 0;
  std::vector<std::pair<ObjectId, Value>> told;  // owed to the client
  std::size_t toldBefore = 0;                    // how many were told the last time
  bool owing = false;                            // in Tables::owingJobs
  std::vector<std::uint32_t> concluded;
  std::vector<std::uint32_t> unneeded;
  std::map<std::pair<std::uint32_t, ClassIndex>, std::uint32_t> passedOn;  // see Tables::passOn
  JobShare share;
  bool hasQuota = false;
  Instant lastPlaced{};   // one of its tasks
  ResourceSet held;       // by its fitting attempts
  ResourceSet committed;  // by those and the ones ahead, if it has a quota
  std::map<std::string, std::vector<ClassIndex>> apart;  // classes, by the key they are apart by
};

// What is left of a closed job, for people.
struct ClosedJob {
  struct Names {
    std::string function;
    std::vector<std::string> variants;
  };
  JobView view;
  std::vector<Names> classes;
};

// How an attempt is sent to a node; see the accounting above.
enum class Sent : std::uint8_t { fitting, ahead, chained };

// The attempts of one class on one node; of a class with variants, those that count on one of them.
struct Lane {
  std::uint64_t capacity = 0;  // at once, on the empty node
  std::uint64_t cost = 0;      // of one attempt, in load
  std::uint64_t fitting = 0;
  std::uint64_t ahead = 0;
  std::uint64_t chained = 0;
  std::uint32_t first = 0;  // the newest of its attempts
  Instant movedAt{};        // an attempt ended, or was sent where none was
  bool noticed = false;     // the node knows the class; told by the lane of the first variant
  bool opened = false;      // in Tables::openedLanes
  std::vector<std::uint32_t> stalled;  // links for which there was no room
  Duration backlog{};       // of a class with variants: what its attempts are expected to take
};

struct Node {
  NodeId id;
  std::string name;
  Incarnation incarnation;
  bool alive = false;
  Instant lastHeard{};
  Topology topology;
  ResourceSet offered;  // when it joined; `shape` is that without what is withdrawn
  std::vector<WithdrawnGpu> withdrawn;  // by index
  std::uint32_t model = 0;  // of its devices: index into Tables::models
  Bytes pullRate = 0;       // bytes a second at which it pulls; 0: not known
  placement::NodeShape shape;
  ResourceSet free;
  std::uint64_t load = 0;
  std::uint64_t live = 0;
  std::uint64_t ahead = 0;
  std::uint64_t chained = 0;
  std::uint64_t finished = 0;
  std::map<std::uint64_t, Lane> lanes;  // by job, variant and class, see laneKey
  std::uint64_t memoKey = ~std::uint64_t{0};
  Lane* memoLane = nullptr;  // of memoKey; reports come in runs of one class
  std::set<JobId> jobsTold;
  NodeOrders orders;     // owed to it
  bool owing = false;    // in Tables::owingNodes
  bool changed = false;  // in Tables::changedNodes: it may have room it had not at the last pass
  bool freed = false;    // `free` grew since the last pass
  std::uint32_t failuresInARow = 0;  // of tasks of any class, see balance.cc
  std::uint32_t timesAside = 0;      // since one ended well
  Instant asideUntil{};              // it gets nothing before
  std::string asideWhy;
};

struct StoredObject {
  ObjectId object;
  Bytes size = 0;
  std::vector<NodeId> holders;  // ascending; never empty while the slot is used
};

struct FailureSlot {
  FailurePtr why;
  std::uint32_t users = 0;
};

struct FinishedTask {
  TaskId id;
  ClassIndex taskClass = 0;
  std::uint32_t age = 0;
  std::uint32_t node = 0;
  std::uint32_t attempt = 0;
  Duration ran{};
  bool failed = false;
  std::uint8_t variant = 0;
};

// A class in the order of a pass.
struct Ranked {
  std::int64_t priority = 0;  // with what it has gained by waiting
  Instant due = Instant::max();  // the first of its tasks, if it has deadlines
  std::uint32_t age = 0;         // of its oldest task
  Class* cls = nullptr;
};

// Whether `wanting` waits for something that `taker` would take as well.
bool contends(const ResourceSet& free, const ResourceSet& wanting, const ResourceSet& taker);

struct Tables {
  explicit Tables(HeadBrain::Config chosen) : config(chosen), models{"cpu"} {}

  HeadBrain::Config config;
  Instant now{};
  std::vector<std::unique_ptr<Job>> jobs;  // by number in the cell, from 1; null when closed
  std::deque<ClosedJob> closedJobs;        // the newest kClosedJobs
  std::size_t openJobs = 0;
  std::deque<Node> nodes;                  // by id, from 1
  std::map<std::string, std::uint32_t> nodeNames;
  std::size_t aliveNodes = 0;
  std::uint64_t shapesVersion = 0;  // grows when another shape of node is known
  PagePool pages;
  std::vector<StoredObject> stored;
  std::vector<std::uint32_t> freeStored;
  std::vector<FailureSlot> failures;
  std::vector<std::uint32_t> freeFailures;
  std::vector<Class*> readyClasses;
  std::map<std::int32_t, Level> levels;  // by priority; one that was used once stays
  ResourceSet total;                     // of all live nodes, when a pass begins
  bool totalChanged = true;
  std::vector<std::uint32_t> changedNodes;
  std::vector<std::uint32_t> owingNodes;
  std::vector<JobId> owingJobs;
  std::vector<FinishedTask> recent;  // a ring of kRecent
  std::uint64_t recentCount = 0;
  std::uint32_t submissions = 0;
  Instant nextCheck = Instant::max();  // no node is silent for too long before this
  Instant holdUntil = Instant::max();  // then a task has waited long enough for a better variant,
                                       // or where nothing moves
  Instant nextFetch{};
  std::set<std::tuple<Instant, JobId, ClassIndex>> alarms;  // of delays and deadlines
  bool anyPreemptible = false;  // some class was ever so
  placement::CostTable costs;
  std::vector<std::string> models;     // of devices, "cpu" first: those that nodes have
  std::uint64_t stale = 0;
  std::uint64_t ignored = 0;

  bool again = false;    // a task was queued: another pass may place it
  bool unblock = false;  // a blocked class is gone: others may find room without a node's change
  std::vector<Class*> blockedClasses;  // of the last pass, the first kBlocked
  std::vector<Class*> reservations;    // for which a node is being kept, the oldest first

  // For chains.cc, by the next placement: tasks that may follow what makes their inputs, and lanes
  // with stalled links that have room again.
  std::vector<TaskId> mayFollow;
  std::vector<std::pair<NodeId, std::uint64_t>> openedLanes;

  // Scratch of one pass, kept so that passes do not allocate.
  std::vector<std::uint32_t> batch;
  std::vector<placement::Room> rooms;
  std::vector<placement::Chunk> chunks;
  std::vector<std::uint32_t> roomOf;  // by node: index into rooms + 1
  std::vector<Bytes> bytesOn;         // by node
  std::vector<std::uint32_t> nearNodes;

  static constexpr std::size_t kMaxNodes = 65'536;
  static constexpr std::size_t kMaxOpenJobs = 65'536;
  static constexpr std::size_t kMaxJobNumber = (1 << 24) - 1;
  static constexpr std::size_t kMaxModels = 1024;  // what further ones run is filed together
  static constexpr std::size_t kMaxName = 1024;  // bytes, of a node or job
  static constexpr std::size_t kMaxReason = 256;  // bytes of a failure's message in another text
  static constexpr std::size_t kClosedJobs = 64;
  static constexpr std::size_t kRecent = 10'000;
  static constexpr std::size_t kBlocked = 4;
  static constexpr std::size_t kReservations = 4;
  static constexpr Duration kPatience = std::chrono::minutes(1);  // see order.cc
  static constexpr int kLateSteps = 64;  // for one that is late to find its place in a queue
  static constexpr std::uint64_t kForGood = ~std::uint64_t{0};  // what no node can change
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};
  static constexpr std::size_t kMostReserved = 4096;  // entries of a message, before they are there
  static constexpr std::uint8_t kMaxLosses = 20;  // attempts a task may lose to inputs out of reach
  // Chains: a task that was given back so often is not sent before its inputs are there.
  static constexpr std::uint8_t kMaxReturns = 8;
  static constexpr std::size_t kMaxLinkInputs = 64;       // one with more is not chained
  static constexpr std::size_t kMostFollowers = 1024;     // looked at behind one task
  static constexpr std::uint64_t kMostChained = 16'384;   // on a node
  static constexpr std::uint64_t kMostInLane = 4096;      // of a class on a node
  static constexpr Bytes kMostMoved = 16_MiB;             // of inputs that lie elsewhere

  // ---- tables.cc: finding and counting
  Job* find(JobId id);
  const Job* find(JobId id) const;
  Node* find(NodeId id);
  static std::uint64_t laneKey(JobId job, ClassIndex index, std::size_t variant = 0) {
    return std::uint64_t{job.value} << 32 | laneFor(index, variant);
  }
  // Of the lane with this key: its class, and what one attempt on it holds.
  const Class& classOf(std::uint64_t key) const;
  const ResourceSet& needsOf(std::uint64_t key) const;
  Lane& laneOf(Node& node, const Class& cls, std::size_t variant = 0);  // makes it if need be
  static void measure(const Node& node, Lane& lane, const Class& cls, std::size_t variant);
  void setStage(Job& job, Item& item, Stage stage);
  void owe(Node& node);
  void owe(Job& job);
  void noteChange(Node& node);
  std::uint32_t addFailure(FailurePtr why);
  void dropFailure(std::uint32_t slot);
  FailurePtr failureOf(FailureKind kind, const Job& job, std::uint32_t index, const Item& item,
                       std::string message) const;

  // ---- jobs.cc
  void open(JobOpened input, std::vector<Output>& out);
  void close(JobId id);
  void submit(Submit input);
  void submitTask(Job& job, TaskSpec& spec);
  void put(Put input);
  void want(const Want& input);
  void release(const Release& input);
  void cancel(const Cancel& input);
  void addClass(Job& job, TaskClass definition);
  // Null if a node that is known could run the class, or no node lives.
  const Failure* refusalOf(Class& cls);

  // ---- objects.cc
  // The item has just got `stage` held, stored or failed: dependants and client learn of it, its
  // inputs are let go.  Takes effect at `settle`.
  void conclude(Job& job, std::uint32_t index);
  void fail(Job& job, std::uint32_t index, FailurePtr why);
  void settle(Job& job);
  void passValueOn(Job& job, std::uint32_t index);
  std::uint32_t addStored(StoredObject object);
  std::uint32_t passOn(Job& job, std::uint32_t failureSlot, const Class& to);
  void dropIfUnneeded(Job& job, std::uint32_t index);
  void letInputsGo(Job& job, Item& item, bool keepLineage);
  void forget(Job& job, std::uint32_t index);
  bool holds(const Item& item, NodeId node) const;
  void freeStoredSlot(Item& item, bool tellHolders);
  void holderGone(StoredObject& object, NodeId node);
  void remake(Job& job, std::uint32_t index);
  // Whether every input is there; if not, the task waits again (or fails) and this is false.
  bool checkInputs(Job& job, std::uint32_t index, Item& item);
  Value valueOf(const Item& item) const;
  void tell(Job& job, std::uint32_t index, Item& item);

  // ---- nodes.cc
  void join(NodeJoined input, std::vector<Output>& out);
  void heard(NodeHeard input, std::vector<Output>& out);
  void left(const NodeLeft& input, std::vector<Output>& out);
  void tick(std::vector<Output>& out);
  void lose(Node& node, const std::string& why, std::vector<Output>& out);
  void kept(Node& node, const ObjectKept& copy);
  void dropped(Node& node, ObjectId object);

  // ---- devices.cc
  void withdrawn(Node& node, std::vector<WithdrawnGpu> told);
  void restoreDevices(NodeId id);
  void reshape(Node& node);  // what it has was changed: counts anew what fits
  static bool isWithdrawn(const Node& node, std::uint32_t gpu);
  // "; n1 could, were gpu 0 in service: WHY"; empty if that is not what it lacks.
  static std::string butForDevices(const Node& node, const ResourceSet& needs);

  // ---- attempts.cc
  static ReadyQueue& readyOf(Class& cls, const Item& item);
  // The ready task that comes first; 0 if there is none.
  std::uint32_t firstReady(const Job& job, const Class& cls) const;
  void enqueue(Job& job, std::uint32_t index, bool first);
  void unqueue(Job& job, Class& cls, Item& item);
  void assign(Node& node, Lane& lane, Job& job, Class& cls, std::uint32_t index, Sent how);
  void detach(Node& node, Job& job, Item& item);
  void done(Node& node, TaskDone done, std::vector<Output>& out);
  enum class Fault { task, device };  // whose it was, if its device failed
  void attemptFailed(Node& node, Job& job, std::uint32_t index, Item& item, FailurePtr why,
                     Fault fault = Fault::task);
  void unreachable(Job& job, const Item& item, ObjectId object);
  void note(const Job& job, std::uint32_t index, const Item& item, Duration ran, bool failed);

  // ---- schedule.cc
  void schedule();
  void pass(std::span<Class* const> order);
  void promote(Node& node);
  void placeClass(Class& cls);
  bool refuseAll(Class& cls);  // whether no node could run its tasks; then they have failed
  void collectRooms(Class& cls, Sent how);
  // Places at most `most` tasks; those that are ahead do not count.
  void handOut(Job& job, Class& cls, Sent how, std::uint64_t most);
  std::uint32_t takeReady(Job& job, Class& cls);
  void putBack(Job& job, Class& cls, std::uint32_t index);
  std::uint32_t roomNearData(const Job& job, const Item& item);
  // Bytes of the item's inputs by node, in bytesOn, for those that nearNodes lists.
  void countBytes(const Job& job, const Item& item);
  // Whether what `needs` asks for is kept on this node for another class that `taker` may not pass.
  bool isReserved(const Node& node, const Class& taker, const ResourceSet& needs) const;
  bool mustDrain(const Node& node, const Class& taker, const ResourceSet& needs) const;
  void noteBlocked(Class& cls);
  void reserveFor(Class& cls);
  void unreserve(Class& cls);
  void flush(std::vector<Output>& out);

  // ---- balance.cc
  bool isUsable(const Node& node) const { return node.alive && node.asideUntil <= now; }
  void fetchStuck();
  void fetch(Node& from, Lane& lane, const Class& cls, std::uint64_t count);
  void endedWell(Node& node, Class& cls);
  void endedBadly(Node& node, Class& cls, const Failure& failure, std::vector<Output>& out);
  void endAside(Node& node);
  std::string asideOf(const Node& node) const;  // "set aside for 3 s more: ..."; empty: it is not

  // ---- placing.cc
  static std::optional<std::string_view> labelOf(const Node& node, std::string_view key);
  // The first rule of the class that the node breaks; null: it may run there.
  static const LabelRule* brokenRule(const Node& node, const Class& cls);
  // Whether the node could run one if it were empty, as the way of that number.
  static bool couldRun(const Node& node, const Class& cls, std::size_t way);
  static bool couldRun(const Node& node, const Class& cls) {  // what is likely next
    return couldRun(node, cls, cls.choice ? cls.choice->wanted : 0);
  }
  // "asks for zone in (a), which ..."; empty if rules are not what keeps the class from running.
  std::string lackOfLabels(const Class& cls) const;
  // Whether a task is there from which those of the class are to be apart.
  bool isKeptApart(const Node& node, const Class& cls) const;
  PlacementPolicy policyOf(const Class& cls) const;
  void divide(Class& cls, Sent how, std::uint64_t tasks);  // among `rooms`, into `chunks`
  const std::vector<std::uint32_t>& rankingOf(Class& cls);
  // Sends a task of the policy locality to wait where most of its inputs are; whether it could.
  bool waitNearData(Job& job, Class& cls, std::uint32_t index);
  std::string termsOf(const Node& node, const Class& cls, const Item& item) const;

  // ---- times.cc
  void noteSubmitted(Class& cls, std::uint32_t index);
  void noteEnded(Class& cls, std::uint32_t index);
  bool mustDelay(Class& cls, std::uint32_t index);  // it is delayed then
  bool isOverdue(const Class& cls, std::uint32_t index) const;
  Instant deadlineOf(const Class& cls, std::uint32_t index) const;  // max: none
  void failOverdue(Class& cls, std::uint32_t index);
  void setAlarm(Class& cls);
  void ring();
  void ring(Class& cls);

  // ---- order.cc
  void preempt(Class& cls);
  void askBack(Node& node, JobId job, std::uint32_t index, Item& item);
  void list(Class& cls);
  void unlist(Class& cls);
  std::int64_t priorityOf(const Class& cls) const;  // with what it has gained by waiting
  void sortReady();
  void refreshTotal();
  placement::Share standingOf(const Job& job) const;
  bool shareOut(std::span<Class* const> group);  // whether a blocked class is gone
  std::vector<Ranked> ranked;  // scratch of sortReady
  // Whether `waiting` may keep `taker`, which comes after it in the order, from a place.
  bool precedes(const Class& waiting, const Class& taker) const;
  // Whether `taker` may have what is kept for `waiting`.
  bool mayPass(const Class& taker, const Class& waiting) const;
  void hold(Node& node, Job& job, const ResourceSet& needs);
  void letGo(Node& node, Job& job, const ResourceSet& needs);
  void commit(Job& job, const ResourceSet& needs);
  void uncommit(Job& job, const ResourceSet& needs);
  // How many more of these the job may have, at most `most`.
  static std::uint64_t leftOfQuota(const Job& job, const ResourceSet& needs, std::uint64_t most);
  static bool isOverQuota(const Class& cls);

  // ---- variants.cc
  void placeVariants(Job& job, Class& cls, std::uint64_t most);
  void noteModel(Node& node);
  void learn(const Node& node, const CostReport& report);
  void leaveVariant(const Node& node, Class& cls, const Item& item);  // its attempt is over
  std::uint32_t modelOf(const Node& node, const Class& cls, std::size_t variant) const;
  placement::CostTable::Series seriesOf(Class& cls, std::size_t variant, std::uint32_t model);
  std::uint8_t sizeOf(const Job& job, const Item& item) const;
  std::string explainVariants(const Class& cls, const Item& item) const;

  // ---- chains.cc
  void sendChains();
  void retryStalled(Node& node, std::uint64_t laneKey);
  void tryToChain(Job& job, std::uint32_t index);
  Node* nodeOfMakers(const Job& job, const Item& item);
  bool wouldOvertake(const Node& node, const Class& cls, const Item& item) const;
  // Whether tasks wait for it that could follow it; those are looked at by the next placement.
  bool callFollowers(const Job& job, const Item& maker);
  // All inputs of a chained task are there now.
  void unchain(Job& job, Item& item);
  void roomForLinks(Node& node, const Class& cls, Lane& lane);
  // An attempt that a node gave back unbegun: nothing is charged, the task waits for its inputs.
  void giveBack(Job& job, std::uint32_t index, Item& item);

  // ---- views.cc
  // "cuda (blurOnGpu)"; empty for a class with one way only.
  static std::string variantName(const TaskClass& definition, std::size_t variant);
  std::vector<NodeView> nodeViews() const;
  std::vector<JobView> jobViews() const;
  std::vector<TaskView> taskViews(JobId job, std::size_t limit) const;
  std::string explain(TaskId task) const;
};

}  // namespace alnilam::head
