#include "core/engine/worker_pool.h"

#include "core/api/registry.h"
#include "core/engine/cpu_binding.h"
#include "core/engine/device_feed.h"
#include "core/engine/hoard.h"
#include "core/engine/invoke.h"
#include "core/engine/lane.h"
#include "core/engine/outbox.h"
#include "core/engine/waiting_room.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

namespace alnilam {
namespace {

using Clock = std::chrono::steady_clock;

thread_local TaskId runningTask;

// Tasks as short as this are drawn several at a time.
constexpr Duration kShort = std::chrono::microseconds(20);

// How much work of one slot is on its devices at once: enough to keep them busy over the gaps
// between tasks, and not so much that tasks queue behind one slot while another is free.
constexpr Duration kAheadOnDevices = std::chrono::milliseconds(2);
// A task of no more than that may have one behind it in any case, whose inputs are copied while it
// runs.
constexpr Duration kFollowed = std::chrono::milliseconds(20);

// Inputs of it are on their way; if a slot has it, through a device.
bool namesComing(const RunTask& task) {
  return std::any_of(task.inputs.begin(), task.inputs.end(),
                     [](const RunInput& input) { return input.coming; });
}

std::size_t mostInside(std::optional<Duration> usual) {
  if (!usual) return 2;
  auto ahead = static_cast<std::size_t>(kAheadOnDevices / std::max(*usual, Duration(1)));
  return std::clamp<std::size_t>(ahead + 1, *usual <= kFollowed ? 2 : 1,
                                 WorkerPool::kMostOnDevices);
}

}  // namespace

TaskId WorkerPool::currentTask() { return runningTask; }

struct WorkerPool::State {
  struct Worker;

  using Lane = alnilam::Lane<Worker>;

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
    Hoard hoard;
    Outbox outbox;
  };

  explicit State(Config config) : config_(std::move(config)) {}

  Config config_;
  std::mutex lanesMutex_;  // for the table; lanes have their own
  std::map<ClassIndex, std::unique_ptr<Lane>> lanes_;
  WaitingRoom room_;
  // Held by whoever settles an end of a chain and reports it, so that no task is reported before
  // those that it followed.
  std::mutex chainMutex_;
  std::vector<std::unique_ptr<Worker>> workers_;       // owner's thread only
  std::map<SlotId, Worker*> slots_;                    // owner's thread only
  std::mutex freeMutex_;
  std::vector<Worker*> free_;  // threads without a slot
  std::mutex reportMutex_;
  ExecutorReport report_;
  Collector collector_{[this] { collect(); }, config_.onThread};

  Lane& lane(ClassIndex index);
  void open(SlotGrant grant);
  void close(SlotId slot);
  void run(std::vector<RunTask> tasks);
  bool mayGoAhead(const RunTask& task);
  // `next` is a lane whose first task needs nobody to be woken: the caller draws from it next.
  void queue(std::vector<RunTask> tasks, const Lane* next = nullptr);
  void cancel(TaskId task);
  void undraw(Lane& target);
  TaskDone cancelled(const RunTask& task, const std::string& function);
  void add(std::vector<TaskDone>& done, SlotId closed);
  void giveIn(Worker& worker);
  void collect();

  void live(Worker& worker);
  void serve(Worker& worker, const SlotGrant& grant);
  void serveHost(Worker& worker, const Invocation& invocation);
  void serveDevices(Worker& worker, const Invocation& invocation, const SlotGrant& grant);
  void leave(Worker& worker, Lane& lane);
  void again(Lane& lane, RunTask task);
  void deviceEnded(RunTask task, TaskDone done);
  void follow(Worker& worker, TaskId task, const Blob& begun);
  void settle(const TaskDone& done, WaitingRoom::Outcome& out);
  void carryOut(WaitingRoom::Outcome out);
  std::string openDevices(const SlotGrant& grant, std::unique_ptr<SlotDevices>& devices);
  // Waits for tasks that the worker may take, and takes them; false once the slot is to close.
  struct Share {
    std::size_t most;    // how many of what queues it may take now
    bool ahead = false;  // it has tasks on its devices
    bool heir = false;   // it may take one that is meant for it even if `most` is 0
  };
  using ShareOf = std::function<Share(std::size_t queued, std::uint32_t slots)>;
  bool draw(Worker& worker, const ShareOf& shareOf, std::vector<RunTask>& drawn);
  bool passOn(Worker& worker, TaskDone done, const Lane* next);
  static void nudge(Worker& worker);
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
    auto lane = std::make_unique<State::Lane>();
    lane->target = findTask(function);
    lane->function = std::move(function);
    std::lock_guard lock(state_->lanesMutex_);
    ALNILAM_ASSERT(state_->lanes_.emplace(index, std::move(lane)).second);
  }
  for (SlotGrant& grant : orders.open) state_->open(std::move(grant));
  for (SlotId slot : orders.close) state_->close(slot);
  state_->run(std::move(orders.run));
  for (TaskId task : orders.cancel) state_->cancel(task);
  if (!state_->config_.devices) return;
  for (ObjectId object : orders.forget) state_->config_.devices->forget(object);
}

ExecutorReport WorkerPool::report() {
  std::lock_guard lock(state_->reportMutex_);
  return std::exchange(state_->report_, {});
}

WorkerPool::State::Lane& WorkerPool::State::lane(ClassIndex index) {
  std::lock_guard lock(lanesMutex_);
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

// What waits for results that are made here goes to the waiting room, the rest to the queues.
void WorkerPool::State::run(std::vector<RunTask> tasks) {
  WaitingRoom::Outcome out;
  for (RunTask& task : tasks) {
    if (!namesComing(task)) {
      if (task.awaited) room_.expect(task.id);
      out.released.push_back(std::move(task));
    } else if (!room_.admit(task, mayGoAhead(task), out)) {
      TaskDone& done = out.ended.emplace_back();
      done.id = task.id;
      done.attempt = task.attempt;
      done.how = TaskDone::How::returned;
    }
  }
  carryOut(std::move(out));
}

// Whether a device that makes what the task waits for can do the task behind it.
bool WorkerPool::State::mayGoAhead(const RunTask& task) {
  const TaskFunction* target = lane(task.lane).target;
  if (!config_.devices || !target || !target->wantsGpu) return false;
  std::vector<bool> onDevice = inputsOnDevice(*target, task.arguments.bytes(), task.inputs.size());
  for (std::size_t i = 0; i < task.inputs.size(); ++i) {
    if (task.inputs[i].coming && !onDevice[i]) return false;
  }
  return true;
}

void WorkerPool::State::carryOut(WaitingRoom::Outcome out) {
  if (out.empty()) return;
  add(out.ended, {});
  for (const TaskDone& vain : out.voided) {
    if (vain.how == TaskDone::How::stored && config_.store) config_.store->abandon(vain.id);
    if (vain.how != TaskDone::How::failed && config_.devices) config_.devices->forget(vain.id);
  }
  queue(std::move(out.released));
  WaitingRoom::Outcome back;
  for (auto [task, index] : out.recalled) {
    Lane& target = lane(index);
    std::unique_lock lock(target.mutex);
    RunTask queued;
    bool found = target.take(task, queued);
    lock.unlock();
    if (found) room_.cameBack(std::move(queued), back);
  }
  carryOut(std::move(back));
}

void WorkerPool::State::queue(std::vector<RunTask> tasks, const Lane* next) {
  std::vector<Worker*> wake;
  for (std::size_t i = 0; i < tasks.size();) {
    Lane& target = lane(tasks[i].lane);
    std::lock_guard lock(target.mutex);
    std::size_t added = 0;
    for (ClassIndex index = tasks[i].lane; i < tasks.size() && tasks[i].lane == index; ++i) {
      target.queue.push_back(std::move(tasks[i]));
      ++added;
    }
    if (&target == next) {
      --added;
      next = nullptr;
    }
    for (; added > 0 && !target.idle.empty(); --added) wake.push_back(target.nextIdle());
    // Whether those ahead have room for another only they know.
    if (added > 0) wake.insert(wake.end(), target.ahead.begin(), target.ahead.end());
    if (added > 0) target.ahead.clear();
  }
  for (Worker* worker : wake) nudge(*worker);
}

void WorkerPool::State::nudge(Worker& worker) {
  std::lock_guard lock(worker.mutex);
  worker.nudged = true;
  worker.woken.notify_one();
}

// Runs `task` again: when what it follows is made, or ahead of what queues, since it was there
// before.
void WorkerPool::State::again(Lane& target, RunTask task) {
  if (namesComing(task)) {
    WaitingRoom::Outcome out;
    std::lock_guard order(chainMutex_);
    room_.cameBack(std::move(task), out);
    return carryOut(std::move(out));
  }
  if (task.awaited) {
    WaitingRoom::Outcome out;
    std::lock_guard order(chainMutex_);
    room_.undone(task.id, out);
    carryOut(std::move(out));
  }
  Worker* wake = nullptr;
  {
    std::lock_guard lock(target.mutex);
    target.queue.push_front(std::move(task));
    wake = target.nextIdle();
  }
  if (wake) nudge(*wake);
}

void WorkerPool::State::cancel(TaskId task) {
  RunTask waiting;
  bool found = room_.take(task, waiting);
  for (bool isDrawn : {false, true}) {  // it may wait behind another that its worker has begun
    for (auto& [index, target] : lanes_) {
      if (found) break;
      if (isDrawn) undraw(*target);
      std::lock_guard lock(target->mutex);
      found = target->take(task, waiting);
    }
  }
  if (!found) return;
  WaitingRoom::Outcome out;
  std::lock_guard order(chainMutex_);
  out.ended.push_back(cancelled(waiting, lane(waiting.lane).function));
  room_.unmade(task, out);
  carryOut(std::move(out));
}

// What workers have drawn and not begun queues again, before the others.
void WorkerPool::State::undraw(Lane& target) {
  std::vector<Worker*> wake;
  {
    std::lock_guard lock(target.mutex);
    std::vector<RunTask> rest;
    for (Worker* drawer : target.drawers) drawer->hoard.takeRest(false, rest);
    target.queue.insert(target.queue.begin(), std::make_move_iterator(rest.begin()),
                        std::make_move_iterator(rest.end()));
    for (std::size_t i = 0; i < rest.size() && !target.idle.empty(); ++i) {
      wake.push_back(target.nextIdle());
    }
  }
  for (Worker* worker : wake) nudge(*worker);
}

TaskDone WorkerPool::State::cancelled(const RunTask& task, const std::string& function) {
  Invocation invocation{config_.node, function, nullptr, nullptr};
  return TaskRun(invocation, task).fail(FailureKind::cancelled, "", "cancelled before it ran");
}

void WorkerPool::State::add(std::vector<TaskDone>& done, SlotId closed) {
  if (done.empty() && !closed) return;
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
  if (begins && config_.onReport) EndsTogether::owe(config_.onReport);
}

// What waits in the worker's outbox is reported.
void WorkerPool::State::giveIn(Worker& worker) {
  worker.outbox.empty([this](std::vector<TaskDone>& done) { add(done, {}); });
}

void WorkerPool::State::collect() {
  std::lock_guard lanes(lanesMutex_);
  for (auto& [index, target] : lanes_) {
    std::lock_guard lock(target->mutex);
    for (Worker* drawer : target->drawers) giveIn(*drawer);
  }
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
  if (!config_.osCpus.empty() && worker.boundTo != grant.cores) {
    bindThread(config_.osCpus, grant.cores);
    worker.boundTo = grant.cores;
  }
  Lane& lane = *worker.lane;
  Invocation invocation{config_.node, lane.function, lane.target, config_.store};
  if (grant.devices.empty()) serveHost(worker, invocation);
  else serveDevices(worker, invocation, grant);
  giveIn(worker);
  leave(worker, lane);
}

void WorkerPool::State::serveHost(Worker& worker, const Invocation& invocation) {
  std::vector<RunTask> drawn;
  Duration usual = kShort;  // of this lane's tasks, a running mean
  ShareOf shareOf = [&](std::size_t queued, std::uint32_t slots) -> Share {
    std::size_t share = usual < kShort ? queued / (2 * slots) : 0;
    return {std::clamp<std::size_t>(share, 1, kMostDrawn)};
  };
  {
    std::lock_guard lock(worker.lane->mutex);
    worker.lane->drawers.push_back(&worker);
  }
  Clock::time_point start;
  std::size_t held = 0;  // ends that wait in the outbox for those of others, at most
  auto run = [&](RunTask& task, bool isLast) {
    runningTask = task.id;
    TaskDone done = invoke(invocation, task);
    runningTask = {};
    Clock::time_point end = Clock::now();
    done.ran = end - start;
    start = end;
    usual += (done.ran - usual) / 8;
    bool waits = done.ran <= kShort && ++held < kMostDrawn;
    if (!task.awaited) {
      worker.outbox.put(std::move(done));
      waits &= !isLast;
    } else {  // a task may follow at once in this lane that takes its result
      bool goesOn = passOn(worker, std::move(done), isLast ? worker.lane : nullptr);
      waits &= goesOn || !isLast;
    }
    if (waits) return collector_.expect();
    giveIn(worker);
    held = 0;
  };
  while (draw(worker, shareOf, drawn)) {
    start = Clock::now();
    if (drawn.size() == 1) {
      run(drawn.front(), true);
      drawn.clear();
    } else {
      worker.hoard.fill(drawn);
      while (RunTask* task = worker.hoard.claim()) run(*task, worker.hoard.isDone());
      worker.hoard.clear();
    }
  }
}

void WorkerPool::State::serveDevices(Worker& worker, const Invocation& invocation,
                                     const SlotGrant& grant) {
  Lane& lane = *worker.lane;
  std::unique_ptr<SlotDevices> devices;
  std::string noDevices = openDevices(grant, devices);
  DeviceFeed feed(invocation, std::move(devices), std::move(noDevices), grant.devices.front().gpu,
                  {.done =
                       [this](RunTask task, TaskDone done) {
                         deviceEnded(std::move(task), std::move(done));
                       },
                   .again = [this, &lane](RunTask task) { again(lane, std::move(task)); },
                   .moved =
                       [&worker](std::size_t inside, std::optional<Duration> usual) {
                         if (inside <= mostInside(usual) / 2) nudge(worker);
                       },
                   .enqueued =
                       [this, &worker](TaskId task, Blob begun) { follow(worker, task, begun); }});
  // One more than nothing leaves a task for each other slot of the lane, which may be free.
  ShareOf shareOf = [&feed](std::size_t queued, std::uint32_t slots) -> Share {
    std::size_t inside = feed.inside();
    if (inside == 0) return {1};
    bool isRoom = inside < mostInside(feed.usual());
    return {.most = isRoom && queued >= slots ? 1u : 0u, .ahead = true, .heir = isRoom};
  };
  std::vector<RunTask> drawn;
  while (draw(worker, shareOf, drawn)) {  // what is done is reported where it is heard of
    for (RunTask& task : drawn) {
      runningTask = task.id;
      feed.run(std::move(task));
      runningTask = {};
    }
    drawn.clear();
  }
  feed.drain();
}

// The end of a task that was on a slot's devices, by whichever thread hears of it.
void WorkerPool::State::deviceEnded(RunTask task, TaskDone done) {
  WaitingRoom::Outcome out;
  std::lock_guard order(chainMutex_);
  if (namesComing(task)) {
    room_.ended(std::move(task), std::move(done), out);
  } else {
    if (task.awaited) settle(done, out);
    out.ended.insert(out.ended.begin(), std::move(done));
  }
  carryOut(std::move(out));
}

// A task's work is enqueued on the devices of `worker`'s slot, and others may go behind it: the
// first of them in the same slot, where it waits for nothing else.
void WorkerPool::State::follow(Worker& worker, TaskId task, const Blob& begun) {
  WaitingRoom::Outcome out;
  room_.enqueued(task, begun, out);
  auto next = std::find_if(out.released.begin(), out.released.end(), [&](const RunTask& one) {
    return &lane(one.lane) == worker.lane;
  });
  if (next != out.released.end()) {
    std::lock_guard lock(worker.lane->mutex);
    worker.lane->heirs.emplace_back(&worker, std::move(*next));
    out.released.erase(next);
  }
  carryOut(std::move(out));
}

// Gives what came of a task to those in this process who wait for it; whether one of them is in
// lane `next` now.
bool WorkerPool::State::passOn(Worker& worker, TaskDone done, const Lane* next) {
  WaitingRoom::Outcome out;
  settle(done, out);
  worker.outbox.put(std::move(done));
  for (TaskDone& ended : out.ended) worker.outbox.put(std::move(ended));
  out.ended.clear();
  bool goesOn = std::any_of(out.released.begin(), out.released.end(), [&](const RunTask& one) {
    return next && &lane(one.lane) == next;
  });
  if (!goesOn && !out.released.empty()) giveIn(worker);  // before others report what came of it
  queue(std::exchange(out.released, {}), next);
  carryOut(std::move(out));
  return goesOn;
}

// Of an awaited task that did not go ahead of others.
void WorkerPool::State::settle(const TaskDone& done, WaitingRoom::Outcome& out) {
  if (done.how == TaskDone::How::failed) return room_.unmade(done.id, out);
  room_.made(done.id, {done.id, done.held, done.how == TaskDone::How::stored}, out);
}

// A nudge that came for a task while the slot was being closed is handed to another idle worker.
void WorkerPool::State::leave(Worker& worker, Lane& lane) {
  Worker* next = nullptr;
  {
    std::lock_guard lock(lane.mutex);
    --lane.slots;
    std::erase(lane.idle, &worker);
    std::erase(lane.ahead, &worker);
    std::erase(lane.drawers, &worker);
    lane.giveUpHeirs(worker);
    if (!lane.queue.empty()) next = lane.nextIdle();
  }
  if (next) nudge(*next);
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

bool WorkerPool::State::draw(Worker& worker, const ShareOf& shareOf, std::vector<RunTask>& drawn) {
  Lane& lane = *worker.lane;
  while (true) {
    {
      std::lock_guard own(worker.mutex);
      worker.nudged = false;
      if (worker.closing) return false;
    }
    {
      std::lock_guard lock(lane.mutex);
      Share share = shareOf(lane.queue.size(), lane.slots);
      if ((share.heir || share.most > 0) && lane.drawHeir(worker, drawn)) return true;
      std::size_t count = std::min(lane.queue.size(), share.most);
      for (std::size_t i = 0; i < count; ++i) {
        drawn.push_back(std::move(lane.queue.front()));
        lane.queue.pop_front();
      }
      std::erase(lane.idle, &worker);  // it may have been woken by something else
      std::erase(lane.ahead, &worker);
      for (auto other = lane.drawers.begin(); other != lane.drawers.end() && drawn.empty() &&
                                              !share.ahead; ++other) {
        (*other)->hoard.takeRest(true, drawn);
      }
      if (!drawn.empty()) return true;
      (share.ahead ? lane.ahead : lane.idle).push_back(&worker);
    }
    giveIn(worker);
    std::unique_lock own(worker.mutex);
    worker.woken.wait(own, [&] { return worker.nudged; });
  }
}

}  // namespace alnilam
