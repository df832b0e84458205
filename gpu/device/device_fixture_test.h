#pragma once
// For tests of the device layer: tasks whose end is waited for, on slots of a host.
//
// Threading: the test's; ends come from others.

#include "core/engine/device_host.h"
#include "gpu/device/device_host.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace alnilam::gpu {

// A task that remembers how it ended.
class HeardTask final : public DeviceTask {
 public:
  void ended(const DeviceEnd& end) override {
    std::lock_guard lock(mutex_);
    end_ = end;
    heard_.notify_all();
  }
  DeviceEnd wait() {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }
  bool isOver() {
    std::lock_guard lock(mutex_);
    return end_.has_value();
  }

 private:
  std::mutex mutex_;
  std::condition_variable heard_;
  std::optional<DeviceEnd> end_;
};

// A slot, and its tasks one after the other.
class TestSlot {
 public:
  // `advance`: what makes the driver do its work, where it does not by itself.
  TestSlot(std::unique_ptr<SlotDevices> devices, std::function<void()> advance = [] {})
      : devices_(std::move(devices)), advance_(std::move(advance)) {}

  Context& begin(TaskId id = {}) {
    static std::atomic<std::uint32_t> last{1000};
    if (!id) id = TaskId::make(JobId{1}, ++last);
    return *begin(id, {});
  }
  // Null if an input that is coming is on no device.
  Context* begin(TaskId id, const std::vector<DeviceInput>& inputs) {
    auto task = std::make_unique<HeardTask>();
    Context* gpu = devices_->begin(id, *task, inputs);
    if (gpu) task_ = std::move(task);
    return gpu;
  }

  // The function has returned; the task goes on alone.
  std::unique_ptr<HeardTask> send() {
    std::unique_ptr<HeardTask> task = std::move(task_);
    devices_->finish();
    return task;
  }

  // ... and is waited for.
  DeviceEnd end() {
    std::unique_ptr<HeardTask> task = send();
    advance_();
    return task->wait();
  }

  // ... and if it failed, that is thrown.
  DeviceEnd finish() {
    DeviceEnd end = this->end();
    if (end.how != DeviceEnd::How::over) throw DeviceError(end.why);
    return end;
  }

 private:
  std::unique_ptr<SlotDevices> devices_;
  std::function<void()> advance_;
  std::unique_ptr<HeardTask> task_;  // whose function runs
};

// As many slots of one grant as a test likes.
inline std::unique_ptr<SlotDevices> openSlot(GpuHost& host, std::vector<std::uint32_t> gpus,
                                             Bytes bound = 0, Amount share = Amount::whole(1)) {
  SlotGrant grant;
  for (std::uint32_t gpu : gpus) grant.devices.push_back({gpu, share, bound});
  return host.open(grant);
}

}  // namespace alnilam::gpu
