#include "core/engine/worker_pool.h"

#include "core/api/registry.h"
#include "core/engine/invoke.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace alnilam {
namespace {

using Clock = std::chrono::steady_clock;

thread_local TaskId runningTask;

// Tasks as short as this are drawn several at a time.
constexpr Duration kShort = std::chrono::microseconds(20);

}  // namespace

TaskId WorkerPool::currentTask() { return runningTask; }

struct WorkerPool::State {
  struct Worker;

  struct Lane {
    std::string function;
    const TaskFunction* target = nullptr;
    std::mutex mutex;
    std::deque<RunTask> queue;
    std::uint32_t slots = 0;
    std::vector<Worker*> idle;  // sleep until there is something to draw
  };

  struct Worker {
    std::thread thread;
    std::mutex mutex;
    std::condition_variable woken;
    bool nudged = false;    // look at the queue again
    bool closing = false;   // give the slot up after the task at hand
    bool leaving = false;   // end the thread
    std::optional<SlotGrant> grant;
    Lane* lane = nullptr;
    std::vector<std::uint32_t> boundTo;  // cores, as of the last slot
  };

  explicit State(Config config) : config_(std::move(config)) {}

  Config config_;
  std::map<ClassIndex, std::unique_ptr<Lane>> lanes_;  // owner's thread only
  std::vector<std::unique_ptr<Worker>> workers_;       // owner's thread only
  std::map<SlotId, Worker*> slots_;                    // owner's thread only
  std::mutex freeMutex_;
  std::vector<Worker*> free_;  // threads without a slot
  std::mutex reportMutex_;
  ExecutorReport report_;

  Lane& lane(ClassIndex index);
  void open(SlotGrant grant);
  void close(SlotId slot);
  void queue(std::vector<RunTask> tasks);
  void cancel(TaskId task);
  void add(std::vector<TaskDone>& done, SlotId closed);

  void live(Worker& worker);
  void serve(Worker& worker, const SlotGrant& grant);
  void leave(Worker& worker, Lane& lane);
  std::string openDevices(const SlotGrant& grant, std::unique_ptr<SlotDevices>& devices);
  bool draw(Worker& worker, Duration usual, std::vector<RunTask>& drawn);
  void bind(Worker& worker, const std::vector<std::uint32_t>& cores);
};

WorkerPool::WorkerPool(Config config) : state_(std::make_unique<State>(std::move(config))) {}

WorkerPool::~WorkerPool() {
  for (auto& worker : state_->workers_) {
    std::lock_guard lock(worker->mutex);
    worker->closing = worker->leaving = worker->nudged = true;
    worker->woken.notify_one();
  }
  for (auto& worker : state_->workers_) worker->thread.join();
}

void WorkerPool::order(Orders orders) {
  for (auto& [index, function] : orders.lanes) {
    auto& lane = state_->lanes_[index];
    ALNILAM_ASSERT(!lane);
    lane = std::make_unique<State::Lane>();
    lane->target = findTask(function);
    lane->function = std::move(function);
  }
  for (SlotGrant& grant : orders.open) state_->open(std::move(grant));
  for (SlotId slot : orders.close) state_->close(slot);
  state_->queue(std::move(orders.run));
  for (TaskId task : orders.cancel) state_->cancel(task);
}

ExecutorReport WorkerPool::report() {
  std::lock_guard lock(state_->reportMutex_);
  return std::exchange(state_->report_, {});
}

WorkerPool::State::Lane& WorkerPool::State::lane(ClassIndex index) {
  auto it = lanes_.find(index);
  ALNILAM_ASSERT(it != lanes_.end());
  return *it->second;
}

void WorkerPool::State::open(SlotGrant grant) {
  Worker* worker = nullptr;
  {
    std::lock_guard lock(freeMutex_);
    if (!free_.empty()) {
      worker = free_.back();
      free_.pop_back();
    }
  }
  bool isNew = !worker;
  if (isNew) worker = workers_.emplace_back(std::make_unique<Worker>()).get();
  Lane& target = lane(grant.lane);
  {
    std::lock_guard lock(target.mutex);
    ++target.slots;
  }
  slots_[grant.id] = worker;
  {
    std::lock_guard lock(worker->mutex);
    worker->lane = &target;
    worker->closing = false;
    worker->grant = std::move(grant);
    worker->nudged = true;
    worker->woken.notify_one();
  }
  if (isNew) worker->thread = std::thread([this, worker] { live(*worker); });
}

void WorkerPool::State::close(SlotId slot) {
  auto it = slots_.find(slot);
  if (it == slots_.end()) return;
  Worker& worker = *it->second;
  slots_.erase(it);
  std::lock_guard lock(worker.mutex);
  worker.closing = worker.nudged = true;
  worker.woken.notify_one();
}

void WorkerPool::State::queue(std::vector<RunTask> tasks) {
  std::vector<Worker*> wake;
  for (std::size_t i = 0; i < tasks.size();) {
    Lane& target = lane(tasks[i].lane);
    std::lock_guard lock(target.mutex);
    std::size_t added = 0;
    for (ClassIndex index = tasks[i].lane; i < tasks.size() && tasks[i].lane == index; ++i) {
      target.queue.push_back(std::move(tasks[i]));
      ++added;
    }
    for (; added > 0 && !target.idle.empty(); --added) {
      wake.push_back(target.idle.back());
      target.idle.pop_back();
    }
  }
  for (Worker* worker : wake) {
    std::lock_guard lock(worker->mutex);
    worker->nudged = true;
    worker->woken.notify_one();
  }
}

void WorkerPool::State::cancel(TaskId task) {
  for (auto& [index, target] : lanes_) {
    std::unique_lock lock(target->mutex);
    auto it = std::find_if(target->queue.begin(), target->queue.end(),
                           [&](const RunTask& queued) { return queued.id == task; });
    if (it == target->queue.end()) continue;
    TaskDone done;
    done.id = task;
    done.attempt = it->attempt;
    done.how = TaskDone::How::failed;
    Failure failure;
    failure.kind = FailureKind::cancelled;
    failure.task = task;
    failure.function = target->function;
    failure.node = config_.node;
    failure.attempt = it->attempt;
    failure.message = "cancelled before it ran";
    done.failure = std::make_shared<const Failure>(std::move(failure));
    target->queue.erase(it);
    lock.unlock();
    std::vector<TaskDone> one;
    one.push_back(std::move(done));
    add(one, {});
    return;
  }
}

void WorkerPool::State::add(std::vector<TaskDone>& done, SlotId closed) {
  bool begins;
  {
    std::lock_guard lock(reportMutex_);
    begins = report_.empty();
    if (report_.done.empty()) {
      std::swap(report_.done, done);
    } else {
      std::move(done.begin(), done.end(), std::back_inserter(report_.done));
    }
    if (closed) report_.closed.push_back(closed);
    begins = begins && !report_.empty();
  }
  done.clear();
  if (begins && config_.onReport) config_.onReport();
}

void WorkerPool::State::live(Worker& worker) {
  if (config_.onThread) config_.onThread();
  std::unique_lock lock(worker.mutex);
  while (true) {
    worker.woken.wait(lock, [&] { return worker.grant || worker.leaving; });
    if (worker.leaving) return;
    SlotGrant grant = *std::exchange(worker.grant, std::nullopt);
    lock.unlock();
    serve(worker, grant);
    {
      // Before the report: whoever reads that the slot is closed may open another at once.
      std::lock_guard free(freeMutex_);
      free_.push_back(&worker);
    }
    std::vector<TaskDone> none;
    add(none, grant.id);
    lock.lock();
  }
}

void WorkerPool::State::serve(Worker& worker, const SlotGrant& grant) {
  bind(worker, grant.cores);
  Lane& lane = *worker.lane;
  std::unique_ptr<SlotDevices> devices;
  std::string noDevices;
  if (!grant.devices.empty()) noDevices = openDevices(grant, devices);
  Invocation invocation{config_.node,  lane.function, lane.target,
                        devices.get(), noDevices,     config_.store};

  std::vector<RunTask> drawn;
  std::vector<TaskDone> done;
  Duration usual = kShort;  // of this lane's tasks, a running mean
  while (draw(worker, usual, drawn)) {
    Clock::time_point start = Clock::now();
    for (RunTask& task : drawn) {
      runningTask = task.id;
      TaskDone& one = done.emplace_back(invoke(invocation, task));
      runningTask = {};
      Clock::time_point end = Clock::now();
      one.ran = end - start;
      if (!grant.devices.empty()) one.gpu = grant.devices.front().gpu;
      usual += (one.ran - usual) / 8;
      if (one.ran > kShort) add(done, {});  // somebody may wait for it
      start = end;
    }
    drawn.clear();
    add(done, {});
  }
  leave(worker, lane);
}

// A nudge that came for a task while the slot was being closed is handed to another idle worker.
void WorkerPool::State::leave(Worker& worker, Lane& lane) {
  Worker* next = nullptr;
  {
    std::lock_guard lock(lane.mutex);
    --lane.slots;
    std::erase(lane.idle, &worker);
    if (!lane.queue.empty() && !lane.idle.empty()) {
      next = lane.idle.back();
      lane.idle.pop_back();
    }
  }
  if (!next) return;
  std::lock_guard lock(next->mutex);
  next->nudged = true;
  next->woken.notify_one();
}

std::string WorkerPool::State::openDevices(const SlotGrant& grant,
                                           std::unique_ptr<SlotDevices>& devices) {
  if (!config_.devices) return "this process has no CUDA driver";
  try {
    devices = config_.devices->open(grant);
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

bool WorkerPool::State::draw(Worker& worker, Duration usual, std::vector<RunTask>& drawn) {
  Lane& lane = *worker.lane;
  while (true) {
    {
      std::lock_guard own(worker.mutex);
      worker.nudged = false;
      if (worker.closing) return false;
    }
    {
      std::lock_guard lock(lane.mutex);
      std::size_t queued = lane.queue.size();
      std::size_t share = usual < kShort ? queued / (2 * lane.slots) : 0;
      std::size_t count = std::min(queued, std::clamp<std::size_t>(share, 1, kMostDrawn));
      for (std::size_t i = 0; i < count; ++i) {
        drawn.push_back(std::move(lane.queue.front()));
        lane.queue.pop_front();
      }
      if (count > 0) return true;
      if (std::find(lane.idle.begin(), lane.idle.end(), &worker) == lane.idle.end()) {
        lane.idle.push_back(&worker);
      }
    }
    std::unique_lock own(worker.mutex);
    worker.woken.wait(own, [&] { return worker.nudged; });
  }
}

void WorkerPool::State::bind(Worker& worker, const std::vector<std::uint32_t>& cores) {
  if (config_.osCpus.empty() || worker.boundTo == cores) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (std::uint32_t core : cores) {
    if (core < config_.osCpus.size()) CPU_SET(config_.osCpus[core], &set);
  }
  if (cores.empty()) {
    for (std::uint32_t cpu : config_.osCpus) CPU_SET(cpu, &set);
  }
  // A host that forbids it (a smaller cpuset than at start) runs the task unbound.
  static_cast<void>(sched_setaffinity(0, sizeof set, &set));
  worker.boundTo = cores;
}

}  // namespace alnilam
