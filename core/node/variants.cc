// Tasks with variants: each is given to the lane of one of them as late as can be.
//
// Such a task waits in its class's `undecided` list until a lane can use it: until a slot of the
// lane is idle or can be opened, or the lane has less sent ahead than its slots will soon draw.
// Which lane that is, placement::pick says, by what runs took here before.  A lane that has no slot
// yet gets one task, so that it can claim one (lanes.cc); that task is thought about again each
// time.  A trial goes where the head said.

#include "core/node/state.h"
#include "core/placement/feasibility.h"

#include <algorithm>
#include <utility>

namespace alnilam::node {
namespace {

using placement::CostTable;
using placement::kNever;
using placement::NodeWay;

// So many tasks may be held back before the rest are not looked at.
constexpr std::size_t kLookAhead = 64;
// What one of them counts for at most in what waits, so that the sum is bounded.
constexpr Duration kMostHeld = std::chrono::hours(24);

}  // namespace

void NodeBrain::State::learnVariants(Job& job, ClassNotice&& notice) {
  auto choice = std::make_unique<Choice>();
  choice->definition = std::move(notice.definition);
  for (std::size_t way = 0; way < choice->definition.variants.size(); ++way) {
    const Variant& one = choice->definition.variants[way];
    TaskClass definition = choice->definition;
    definition.function = one.function;
    definition.needs = one.needs;
    definition.variants.clear();
    auto lane = newLane(job, laneFor(notice.index, way), std::move(definition));
    lane->choice = choice.get();
    lane->way = static_cast<std::uint8_t>(way);
    choice->ways.push_back(lane.get());
    if (way == 0) job.lanes[notice.index] = std::move(lane);
    else job.moreLanes.push_back(std::move(lane));
  }
  choice->series.resize(choice->ways.size());
  job.choices.push_back(std::move(choice));
}

CostTable::Series NodeBrain::State::seriesOf(Lane& lane) {
  CostTable::Series& known = lane.choice->series[lane.way];
  if (!costs.knows(known)) {
    const TaskClass& of = lane.definition;
    std::string name = lane.job->notice.program + " " + of.function + " " + show(of.needs);
    known = costs.series(name, placement::takesDevices(of.needs) ? deviceModels : "cpu");
  }
  return known;
}

// kNever if the lane has not run this size here: then only the head's word counts.
Duration NodeBrain::State::expected(Lane& lane, std::uint8_t sizeClass) {
  placement::Estimate found = costs.estimate(seriesOf(lane), sizeClass);
  return found.runs > 0 ? found.run : kNever;
}

// Whether one more task may wait for a slot of the lane: no longer ones are sent ahead, since what
// is sent stays.
bool NodeBrain::State::mayWaitIn(Lane& lane, std::uint8_t sizeClass) {
  if (lane.open.empty()) return lane.tasks() == 0;
  Duration usual(std::max<std::int64_t>(lane.usual, 1));
  Duration run = std::max(expected(lane, sizeClass), usual);
  std::size_t ahead = std::min<std::size_t>(
      config.maxAhead, static_cast<std::size_t>(config.sendAhead / run));
  return lane.tasks() < lane.open.size() * (1 + ahead);
}

// ---- Giving.

void NodeBrain::State::decideAll(Instant now) {
  for (auto& job : jobs) {
    bool canRun = job->executor && isUp(job->executor) && job->suspects == 0;
    for (auto& choice : job->choices) {
      choice->gaveUpAt.reset();
      if (canRun) decide(now, *choice);
    }
  }
}

namespace {

// Adds the slots of the lane's rivals and what is there to do for them.
void countRivals(const Lane& lane, placement::Way& way) {
  for (const Lane* other : lane.choice->ways) {
    bool isRival = other != &lane && placement::areRivals(other->definition.needs,
                                                          lane.definition.needs);
    if (!isRival) continue;
    way.slots += other->open.size();
    placement::addTo(way.backlog, other->backlog);
  }
}

// Of ways that ask for the same, all but the fastest become infeasible; not `spared`.
void leaveFastest(const Choice& choice, std::vector<NodeWay>& ways, std::size_t spared) {
  for (std::size_t i = 0; i < ways.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      bool areBoth = ways[i].feasible && ways[j].feasible && ways[i].run != kNever &&
                     ways[j].run != kNever &&
                     choice.ways[i]->definition.needs == choice.ways[j]->definition.needs;
      std::size_t slower = ways[i].run < ways[j].run ? j : i;
      if (areBoth && slower != spared) ways[slower].feasible = false;
    }
  }
}

// What is free for the lanes of one class, while tasks are given to them.
class Openings {
 public:
  Openings(const Topology& topology, const placement::NodeRoom& room, std::size_t ways)
      : topology_(topology), room_(room), fits_(ways) {}

  // Whether a slot is idle, or can be opened.
  bool has(const Lane& lane, std::size_t mostSlots) {
    std::size_t slots = lane.open.size() + opened(lane);
    if (lane.tasks() < slots) return true;
    if (!lane.feasible || slots >= mostSlots) return false;
    auto& known = fits_[lane.way];
    if (!known) {
      placement::NodeRoom trial = room_;
      known = placement::take(topology_, trial, lane.definition.needs).has_value();
    }
    return *known;
  }

  // One more task of the lane begins.
  void use(const Lane& lane) {
    if (lane.tasks() < lane.open.size() + opened(lane)) return;
    placement::take(topology_, room_, lane.definition.needs);
    ++opened_[lane.way];
    for (auto& known : fits_) known.reset();
  }

 private:
  std::size_t opened(const Lane& lane) {
    opened_.resize(fits_.size());
    return opened_[lane.way];
  }

  const Topology& topology_;
  placement::NodeRoom room_;
  std::vector<std::optional<bool>> fits_;  // by way, until something is taken
  std::vector<std::size_t> opened_;        // by way: slots that a plan will open
};

}  // namespace

void NodeBrain::State::decide(Instant now, Choice& choice) {
  for (Lane* lane : choice.ways) takeBack(*lane);
  if (choice.undecided.size == 0) return;
  Openings openings(config.topology, room, choice.ways.size());
  std::vector<NodeWay> ways(choice.ways.size());
  std::vector<Duration> heldWork(choice.ways.size());  // by way, what waits for it here
  std::size_t held = 0;
  for (std::uint32_t next = choice.undecided.first; next != kNoTask && held < kLookAhead;) {
    std::uint32_t index = next;
    Task& task = tasks[index];
    next = task.next;
    for (std::size_t i = 0; i < ways.size(); ++i) {
      Lane& lane = *choice.ways[i];
      ways[i] = {lane.feasible, openings.has(lane, config.maxSlotsPerLane),
                 {lane.open.size(), lane.backlog + heldWork[i]}, expected(lane, task.sizeClass)};
      if (lane.open.empty() && !ways[i].free) countRivals(lane, ways[i].way);
    }
    leaveFastest(choice, ways, task.trial ? task.hint : ways.size());
    auto pick = placement::pick(ways, task.hint, now - task.since);
    ALNILAM_ASSERT(pick.has_value());  // `assign` refuses what is infeasible
    if (task.trial && ways[task.hint].feasible) pick = {task.hint, ways[task.hint].free, kNever};
    Lane& lane = *choice.ways[pick->way];
    if (pick->begins) {
      openings.use(lane);
    } else if (!mayWaitIn(lane, task.sizeClass)) {
      ++held;
      heldWork[pick->way] += std::min(ways[pick->way].run, kMostHeld);
      if (pick->gaveUpAfter == kNever) continue;
      Instant until = task.since + pick->gaveUpAfter;
      if (!choice.gaveUpAt || until < *choice.gaveUpAt) choice.gaveUpAt = until;
      continue;
    }
    give(index, lane);
  }
}

void NodeBrain::State::give(std::uint32_t index, Lane& lane) {
  Task& task = tasks[index];
  unlink(lane.choice->undecided, index);
  task.lane = &lane;
  Duration run = expected(lane, task.sizeClass);
  run = std::min(run == kNever ? placement::kUnknownRun : run, CostTable::kLongest);
  lane.backlog = std::min(lane.backlog, kNever - run) + run;
  task.at = Task::At::queued;
  append(lane.queue, index);
  lane.drySince.reset();
  activate(lane);
  if (lane.tasks() > lane.open.size()) planDue = true;
}

// A task leaves the lane, which still counts it: with it goes its part of what was expected.
void NodeBrain::State::leaveBacklog(Lane& lane) {
  if (lane.choice) lane.backlog -= lane.backlog / static_cast<std::int64_t>(lane.tasks());
}

// What waits in a lane without slots goes back to the front of the undecided, in its order.
void NodeBrain::State::takeBack(Lane& lane) {
  if (!lane.open.empty()) return;
  std::uint32_t previous = kNoTask;
  for (std::uint32_t at = lane.queue.last; at != kNoTask; at = previous) {
    previous = tasks[at].previous;
    leaveBacklog(lane);
    unlink(lane.queue, at);
    tasks[at].at = Task::At::undecided;
    prepend(lane.choice->undecided, at);
  }
}

// ---- Learning.

void NodeBrain::State::learnRun(Lane& lane, std::uint8_t sizeClass, const TaskDone& done) {
  costs.observe(seriesOf(lane), sizeClass, done.ran);
  CostReport report;
  report.job = lane.job->notice.job;
  report.taskClass = lane.index & 0xffffff;
  report.variant = lane.way;
  report.sizeClass = sizeClass;
  report.gpu = done.gpu;
  auto same = std::find_if(owedReport.costs.begin(), owedReport.costs.end(), [&](auto& known) {
    return std::tie(known.job, known.taskClass, known.variant, known.sizeClass, known.gpu) ==
           std::tie(report.job, report.taskClass, report.variant, report.sizeClass, report.gpu);
  });
  bool isNew = same == owedReport.costs.end();
  CostReport& told = isNew ? owedReport.costs.emplace_back(report) : *same;
  placement::Estimate found = costs.estimate(seriesOf(lane), sizeClass);
  ++told.runs;
  told.total = found.runs;
  told.mean = found.run;
  told.deviation = found.deviation;
}

}  // namespace alnilam::node
