// Tasks with variants: which variant, on which node, and what is learned of them.
//
// A class with variants has a lane on each node for each variant that could run there: a way.  Its
// ready tasks queue by the size of their inputs.  A pass lets the ways that have room take turns,
// the emptiest first, and each takes a task of the size that gains most by it, if it ends it by the
// time by which those that wait are done (placement/choice.h).  So a task may wait for a better
// way though another is free.  The node decides in the end, since it knows better what is free;
// what the head counted on it takes back when the attempt ends.

#include "core/head/tables.h"

#include <algorithm>
#include <queue>
#include <set>

namespace alnilam::head {
namespace {

using placement::CostTable;
using placement::Estimate;
using placement::kNever;

// How soon at the earliest a pass that holds tasks back asks for another.
constexpr Duration kSoonest = std::chrono::milliseconds(1);
// Waiting tasks of so many other sizes are taken into account, smaller ones first.
constexpr std::size_t kOtherSizes = 8;
// So many younger tasks may be placed before the oldest, whatever is gained by it.
constexpr std::uint32_t kMostPasses = 256;

// Adds `tasks` runs to a backlog, which ends below kNever.
void addWork(Duration& backlog, Duration run, std::uint64_t tasks) {
  auto most = static_cast<std::uint64_t>((kNever - backlog).count() - 1);
  auto each = static_cast<std::uint64_t>(std::max<std::int64_t>(run.count(), 1));
  backlog += Duration(static_cast<std::int64_t>(std::min(most / each, tasks) * each));
}

// One pass over one class.
class Pass {
 public:
  Pass(Tables& tables, Job& job, Class& cls, std::uint64_t most)
      : t_(tables), job_(job), cls_(cls), choice_(*cls.choice), left_(most) {}

  void run();

 private:
  // A way with a slot, and what does not change while the pass goes on.
  struct Place {
    Node* node = nullptr;
    Lane* lane = nullptr;
    std::uint8_t variant = 0;
    std::uint32_t model = 0;
    bool isDefault = false;   // the first variant that its node can run
    bool isReserved = false;  // for another class
    bool mayQueue = true;     // tasks may be sent there ahead
    bool isLike(const Place& other) const {
      return variant == other.variant && model == other.model;
    }
  };
  // What tasks of one size are in for.
  struct Plan {
    std::uint8_t sizeClass = 0;
    std::vector<Duration> runs;          // by way; kNever: not to be taken
    std::vector<Duration> alternatives;  // by way: the fastest of the others
    Duration level{};
    bool isSure = false;  // of what ran with inputs of this size
  };
  struct Turn {
    Duration fullness;
    std::size_t way;
    bool operator<(const Turn& other) const {  // a queue's top is the largest
      return fullness != other.fullness ? fullness > other.fullness : way > other.way;
    }
  };

  void gather();
  void addNode(Node& node);
  placement::Way wayOf(Node& node, std::size_t variant);
  void leaveFastest(std::vector<Duration>& runs);
  Estimate estimate(const Place& place, std::uint8_t sizeClass);
  bool expectRuns(std::uint8_t sizeClass, std::vector<Duration>& runs);
  void makePlan(std::uint8_t sizeClass);
  void noteWanted();
  void tryVariants(Plan& plan);
  bool isWorthTrying(const Plan& plan, std::size_t way);
  bool fits(const Place& place) const;
  bool mayTryAt(std::size_t way) const;
  bool isAllowed(const Place& place) const;
  bool hasRoom(std::size_t way, const Plan& plan) const;
  bool takeTurn(std::size_t way);
  Duration fullness(std::size_t way) const {
    return ways_[way].backlog / static_cast<std::int64_t>(ways_[way].slots);
  }
  std::size_t nearData(std::size_t way, const Plan& plan, const Item& item);
  void give(std::uint32_t index, std::size_t way, const Plan& plan, bool trial);
  void holdBack();
  const ReadyQueue& readyOf(const Plan& plan) const { return choice_.ready[plan.sizeClass]; }

  Tables& t_;
  Job& job_;
  Class& cls_;
  Choice& choice_;
  std::uint64_t left_;  // tasks that it may still place
  std::vector<Place> places_;
  std::vector<placement::Way> ways_;               // of the same index
  std::map<std::uint32_t, std::size_t> firstWay_;  // by node that has one
  std::vector<Plan> plans_;                        // by size class, of those that wait
  std::vector<placement::Offer> offers_;           // of the same index, for the way at hand
};

// ---- What there is.

void Pass::gather() {
  for (Node& node : t_.nodes) {
    if (t_.isUsable(node)) addNode(node);
  }
}

void Pass::addNode(Node& node) {
  bool isDefault = true;
  for (std::size_t variant = 0; variant < cls_.definition.ways(); ++variant) {
    const ResourceSet& needs = cls_.definition.needsOf(variant);
    Lane& lane = t_.laneOf(node, cls_, variant);
    if (lane.capacity == 0) continue;
    placement::Way way = wayOf(node, variant);
    bool isFirst = std::exchange(isDefault, false);
    if (way.slots == 0) continue;  // others have it all, and nobody knows until when
    bool drains = !t_.blockedClasses.empty() && t_.mustDrain(node, cls_, needs);
    firstWay_.try_emplace(node.id.value, places_.size());
    places_.push_back({&node, &lane, static_cast<std::uint8_t>(variant),
                       t_.modelOf(node, cls_, variant), isFirst, t_.isReserved(node, cls_, needs),
                       !drains});
    ways_.push_back(way);
  }
}

placement::Way Pass::wayOf(Node& node, std::size_t variant) {
  const ResourceSet& needs = cls_.definition.needsOf(variant);
  const Lane& lane = t_.laneOf(node, cls_, variant);
  std::uint64_t left = lane.capacity - std::min(lane.capacity, lane.fitting);
  std::uint64_t free = node.free.timesCovers(needs, left);
  placement::Way way{lane.fitting + free, lane.backlog};
  if (free > 0) return way;
  for (std::size_t other = 0; other < cls_.definition.ways(); ++other) {
    if (other == variant || !placement::areRivals(needs, cls_.definition.needsOf(other))) continue;
    const Lane& rival = t_.laneOf(node, cls_, other);
    way.slots += rival.fitting;
    placement::addTo(way.backlog, rival.backlog);
  }
  way.slots = std::min(way.slots, lane.capacity);
  return way;
}

Estimate Pass::estimate(const Place& place, std::uint8_t sizeClass) {
  return t_.costs.estimate(t_.seriesOf(cls_, place.variant, place.model), sizeClass);
}

// By way, what tasks of one size are expected to run; kNever where they shall not be sent but by a
// trial.  Whether that is by runs of this size.
bool Pass::expectRuns(std::uint8_t sizeClass, std::vector<Duration>& runs) {
  std::map<std::pair<std::uint8_t, std::uint32_t>, Estimate> known;  // ways share few series
  bool anyRan = false, anyKnown = false;
  for (const Place& place : places_) {
    auto [one, isFirst] = known.try_emplace({place.variant, place.model});
    if (isFirst) one->second = estimate(place, sizeClass);
    anyRan = anyRan || one->second.runs > 0;
    anyKnown = anyKnown || one->second.known();
  }
  for (const Place& place : places_) {
    const Estimate& found = known.at({place.variant, place.model});
    bool mayBe = anyKnown ? found.known() && (found.runs > 0 || !anyRan) : place.isDefault;
    runs.push_back(!mayBe ? kNever : anyKnown ? found.run : placement::kUnknownRun);
  }
  if (anyRan) {
    leaveFastest(runs);
    return true;
  }
  for (const auto& [node, first] : firstWay_) {  // nothing is sure: one variant at each place
    std::size_t best = first;
    for (std::size_t i = first; i < places_.size() && places_[i].node->id.value == node; ++i) {
      if (runs[i] < runs[best]) runs[std::exchange(best, i)] = kNever;
      else if (i != best) runs[i] = kNever;
    }
  }
  return false;
}

// Of ways of one node that ask for the same, all but the fastest become kNever.
void Pass::leaveFastest(std::vector<Duration>& runs) {
  for (const auto& [node, first] : firstWay_) {
    for (std::size_t i = first; i < places_.size() && places_[i].node->id.value == node; ++i) {
      const ResourceSet& needs = cls_.definition.needsOf(places_[i].variant);
      for (std::size_t j = first; j < i; ++j) {
        if (!(needs == cls_.definition.needsOf(places_[j].variant))) continue;
        (runs[i] < runs[j] ? runs[j] : runs[i]) = kNever;
      }
    }
  }
}

void Pass::makePlan(std::uint8_t sizeClass) {
  Plan& plan = plans_.emplace_back();
  plan.sizeClass = sizeClass;
  plan.isSure = expectRuns(sizeClass, plan.runs);
  std::vector<placement::Way> ways = ways_;
  std::size_t others = 0;
  for (std::size_t other = 0; other < placement::kSizeClasses && others < kOtherSizes; ++other) {
    std::uint32_t waiting = choice_.ready[other].count;
    if (waiting == 0 || other == sizeClass) continue;
    ++others;
    std::vector<Duration> runs;
    std::vector<std::uint64_t> shares;
    expectRuns(static_cast<std::uint8_t>(other), runs);
    placement::shares(ways_, runs, waiting, shares);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (shares[i] > 0) addWork(ways[i].backlog, runs[i], shares[i]);
    }
  }
  plan.level = placement::level(ways, plan.runs, choice_.ready[sizeClass].count);

  // The fastest, and the fastest that is not like it.
  std::size_t first = 0;
  Duration second = kNever;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (plan.runs[i] < plan.runs[first]) first = i;
  }
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (!places_[i].isLike(places_[first])) second = std::min(second, plan.runs[i]);
  }
  for (const Place& place : places_) {
    plan.alternatives.push_back(place.isLike(places_[first]) ? second : plan.runs[first]);
  }
}

// Whoever asks for what this class lacks is to leave it alone: what it lacks is what its fastest
// variant needs.
void Pass::noteWanted() {
  const Plan& plan = plans_.front();
  auto fastest = std::min_element(plan.runs.begin(), plan.runs.end());
  if (fastest == plan.runs.end() || *fastest == kNever) return;
  choice_.wanted = places_[static_cast<std::size_t>(fastest - plan.runs.begin())].variant;
}

// ---- Trials.

// Sends tasks of one size as trials: each of a variant on a model that would not be taken anyway,
// to the node of that model with the least load.
void Pass::tryVariants(Plan& plan) {
  std::set<std::pair<std::uint8_t, std::uint32_t>> looked;
  for (std::size_t i = 0; i < places_.size() && readyOf(plan).count > 0; ++i) {
    if (!mayTryAt(i)) continue;
    bool isNew = looked.emplace(places_[i].variant, places_[i].model).second;
    if (!isNew || !isWorthTrying(plan, i)) continue;
    std::size_t best = i;
    for (std::size_t other = i + 1; other < places_.size(); ++other) {
      const Place& place = places_[other];
      bool isBetter = place.isLike(places_[i]) && mayTryAt(other) &&
                      place.node->load < places_[best].node->load;
      if (isBetter) best = other;
    }
    give(readyOf(plan).first, best, plan, true);
  }
}

bool Pass::isWorthTrying(const Plan& plan, std::size_t way) {
  const Place& place = places_[way];
  bool isTaken = plan.runs[way] != kNever && placement::endOn(ways_[way], plan.runs[way]) <=
                                                 plan.level;
  if (isTaken) return false;
  std::vector<CostTable::Series> others;
  for (const Place& other : places_) {
    if (other.isLike(place)) continue;
    CostTable::Series series = t_.seriesOf(cls_, other.variant, other.model);
    if (std::find(others.begin(), others.end(), series) == others.end()) others.push_back(series);
  }
  if (others.empty()) return false;  // there is no choice
  Estimate own = estimate(place, plan.sizeClass);
  if (own.runs == 0 && choice_.variants[place.variant].live[plan.sizeClass] > 0) {
    return false;  // it will be known soon
  }
  // One that would outlast the rest has time: it waits for as long as it is expected to take.
  bool outlasts = own.runs > 0 && own.run > plan.level;
  if (outlasts && t_.now - choice_.trialEnded < own.run) return false;
  CostTable::Series series = t_.seriesOf(cls_, place.variant, place.model);
  return placement::isWorthATrial(t_.costs, series, others, plan.sizeClass);
}

// ---- Turns.

bool Pass::fits(const Place& place) const {
  return place.lane->fitting < place.lane->capacity &&
         place.node->free.covers(cls_.definition.needsOf(place.variant));
}

// Whether the job's quota leaves room for another, and so do those it is to be apart from.
bool Pass::isAllowed(const Place& place) const {
  return left_ > 0 && Tables::leftOfQuota(job_, cls_.definition.needsOf(place.variant), 1) > 0 &&
         !t_.isKeptApart(*place.node, cls_);
}

// A trial does not wait for a free slot, or it would for as long as there is work for its rivals.
bool Pass::mayTryAt(std::size_t way) const {
  const Place& place = places_[way];
  if (place.isReserved || !isAllowed(place)) return false;
  return fits(place) || (place.mayQueue && place.lane->fitting + place.lane->ahead == 0);
}

// Whether the way begins another at once, or soon enough for it to be sent ahead.
bool Pass::hasRoom(std::size_t way, const Plan& plan) const {
  const Place& place = places_[way];
  if (place.isReserved || plan.runs[way] == kNever || !isAllowed(place)) return false;
  if (fits(place)) return true;
  if (!place.mayQueue) return false;
  std::uint64_t slots = std::max(place.lane->fitting, ways_[way].slots);
  if (!plan.isSure) return place.lane->ahead < slots;
  return fullness(way) <= t_.config.prefetchHorizon &&
         place.lane->ahead < slots * t_.config.maxPrefetch;
}

// Whether the way took a task, or one went where its data is.
bool Pass::takeTurn(std::size_t way) {
  std::uint32_t oldest = t_.firstReady(job_, cls_);
  if (oldest == 0) return false;
  if (std::exchange(choice_.passedOver, oldest) != oldest) choice_.timesPassed = 0;
  bool isItsTurn = choice_.timesPassed >= kMostPasses;
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const Plan& plan = plans_[i];
    bool isBarred = isItsTurn && readyOf(plan).first != oldest;
    std::uint64_t tasks = isBarred || !hasRoom(way, plan) ? 0 : readyOf(plan).count;
    offers_[i] = {tasks, plan.runs[way], plan.alternatives[way], plan.level};
  }
  auto best = placement::bestFor(ways_[way], offers_);
  if (!best) return false;
  const Plan& plan = plans_[*best];
  std::uint32_t index = readyOf(plan).first;
  if (index != oldest) ++choice_.timesPassed;
  give(index, nearData(way, plan, job_.items.at(index)), plan, false);
  return true;
}

// The way that ends the task first, of `way` and those on nodes that hold some of its inputs.
std::size_t Pass::nearData(std::size_t way, const Plan& plan, const Item& item) {
  if (!item.nearData) return way;
  Bytes all = 0;
  t_.bytesOn.resize(t_.nodes.size() + 1);
  t_.nearNodes.clear();
  for (ObjectId input : item.inputs) {
    const Item& one = job_.items.at(input.index());
    if (one.stage != Stage::stored) continue;
    const StoredObject& object = t_.stored[one.slot];
    all += object.size;
    for (NodeId holder : object.holders) {
      if (t_.bytesOn[holder.value] == 0) t_.nearNodes.push_back(holder.value);
      t_.bytesOn[holder.value] += std::max<Bytes>(object.size, 1);
    }
  }
  auto endOn = [&](std::size_t at) {
    const Node& node = *places_[at].node;
    Bytes missing = all - std::min(t_.bytesOn[node.id.value], all);
    return placement::endOn(ways_[at], plan.runs[at],
                            placement::transferTime(missing, node.pullRate));
  };
  std::size_t best = way;
  for (std::uint32_t near : t_.nearNodes) {
    auto at = firstWay_.find(near);
    if (at == firstWay_.end()) continue;
    for (std::size_t i = at->second; i < places_.size() && places_[i].node->id.value == near; ++i) {
      if (hasRoom(i, plan) && endOn(i) < endOn(best)) best = i;
    }
  }
  for (std::uint32_t near : t_.nearNodes) t_.bytesOn[near] = 0;
  return best;
}

void Pass::give(std::uint32_t index, std::size_t way, const Plan& plan, bool trial) {
  Item& item = job_.items.at(index);
  t_.unqueue(job_, cls_, item);
  if (!item.inputs.empty() && !t_.checkInputs(job_, index, item)) return;
  const Place& place = places_[way];
  Duration run = plan.runs[way] == kNever ? placement::kUnknownRun : plan.runs[way];
  item.variant = place.variant;
  item.trial = trial;
  ++choice_.variants[place.variant].live[plan.sizeClass];
  if (trial) t_.costs.tryBegins(t_.seriesOf(cls_, place.variant, place.model), plan.sizeClass);
  t_.assign(*place.node, *place.lane, job_, cls_, index, fits(place) ? Sent::fitting : Sent::ahead);
  --left_;
  addWork(place.lane->backlog, run, 1);
  addWork(ways_[way].backlog, run, 1);
  for (std::size_t i = firstWay_.at(place.node->id.value);
       i < places_.size() && places_[i].node == place.node; ++i) {
    bool isRival = i != way && placement::areRivals(cls_.definition.needsOf(place.variant),
                                                    cls_.definition.needsOf(places_[i].variant));
    if (isRival && !fits(places_[i])) addWork(ways_[i].backlog, run, 1);
  }
}

// What is left waits for a better way than those that have room.  If it has waited long enough for
// that, the best of these takes one.
void Pass::holdBack() {
  const Plan* held = nullptr;
  std::size_t best = 0;
  Duration end = kNever;
  for (const Plan& plan : plans_) {
    if (readyOf(plan).count == 0) continue;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (!hasRoom(i, plan) || placement::endOn(ways_[i], plan.runs[i]) >= end) continue;
      held = &plan;
      best = i;
      end = placement::endOn(ways_[i], plan.runs[i]);
    }
  }
  auto& since = choice_.heldSince;
  if (!held) return since.reset();
  if (!since) since = t_.now;
  if (!placement::isPatient(t_.now - *since, end)) {
    give(readyOf(*held).first, best, *held, false);
    since = t_.now;
  }
  Instant due = *since + std::min(end, CostTable::kLongest);
  t_.holdUntil = std::min(t_.holdUntil, std::max(due, t_.now + kSoonest));
}

void Pass::run() {
  if (cls_.readyCount == 0) return;
  gather();
  if (places_.empty()) return;
  for (std::size_t size = 0; size < placement::kSizeClasses; ++size) {
    if (choice_.ready[size].count > 0) makePlan(static_cast<std::uint8_t>(size));
  }
  offers_.resize(plans_.size());
  noteWanted();
  for (Plan& plan : plans_) tryVariants(plan);

  std::priority_queue<Turn> turns;
  for (std::size_t i = 0; i < ways_.size(); ++i) turns.push({fullness(i), i});
  while (!turns.empty() && cls_.readyCount > 0) {
    std::size_t way = turns.top().way;
    turns.pop();
    if (takeTurn(way)) turns.push({fullness(way), way});
  }
  if (left_ > 0) holdBack();
}

std::string shown(Duration time) {
  const std::pair<Duration, const char*> kUnits[] = {
      {std::chrono::hours(1), " h"},        {std::chrono::minutes(1), " min"},
      {std::chrono::seconds(1), " s"},      {std::chrono::milliseconds(1), " ms"},
      {std::chrono::microseconds(1), " us"}};
  for (auto& [unit, name] : kUnits) {
    if (time < unit) continue;
    std::int64_t tenths = time / (unit / 10);
    std::string text = std::to_string(tenths / 10);
    if (tenths < 100 && tenths % 10 != 0) text += "." + std::to_string(tenths % 10);
    return text + name;
  }
  return std::to_string(time.count()) + " ns";
}

}  // namespace

void Tables::placeVariants(Job& job, Class& cls, std::uint64_t most) {
  Pass(*this, job, cls, most).run();
  settle(job);
}

// ---- What costs are filed under.

void Tables::noteModel(Node& node) {
  std::string name;  // of all its models: a task may get any of them
  for (const Gpu& gpu : node.topology.gpus) {
    std::string label = gpu.label();
    if (name.find(label) == std::string::npos) name += (name.empty() ? "" : ", ") + label;
  }
  if (name.empty()) name = models.front();
  auto known = std::find(models.begin(), models.end(), name);
  if (known == models.end() && models.size() >= kMaxModels) {
    name = "another";
    known = std::find(models.begin(), models.end(), name);
  }
  node.model = static_cast<std::uint32_t>(known - models.begin());
  if (known == models.end()) models.push_back(std::move(name));
}

std::uint32_t Tables::modelOf(const Node& node, const Class& cls, std::size_t variant) const {
  return placement::takesDevices(cls.definition.needsOf(variant)) ? node.model : 0;
}

CostTable::Series Tables::seriesOf(Class& cls, std::size_t variant, std::uint32_t model) {
  Choice::ByVariant& of = cls.choice->variants[variant];
  auto& known = of.series;
  if (known.size() <= model) known.resize(models.size());
  if (!costs.knows(known[model])) known[model] = costs.series(of.implementation, models[model]);
  return known[model];
}

std::uint8_t Tables::sizeOf(const Job& job, const Item& item) const {
  Bytes bytes = item.blob.size();
  for (ObjectId input : item.inputs) {
    const Item& one = job.items.at(input.index());
    bytes += one.stage == Stage::stored ? stored[one.slot].size : one.blob.size();
  }
  return placement::sizeClassOf(bytes);
}

// ---- What nodes tell.

void Tables::learn(const Node& node, const CostReport& report) {
  Job* job = find(report.job);
  bool isKnown = job && report.taskClass < job->classes.size() &&
                 report.variant < job->classes[report.taskClass].definition.variants.size() &&
                 report.sizeClass < placement::kSizeClasses;
  if (!isKnown) return;  // the job was closed meanwhile
  Class& cls = job->classes[report.taskClass];
  costs.learn(seriesOf(cls, report.variant, modelOf(node, cls, report.variant)), report.sizeClass,
              {report.runs, report.total, report.mean, report.deviation});
}

void Tables::leaveVariant(const Node& node, Class& cls, const Item& item) {
  --cls.choice->variants[item.variant].live[item.sizeClass];
  if (!item.trial) return;
  costs.tryEnds(seriesOf(cls, item.variant, modelOf(node, cls, item.variant)), item.sizeClass);
  cls.choice->trialEnded = now;
}

// ---- What people see.

std::string Tables::explainVariants(const Class& cls, const Item& item) const {
  std::string text = "\n  with inputs of " + placement::showSizeClass(item.sizeClass) + ":";
  for (const Node& node : nodes) {
    if (!node.alive) {
      text += "\n  " + node.name + ": is lost";
      continue;
    }
    for (std::size_t variant = 0; variant < cls.definition.variants.size(); ++variant) {
      const Variant& one = cls.definition.variants[variant];
      text += "\n  " + node.name + ": " + variantName(cls.definition, variant);
      const placement::NodeShape* shape = &node.shape;
      if (auto why = placement::whyNever({&shape, 1}, one.needs)) {
        text += ": never: " + *why + butForDevices(node, one.needs);
        continue;
      }
      std::uint32_t model = modelOf(node, cls, variant);
      if (model != 0) text += " on " + models[model];
      const auto& known = cls.choice->variants[variant].series;
      CostTable::Series series = model < known.size() ? known[model] : 0;
      Estimate found = costs.estimate(series, item.sizeClass);
      if (found.from == Estimate::From::runs) {
        text += ": takes " + shown(found.run) + "+-" + shown(found.deviation) + " by " +
                std::to_string(found.runs) + (found.runs == 1 ? " run" : " runs");
      } else if (found.known()) {
        text += ": takes " + shown(found.run) + ", to judge by other sizes";
      } else {
        text += ": never ran";
      }
      if (std::uint32_t trials = costs.trials(series, item.sizeClass); trials > 0) {
        text += ", " + std::to_string(trials) + " of " + std::to_string(CostTable::kTrials) +
                " trials";
      }
      auto lane = node.lanes.find(laneKey(cls.job, cls.index, variant));
      std::uint64_t there = lane == node.lanes.end()
                                ? 0
                                : lane->second.fitting + lane->second.ahead;
      if (there > 0) {
        text += "; " + std::to_string(there) + " there, for " + shown(lane->second.backlog);
      }
      if (auto lack = node.free.firstLack(one.needs)) {
        text += "; full: " + *lack;
      } else {
        text += "; has room";
      }
    }
  }
  return text;
}

}  // namespace alnilam::head
