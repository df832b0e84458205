#include "core/engine/local_cluster.h"

#include "core/engine/session.h"
#include "core/engine/worker_pool.h"
#include "core/head/head_brain.h"
#include "core/node/node_brain.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace alnilam {
namespace {

using Clock = std::chrono::steady_clock;

constexpr JobId kJob{(1u << 24) | 1};  // the first job of cell 1, as the head brain draws it

// The one node lives as long as the head: silence means that it has nothing to say.
constexpr Duration kNever = std::chrono::hours(24 * 365 * 100);

// An executor of this process: its workers, made when the node brain first asks.
struct LocalExecutor {
  ExecutorId id;
  std::unique_ptr<WorkerPool> pool;
};

// What each device did, gathered from the reports as they pass.
class UsageTally {
 public:
  explicit UsageTally(const Topology& topology) {
    rows_.push_back({topology.hostname, "cpu", 0, {}, 0, {}});
    for (std::size_t i = 0; i < topology.gpus.size(); ++i) {
      std::string device = "gpu" + std::to_string(i) + " " + topology.gpus[i].label();
      rows_.push_back({topology.hostname, std::move(device), 0, {}, 0, {}});
    }
  }

  void add(const std::vector<TaskDone>& done) {
    std::lock_guard lock(mutex_);
    for (const TaskDone& one : done) {
      std::size_t row = one.gpu == TaskDone::kNoGpu ? 0 : one.gpu + std::size_t{1};
      if (row >= rows_.size() || one.how == TaskDone::How::returned) continue;
      ++rows_[row].tasks;
      rows_[row].busy += one.ran;
    }
  }

  // `brain` gives the names of variants.
  void add(const std::vector<CostReport>& costs, const head::HeadBrain& brain) {
    std::lock_guard lock(mutex_);
    for (const CostReport& cost : costs) {
      std::size_t row = cost.gpu == TaskDone::kNoGpu ? 0 : cost.gpu + std::size_t{1};
      const TaskClass* of = brain.classOf(cost.job, cost.taskClass);
      if (row >= rows_.size() || !of || cost.variant >= of->variants.size()) continue;
      const Variant& one = of->variants[cost.variant];
      VariantRuns runs{of->function, one.kind, one.function, 0};
      std::vector<VariantRuns>& all = rows_[row].variants;
      auto same = std::find_if(all.begin(), all.end(), [&](const VariantRuns& known) {
        return known.function == runs.function && known.variant == runs.variant;
      });
      if (same == all.end()) same = all.insert(all.end(), std::move(runs));
      same->tasks += cost.runs;
    }
  }

  std::vector<UsageRow> rows() {
    std::lock_guard lock(mutex_);
    std::vector<UsageRow> used = rows_;
    std::erase_if(used, [](const UsageRow& row) { return row.tasks == 0; });
    return used;
  }

 private:
  std::mutex mutex_;
  std::vector<UsageRow> rows_;
};

}  // namespace

struct LocalCluster::State final : SessionLink {
  explicit State(Config config)
      : config_(std::move(config)),
        usage_(config_.topology),
        head_({.lostAfter = kNever}),
        node_({.name = config_.topology.hostname,
               .topology = config_.topology,
               .total = config_.topology.total()}),
        session_(kJob, UINT64_MAX, *this),
        origin_(Clock::now()),
        control_([this] { run(); }) {}

  ~State() override {
    {
      std::lock_guard lock(mutex_);
      leaving_ = true;
      woken_.notify_one();
    }
    control_.join();
  }

  // SessionLink, called by user threads.
  void wake() override {
    std::lock_guard lock(mutex_);
    if (!std::exchange(work_, true)) woken_.notify_one();
  }
  Result<Blob> fetch(ObjectId object, const Value&, std::optional<Duration>) override {
    return Refusal{RefusalCode::unknown, "object " + show(object) + " is in no store"};
  }
  Result<Value> store(ObjectId, Bytes, const std::function<void(std::span<std::byte>)>&) override {
    return Refusal{RefusalCode::overloaded, "the embedded engine has no store"};
  }
  Result<std::vector<UsageRow>> usage() override { return usage_.rows(); }
  Result<std::string> explain(TaskId task) override;

  // The control thread.
  void run();
  bool await();
  void takeSession();
  void takeReports();
  void answer();
  void settle();
  void route(head::Output& output);
  void route(node::Output& output);
  Instant now() const { return Clock::now() - origin_; }

  Config config_;
  UsageTally usage_;
  head::HeadBrain head_;
  node::NodeBrain node_;
  NodeId nodeId_;
  Session session_;
  std::vector<LocalExecutor> executors_;
  std::vector<head::Output> fromHead_;
  std::vector<node::Output> fromNode_;

  std::mutex mutex_;
  std::condition_variable woken_;
  bool work_ = false;
  bool leaving_ = false;
  std::vector<std::pair<TaskId, std::promise<std::string>>> questions_;  // of `explain`

  Clock::time_point origin_;
  std::thread control_;  // last: it uses all of the above
};

LocalCluster::LocalCluster(Config config) : state_(std::make_unique<State>(std::move(config))) {}
LocalCluster::~LocalCluster() = default;
Backend& LocalCluster::backend() { return state_->session_; }

void LocalCluster::State::run() {
  head_.step(now(),
             head::JobOpened{.session = 1,
                             .name = "embedded",
                             .program = {},
                             .arguments = {},
                             .share = config_.share},
             fromHead_);
  head_.step(now(), head::NodeJoined{.name = config_.topology.hostname,
                                     .incarnation = {1},
                                     .topology = config_.topology,
                                     .total = config_.topology.total()},
             fromHead_);
  settle();
  while (await()) {
    takeSession();
    takeReports();
    settle();
    answer();
  }
  executors_.clear();  // waits for what runs
  session_.lost({RefusalCode::unavailable, "the embedded engine has been shut down"});
}

// Sleeps until there is work or a deadline has come; false when it is time to leave.
bool LocalCluster::State::await() {
  std::optional<Instant> due = head_.deadline();
  if (auto other = node_.deadline(); other && (!due || *other < *due)) due = other;

  std::unique_lock lock(mutex_);
  auto called = [&] { return work_ || leaving_; };
  if (due) {
    woken_.wait_until(lock, origin_ + *due, called);
  } else {
    woken_.wait(lock, called);
  }
  work_ = false;
  return !leaving_;
}

void LocalCluster::State::takeSession() {
  ClientBatch batch;
  while (session_.take(batch)) {
    Instant at = now();
    for (auto& [object, value] : batch.puts) {
      head_.step(at, head::Put{object, std::move(value)}, fromHead_);
    }
    if (!batch.tasks.empty() || !batch.classes.empty()) {
      head_.step(at, head::Submit{kJob, std::move(batch.classes), std::move(batch.tasks)},
                 fromHead_);
    }
    if (!batch.wants.empty()) {
      head_.step(at, head::Want{kJob, std::move(batch.wants)}, fromHead_);
    }
    if (!batch.releases.empty()) {
      head_.step(at, head::Release{kJob, std::move(batch.releases)}, fromHead_);
    }
    if (!batch.cancels.empty()) {
      head_.step(at, head::Cancel{kJob, std::move(batch.cancels)}, fromHead_);
    }
    batch = {};
  }
}

void LocalCluster::State::takeReports() {
  for (LocalExecutor& executor : executors_) {
    ExecutorReport report = executor.pool->report();
    if (report.empty()) continue;
    usage_.add(report.done);
    node_.step(now(), node::FromExecutor{executor.id, std::move(report)});
  }
}

Result<std::string> LocalCluster::State::explain(TaskId task) {
  std::future<std::string> text;
  {
    std::lock_guard lock(mutex_);
    text = questions_.emplace_back(task, std::promise<std::string>()).second.get_future();
    if (!std::exchange(work_, true)) woken_.notify_one();
  }
  return text.get();
}

void LocalCluster::State::answer() {
  std::vector<std::pair<TaskId, std::promise<std::string>>> questions;
  {
    std::lock_guard lock(mutex_);
    questions.swap(questions_);
  }
  for (auto& [task, text] : questions) text.set_value(head_.explain(task));
}

// Steps both brains until nothing more follows.
void LocalCluster::State::settle() {
  Instant at = now();
  if (auto due = head_.deadline(); due && *due <= at) head_.step(at, head::Tick{}, fromHead_);
  if (auto due = node_.deadline(); due && *due <= at) node_.step(at, node::Tick{});
  do {
    head_.place(at, fromHead_);
    std::vector<head::Output> said = std::exchange(fromHead_, {});
    for (head::Output& output : said) route(output);
    node_.settle(at, fromNode_);
    std::vector<node::Output> done = std::exchange(fromNode_, {});
    for (node::Output& output : done) route(output);
    if (said.empty() && done.empty()) return;
  } while (true);
}

void LocalCluster::State::route(head::Output& output) {
  if (auto* told = std::get_if<head::Told>(&output)) {
    session_.told(told->objects);
  } else if (auto* orders = std::get_if<head::NodeTold>(&output)) {
    node_.step(now(), node::FromHead{std::move(orders->orders)});
  } else if (auto* accepted = std::get_if<head::NodeAccepted>(&output)) {
    nodeId_ = accepted->node;
  } else if (auto* ready = std::get_if<head::JobReady>(&output)) {
    ALNILAM_ASSERT(ready->job == kJob);
  } else {
    // Refusals, fences and losses: one node that never leaves and one job that is well-formed.
    ALNILAM_ASSERT(!"the embedded head refused its own node or job");
  }
}

void LocalCluster::State::route(node::Output& output) {
  if (auto* start = std::get_if<node::StartExecutor>(&output)) {
    WorkerPool::Config pool;
    pool.node = config_.topology.hostname;
    pool.devices = config_.devices;
    pool.onReport = [this] { wake(); };
    if (config_.bindThreads) {
      for (const Core& core : config_.topology.cores) pool.osCpus.push_back(core.osCpu);
    }
    executors_.push_back({start->executor, std::make_unique<WorkerPool>(std::move(pool))});
    node_.step(now(), node::ExecutorUp{start->executor});
  } else if (auto* stop = std::get_if<node::StopExecutor>(&output)) {
    std::erase_if(executors_, [&](auto& executor) { return executor.id == stop->executor; });
    node_.step(now(), node::ExecutorGone{stop->executor, {}, FailureKind::exited, "stopped"});
  } else if (auto* orders = std::get_if<node::ToExecutor>(&output)) {
    for (LocalExecutor& executor : executors_) {
      if (executor.id == orders->executor) executor.pool->order(std::move(orders->orders));
    }
  } else if (auto* report = std::get_if<node::ToHead>(&output)) {
    usage_.add(report->report.costs, head_);
    head_.step(now(), head::NodeHeard{nodeId_, {1}, std::move(report->report)}, fromHead_);
  }
  // Pull and Drop speak of stores, and nothing is stored here.
}

}  // namespace alnilam
