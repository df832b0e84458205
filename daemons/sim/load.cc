#include "daemons/sim/load.h"

#include "core/base/error.h"
#include "core/head/head_brain.h"
#include "daemons/sim/played_nodes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <utility>

namespace alnilam::sim {
namespace {

using namespace head;

constexpr std::uint32_t kBatch = 10'000;  // tasks of one submission
// Between levels, so that a level does not pass the next by its waiting in the usual load.
constexpr std::int32_t kLevelStep = 100;

double toSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
Duration fromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Queueing queueingOf(std::vector<double>& seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  auto at = [&](double part) {
    return seconds[static_cast<std::size_t>(part * static_cast<double>(seconds.size() - 1))];
  };
  return {at(0.5), at(0.95), at(0.99), seconds.back()};
}

double jain(const std::vector<double>& served) {
  double sum = 0, squares = 0;
  for (double one : served) {
    sum += one;
    squares += one * one;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(served.size()) * squares) : 1;
}

// One run: the world around the brain.
class World {
 public:
  World(const Load& load, const Probes& probes)
      : load_(load), probes_(probes), brain_(config()), perJob_(load.tasks / load.jobs) {}

  LoadResult run();

 private:
  struct Ended {
    std::uint32_t node = 0;
    TaskId id;
    Attempt attempt;
    Duration ran{};
    ClassIndex taskClass = 0;
  };
  struct Event {
    Instant at;
    std::uint64_t number;  // equal times in the order of their making
    enum class What : std::uint8_t { ordered, ended, heard, arrived } what;
    std::uint32_t of;  // node or job
    std::size_t slot;  // into orders_ or ends_
    bool operator<(const Event& other) const {  // a queue's top is the largest
      return std::pair(at, number) > std::pair(other.at, other.number);
    }
  };
  struct JobSide {
    JobId id;
    std::uint32_t submitted = 0;
    double served = 0;  // core seconds
    std::vector<ObjectId> done;
  };

  static HeadBrain::Config config() {
    HeadBrain::Config config;
    config.lostAfter = std::chrono::hours(24 * 365);  // played nodes are silent while they work
    return config;
  }

  void openJobs();
  void join();
  void submit(JobSide& job, std::uint32_t count);
  void arrive(std::uint32_t job);
  void carryOut(std::uint32_t node, NodeOrders orders);
  void startOn(std::uint32_t node);
  void step(Input input);
  void place();
  void take();
  void later(Duration after, Event::What what, std::uint32_t of, std::size_t slot);
  void happen(const Event& event);
  ResourceSet needsOf(ClassIndex index) const;
  std::int32_t priorityOf(ClassIndex index) const {
    return static_cast<std::int32_t>(levelOf(index)) * kLevelStep;
  }
  std::size_t levelOf(ClassIndex index) const { return index % load_.priorities; }
  Duration runs(TaskId id) const;
  template <typename T>
  static std::size_t store(std::vector<T>& in, std::vector<std::size_t>& free, T value);

  const Load& load_;
  const Probes& probes_;
  HeadBrain brain_;
  const std::uint32_t perJob_;
  Instant now_{};
  double deciding_ = 0;
  std::uint64_t decisions_ = 0, made_ = 0;
  std::vector<Output> out_;
  std::vector<JobSide> jobs_;
  std::map<JobId, std::uint32_t> jobIndex_;
  std::vector<PlayedNode> nodes_;
  std::vector<NodeReport> reports_;  // by node, to be heard
  std::vector<bool> reporting_;
  std::priority_queue<Event> events_;
  std::vector<NodeOrders> orders_;
  std::vector<Ended> ends_;
  std::vector<std::size_t> freeOrders_, freeEnds_;
  std::vector<std::vector<Instant>> arrivedAt_;     // by job, by task
  std::vector<std::vector<double>> queueing_;       // by priority
  LoadResult result_;
};

template <typename T>
std::size_t World::store(std::vector<T>& in, std::vector<std::size_t>& free, T value) {
  if (free.empty()) {
    in.push_back(std::move(value));
    return in.size() - 1;
  }
  std::size_t slot = free.back();
  free.pop_back();
  in[slot] = std::move(value);
  return slot;
}

ResourceSet World::needsOf(ClassIndex index) const {
  ResourceSet needs;
  needs.cpus = Amount::whole(1 + index % 3);
  needs.memory = Bytes{1 + index % 5} * 256_MiB;
  if (load_.gpus > 0 && index % 4 == 3) {
    needs.gpus = index % 8 == 3 ? Amount{Amount::kPerUnit / 2} : Amount::whole(1);
  }
  return needs;
}

Duration World::runs(TaskId id) const {
  std::mt19937_64 random(load_.seed * 0x9e3779b97f4a7c15 + id.value);
  double draw = std::exponential_distribution<double>(1)(random);
  return std::max(Duration{1}, fromSeconds(draw * load_.meanSeconds));
}

void World::later(Duration after, Event::What what, std::uint32_t of, std::size_t slot) {
  events_.push({now_ + after, ++made_, what, of, slot});
}

void World::step(Input input) {
  double since = probes_.seconds();
  brain_.step(now_, std::move(input), out_);
  deciding_ += probes_.seconds() - since;
  take();
}

void World::place() {
  double since = probes_.seconds();
  brain_.place(now_, out_);
  deciding_ += probes_.seconds() - since;
  take();
}

void World::take() {
  std::vector<Output> out = std::exchange(out_, {});
  for (Output& output : out) {
    ALNILAM_ASSERT(!std::holds_alternative<NodeRefused>(output));
    if (auto* ready = std::get_if<JobReady>(&output)) {
      jobIndex_[ready->job] = static_cast<std::uint32_t>(ready->session);
      jobs_[ready->session].id = ready->job;
    } else if (auto* sent = std::get_if<NodeTold>(&output)) {
      decisions_ += sent->orders.assign.size();
      std::size_t slot = store(orders_, freeOrders_, std::move(sent->orders));
      later(load_.latency, Event::What::ordered, sent->node.value - 1, slot);
    } else if (auto* told = std::get_if<Told>(&output)) {
      JobSide& job = jobs_[jobIndex_[told->job]];
      for (auto& [id, value] : told->objects) {
        ++result_.ended;
        result_.failed += value.state == Value::State::failed;
        job.done.push_back(id);
      }
    }
  }
}

void World::openJobs() {
  jobs_.resize(load_.jobs);
  arrivedAt_.resize(load_.jobs);
  queueing_.resize(load_.priorities);
  for (std::uint32_t i = 0; i < load_.jobs; ++i) {
    step(JobOpened{i, "job" + std::to_string(i), "", {}});
    Submit submit{jobs_[i].id, {}, {}};
    for (std::uint32_t index = 0; index < load_.classes; ++index) {
      TaskClass one;
      one.function = "class" + std::to_string(index);
      one.needs = needsOf(static_cast<ClassIndex>(index));
      one.priority = priorityOf(static_cast<ClassIndex>(index));
      submit.classes.push_back(std::move(one));
    }
    step(std::move(submit));
  }
}

void World::join() {
  for (std::uint32_t i = 0; i < load_.nodes; ++i) {
    NodeJoined node{"node" + std::to_string(i), {1}, {}, {}};
    node.topology.domains.push_back({0, 0, Bytes{load_.cores} * 4_GiB});
    node.topology.cores.resize(load_.cores);
    if (i % 2 == 0) node.topology.gpus.resize(load_.gpus);
    for (auto& gpu : node.topology.gpus) {
      gpu.model = "played";
      gpu.memory = 80_GiB;
    }
    node.topology.links.resize(node.topology.gpus.size() * node.topology.gpus.size());
    node.total = node.topology.total();
    nodes_.emplace_back(node.total);
    step(std::move(node));
  }
  reports_.resize(load_.nodes);
  reporting_.resize(load_.nodes);
}

void World::submit(JobSide& job, std::uint32_t count) {
  auto& arrivedAt = arrivedAt_[jobIndex_[job.id]];
  for (std::uint32_t first = 0; first < count; first += kBatch) {
    Submit submit{job.id, {}, {}};
    Want want{job.id, {}};
    std::uint32_t size = std::min(kBatch, count - first);
    for (std::uint32_t i = 0; i < size; ++i) {
      std::uint32_t index = job.submitted++;
      TaskSpec& spec = submit.tasks.emplace_back();
      spec.id = ObjectId::make(job.id, index + 1);
      spec.taskClass = static_cast<ClassIndex>(index % load_.classes);
      want.objects.push_back(spec.id);
      arrivedAt.push_back(now_);
    }
    step(std::move(submit));
    step(std::move(want));
  }
}

void World::arrive(std::uint32_t job) {
  submit(jobs_[job], 1);
  if (jobs_[job].submitted < perJob_) {
    std::mt19937_64 random(load_.seed + jobs_[job].submitted * std::uint64_t{load_.jobs} + job);
    double gap = std::exponential_distribution<double>(load_.rate / load_.jobs)(random);
    later(fromSeconds(gap), Event::What::arrived, job, 0);
  }
}

void World::carryOut(std::uint32_t node, NodeOrders orders) {
  for (Assignment& task : orders.assign) {
    nodes_[node].queue({task.id, task.attempt, needsOf(task.taskClass)});
  }
  startOn(node);
}

void World::startOn(std::uint32_t node) {
  nodes_[node].start([&](const PlayedNode::Queued& task) {
    std::uint32_t index = task.id.index() - 1, job = jobIndex_[task.id.job()];
    auto taskClass = static_cast<ClassIndex>(index % load_.classes);
    Duration waited = now_ - arrivedAt_[job][index], ran = runs(task.id);
    queueing_[levelOf(taskClass)].push_back(toSeconds(waited));
    std::size_t slot = store(ends_, freeEnds_, {node, task.id, task.attempt, ran, taskClass});
    later(ran, Event::What::ended, node, slot);
  });
}

void World::happen(const Event& event) {
  switch (event.what) {
    case Event::What::arrived:
      arrive(event.of);
      break;
    case Event::What::ordered:
      carryOut(event.of, std::exchange(orders_[event.slot], {}));
      freeOrders_.push_back(event.slot);
      break;
    case Event::What::ended: {
      Ended ended = ends_[event.slot];
      freeEnds_.push_back(event.slot);
      ResourceSet needs = needsOf(ended.taskClass);
      jobs_[jobIndex_[ended.id.job()]].served += needs.cpus.asDouble() * toSeconds(ended.ran);
      nodes_[event.of].end(needs);
      TaskDone& done = reports_[event.of].done.emplace_back();
      done.id = ended.id;
      done.attempt = ended.attempt;
      done.ran = ended.ran;
      startOn(event.of);
      if (!reporting_[event.of]) later(load_.latency, Event::What::heard, event.of, 0);
      reporting_[event.of] = true;
      break;
    }
    case Event::What::heard:
      reporting_[event.of] = false;
      step(NodeHeard{{event.of + 1}, {1}, std::exchange(reports_[event.of], {})});
      break;
  }
}

LoadResult World::run() {
  openJobs();
  std::uint64_t before = probes_.bytes();
  std::uint32_t atFirst = load_.rate > 0 ? 0 : perJob_;
  for (JobSide& job : jobs_) submit(job, atFirst);
  place();
  std::uint64_t waiting = std::uint64_t{atFirst} * load_.jobs;
  if (waiting > 0) {
    std::uint64_t own = waiting * sizeof(Instant);  // what is kept here beside the brain's
    result_.bytesPerTask = static_cast<double>(probes_.bytes() - before - own) /
                           static_cast<double>(waiting);
  }
  join();
  for (std::uint32_t job = 0; load_.rate > 0 && job < load_.jobs; ++job) arrive(job);
  place();
  std::uint64_t all = std::uint64_t{perJob_} * load_.jobs;
  bool isHalf = false;
  deciding_ = 0;
  while (result_.ended < all && !events_.empty()) {
    now_ = events_.top().at;
    while (!events_.empty() && events_.top().at == now_) {
      Event event = events_.top();
      events_.pop();
      happen(event);
    }
    place();
    for (JobSide& job : jobs_) {
      if (!job.done.empty()) step(Release{job.id, std::exchange(job.done, {})});
    }
    if (!isHalf && result_.ended * 2 >= all) {
      isHalf = true;
      std::vector<double> served;
      for (const JobSide& job : jobs_) served.push_back(job.served);
      result_.fairness = jain(served);
    }
    probes_.ended(result_.ended);
  }
  double cores = 0;
  for (const JobSide& job : jobs_) cores += job.served;
  result_.makespan = toSeconds(now_);
  if (result_.makespan > 0) {
    result_.utilization = 100 * cores / (result_.makespan * load_.nodes * load_.cores);
  }
  std::vector<double> waits;
  for (auto& level : queueing_) {
    waits.insert(waits.end(), level.begin(), level.end());
    result_.byPriority.push_back(queueingOf(level));
  }
  result_.queueing = queueingOf(waits);
  if (deciding_ > 0) result_.decisionsPerSecond = static_cast<double>(decisions_) / deciding_;
  return result_;
}

}  // namespace

Result<bool> Load::check() const {
  auto refuse = [](const std::string& what, const std::string& value, const std::string& range) {
    return Refusal{RefusalCode::invalid, what + " is " + value + "; it must be " + range};
  };
  auto range = [&](const char* what, std::uint64_t value, std::uint64_t least, std::uint64_t most)
      -> std::optional<Refusal> {
    if (value >= least && value <= most) return std::nullopt;
    return refuse(what, std::to_string(value), std::to_string(least) + " to " +
                                                   std::to_string(most));
  };
  if (auto wrong = range("--nodes", nodes, 1, kMostNodes)) return *wrong;
  if (auto wrong = range("--cores", cores, 3, 1024)) return *wrong;
  if (auto wrong = range("--gpus", gpus, 0, 16)) return *wrong;
  if (auto wrong = range("--jobs", jobs, 1, 1000)) return *wrong;
  if (auto wrong = range("--tasks", tasks, jobs, kMostTasks)) return *wrong;
  if (auto wrong = range("--classes", classes, 1, 1000)) return *wrong;
  if (auto wrong = range("--priorities", priorities, 1, 10)) return *wrong;
  if (!(meanSeconds >= 1e-6 && meanSeconds <= 1e6)) {
    return refuse("--mean-seconds", std::to_string(meanSeconds), "0.000001 to 1000000");
  }
  if (!(rate == 0 || (rate >= 1e-3 && rate <= 1e9))) {
    return refuse("--rate", std::to_string(rate), "0 (all at once) or 0.001 to 1000000000");
  }
  return true;
}

LoadResult run(const Load& load, const Probes& probes) { return World(load, probes).run(); }

}  // namespace alnilam::sim
