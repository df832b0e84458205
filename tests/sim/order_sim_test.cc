// Goal: find a mix of jobs in which shares are not fair, or somebody starves.
// Method: seeded clusters of a few nodes that run what they are sent in order, each task for a time
// drawn anew; jobs always have more to do than there is room for.  Where all have one priority, the
// processor time of each job comes to be its weight's part, within an eighth and one task.  Where
// priorities differ, each is given something at least every (highest - own) * agingStep and a
// round of the others.  A failure prints its seed; ALNILAM_SEED=123 plays that world alone.

#include "core/head/head_brain.h"
#include "tests/sim/random.h"
#include "tests/sim/timeline.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <string>

namespace alnilam::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStep = 1s;      // HeadBrain::Config::agingStep
constexpr Duration kLongest = 80ms;  // of a task
constexpr Duration kEnd = 40s, kSettled = 8s;

class OrderWorld {
 public:
  struct JobOf {
    std::uint32_t weight;
    std::int32_t priority;
    std::int64_t cpus;
    Duration shortest;
    JobId id{};
    std::uint32_t submitted = 0;
    double busy = 0;         // processor seconds of tasks that ended after kSettled
    Instant lastPlaced{};
    Duration longestWait{};  // between two placements
  };

  OrderWorld(std::uint64_t seed, bool withPriorities) : luck_(seed), head_({}) {
    std::size_t count = 2 + luck_.below(3);
    constexpr std::uint32_t kWeights[] = {50, 100, 100, 200, 400};
    for (std::size_t i = 0; i < count; ++i) {
      jobs.push_back({.weight = kWeights[luck_.below(std::size(kWeights))],
                      .priority = withPriorities ? static_cast<std::int32_t>(luck_.below(7)) : 0,
                      .cpus = withPriorities ? 1 : 1 + static_cast<std::int64_t>(luck_.below(2)),
                      .shortest = luck_.between(1ms, kLongest / 2)});
      say(head::JobOpened{i, "job", "", {}, {jobs.back().weight, {}}});
    }
    std::size_t nodes = 1 + luck_.below(4);
    for (std::size_t i = 0; i < nodes; ++i) {
      head::NodeJoined node{"n" + std::to_string(i), {1}, {}, {}};
      node.topology.domains.push_back({0, 0, 64_GiB});
      node.topology.cores.resize(withPriorities ? 1 + luck_.below(2) : 6 + luck_.below(10));
      node.total = node.topology.total();
      cores += static_cast<std::int64_t>(node.topology.cores.size());
      nodes_.push_back({node.total, {}});
      say(std::move(node));
    }
    for (JobOf& job : jobs) {
      TaskClass made;
      made.function = "f";
      made.needs.cpus = Amount::whole(job.cpus);
      made.priority = job.priority;
      say(head::Submit{job.id, {made}, {}});
      submit(job);
    }
  }

  void run() {
    place();
    while (time_.now() < kEnd && !time_.empty()) {
      time_.step();
      place();
    }
  }

  std::vector<JobOf> jobs;
  std::int64_t cores = 0;

 private:
  struct NodeOf {
    ResourceSet free;
    std::deque<Assignment> queue;
  };

  JobOf& jobOf(TaskId task) {
    for (JobOf& job : jobs) {
      if (job.id == task.job()) return job;
    }
    std::abort();
  }
  void say(head::Input input) {
    head_.step(time_.now(), std::move(input), out_);
    take();
  }
  void place() {
    head_.place(time_.now(), out_);
    take();
  }
  void submit(JobOf& job) {
    head::Submit more{job.id, {}, {}};
    for (int i = 0; i < 200; ++i) {
      more.tasks.push_back({ObjectId::make(job.id, ++job.submitted), 0, {}, {}});
    }
    say(std::move(more));
  }
  void take() {
    for (head::Output& output : std::exchange(out_, {})) {
      if (auto* ready = std::get_if<head::JobReady>(&output)) jobs[ready->session].id = ready->job;
      auto* told = std::get_if<head::NodeTold>(&output);
      if (!told) continue;
      for (Assignment& one : told->orders.assign) {
        JobOf& job = jobOf(one.id);
        job.longestWait = std::max(job.longestWait, time_.now() - job.lastPlaced);
        job.lastPlaced = time_.now();
        nodes_[told->node.value - 1].queue.push_back(std::move(one));
      }
      start(told->node);
    }
  }
  void start(NodeId id) {
    NodeOf& node = nodes_[id.value - 1];
    while (!node.queue.empty()) {
      JobOf& job = jobOf(node.queue.front().id);
      ResourceSet needs{Amount::whole(job.cpus), {}, 0, 0, {}};
      if (!node.free.covers(needs)) return;
      node.free.subtract(needs);
      TaskDone done;
      done.id = node.queue.front().id;
      done.attempt = node.queue.front().attempt;
      done.ran = luck_.between(job.shortest, kLongest);
      node.queue.pop_front();
      time_.after(done.ran, [this, id, needs, done] { ended(id, needs, done); });
    }
  }
  void ended(NodeId id, const ResourceSet& needs, const TaskDone& done) {
    JobOf& job = jobOf(done.id);
    nodes_[id.value - 1].free.add(needs);
    if (time_.now() > kSettled) {
      job.busy += static_cast<double>(done.ran.count()) / 1e9 * static_cast<double>(job.cpus);
    }
    start(id);
    say(head::NodeHeard{id, {1}, {std::nullopt, {done}, {}, {}, {}}});
    say(head::Release{job.id, {done.id}});
    if (done.id.index() + 100 > job.submitted) submit(job);
  }

  Luck luck_;
  Timeline time_;
  head::HeadBrain head_;
  std::vector<NodeOf> nodes_;
  std::vector<head::Output> out_;
};

template <typename Check>
void forEachSeed(bool withPriorities, Check&& check) {
  const char* one = std::getenv("ALNILAM_SEED");
  std::uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed <= (one ? first : 60); ++seed) {
    SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed));
    OrderWorld world(seed, withPriorities);
    world.run();
    check(world);
  }
}

TEST(OrderSim, SharesComeToBeThoseOfTheWeights) {
  double worst = 0;
  forEachSeed(false, [&](const OrderWorld& world) {
    double weights = 0, all = 0;
    for (const auto& job : world.jobs) weights += job.weight, all += job.busy;
    for (const auto& job : world.jobs) {
      double fair = job.weight / weights, is = job.busy / all;
      double task = 2.0 / static_cast<double>(world.cores);
      EXPECT_LT(std::abs(is - fair), fair / 8 + task) << is << " is not near " << fair;
      worst = std::max(worst, std::abs(is - fair) / (fair / 8 + task));
    }
  });
  RecordProperty("worst", std::to_string(worst));
}

TEST(OrderSim, NoPriorityStarves) {
  forEachSeed(true, [](const OrderWorld& world) {
    std::int32_t highest = 0;
    for (const auto& job : world.jobs) highest = std::max(highest, job.priority);
    auto jobs = static_cast<std::int64_t>(world.jobs.size());
    for (const auto& job : world.jobs) {
      // Jobs of one priority take turns at what that is given.
      Duration bound = ((highest - job.priority) * kStep + jobs * kLongest + kStep) * jobs;
      EXPECT_LT(job.longestWait, bound) << "priority " << job.priority << " of " << highest;
      EXPECT_GT(job.lastPlaced, kEnd - bound) << "priority " << job.priority;
    }
  });
}

}  // namespace
}  // namespace alnilam::sim
