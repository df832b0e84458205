#include "core/engine/device_feed.h"

#include <utility>

namespace alnilam {

// A task between begin and its end on the devices; owns itself from finish() on.
class DeviceFeed::Stay final : public DeviceTask {
 public:
  Stay(DeviceFeed& feed, RunTask task)
      : feed_(feed), task_(std::move(task)), run_(feed.invocation_, task_) {}

  void ended(const DeviceEnd& end) override { feed_.hear(std::unique_ptr<Stay>(this), end); }

  RunTask& task() { return task_; }
  TaskRun& run() { return run_; }
  std::exception_ptr thrown;  // by the function

 private:
  DeviceFeed& feed_;
  RunTask task_;
  TaskRun run_;  // of task_
};

DeviceFeed::DeviceFeed(const Invocation& invocation, std::unique_ptr<SlotDevices> devices,
                       std::string why, std::uint32_t gpu, Ends ends)
    : invocation_(invocation),
      devices_(std::move(devices)),
      why_(std::move(why)),
      gpu_(gpu),
      ends_(std::move(ends)) {}

DeviceFeed::~DeviceFeed() { ALNILAM_ASSERT(inside_ == 0); }

void DeviceFeed::run(RunTask task) {
  {
    std::lock_guard lock(mutex_);
    ++inside_;
  }
  auto stay = std::make_unique<Stay>(*this, std::move(task));
  TaskRun& call = stay->run();
  std::optional<TaskDone> refused = call.refusal(true);
  gpu::Context* context = nullptr;
  DeviceEnd end;  // of one that does not begin
  if (!refused && !devices_) refused = call.fail(FailureKind::device, "", why_);
  if (!refused) {
    inputs_.clear();
    for (const RunInput& input : stay->task().inputs) {
      inputs_.push_back({input.object, input.held.bytes(), input.coming});
    }
    try {
      context = devices_->begin(stay->task().id, *stay, inputs_);
    } catch (const DeviceLostError& lost) {
      end.health = DeviceHealth::deviceLost;
      end.sickGpu = lost.gpu();
      refused = call.fail(std::current_exception());
    } catch (...) {
      refused = call.fail(std::current_exception());
    }
  }
  if (!context) {
    if (refused) report(std::move(stay->task()), std::move(*refused), end);
    else ends_.again(std::move(stay->task()));
    leave();
    return;
  }
  try {
    call.call(context);
  } catch (...) {
    stay->thrown = std::current_exception();
  }
  TaskId id = stay->task().id;
  Blob result;  // while nobody writes to it
  bool mayBeFollowed = stay->task().awaited && !stay->thrown;
  if (mayBeFollowed) result = call.begunResult();
  static_cast<void>(stay.release());  // it may be gone before finish returns
  bool stays = devices_->finish();
  if (stays && mayBeFollowed) ends_.enqueued(id, std::move(result));
}

void DeviceFeed::hear(std::unique_ptr<Stay> stay, const DeviceEnd& end) {
  if (end.how == DeviceEnd::How::undone) {
    stay->run().abandon();
    ends_.again(std::move(stay->task()));
  } else {
    TaskRun& run = stay->run();
    bool failed = end.how == DeviceEnd::How::failed;
    TaskDone done = stay->thrown ? run.fail(stay->thrown)  // closer to the cause
                    : failed     ? run.fail(end.kind, "", end.why)
                                 : run.succeed();
    report(std::move(stay->task()), std::move(done), end);
  }
  stay.reset();  // before the feed may go
  leave();
}

void DeviceFeed::report(RunTask task, TaskDone done, const DeviceEnd& end) {
  done.ran = end.ran;
  done.gpu = gpu_;
  done.health = end.health;
  done.sickGpu = end.sickGpu;
  if (done.how != TaskDone::How::failed) {
    std::lock_guard lock(mutex_);
    usual_ = usual_ ? *usual_ + (end.ran - *usual_) / 8 : end.ran;
  }
  ends_.done(std::move(task), std::move(done));
}

// The last that is done for a task: once nothing is inside, the feed may be destroyed.
void DeviceFeed::leave() {
  std::lock_guard lock(mutex_);
  if (inside_ == 1) EndsTogether::pay();
  --inside_;
  ends_.moved(inside_, usual_);
  if (inside_ == 0) empty_.notify_all();
}

std::size_t DeviceFeed::inside() const {
  std::lock_guard lock(mutex_);
  return inside_;
}

std::optional<Duration> DeviceFeed::usual() const {
  std::lock_guard lock(mutex_);
  return usual_;
}

void DeviceFeed::drain() {
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return inside_ == 0; });
}

}  // namespace alnilam
