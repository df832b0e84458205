#pragma once
// What is behind a gpu::Context, and behind a task on all of its devices.
//
// A slot's thread makes a TaskStay with a Context for each of the slot's devices when a task
// begins, and lets go of it when it has sent each Context on its way.  Each ends on the thread of
// its device's completions; the last one ends the stay, and tells whoever runs the task.
//
// Threading: a stay belongs to the slot's thread until it is sent, then to the completions.

#include "core/engine/device_host.h"
#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/pipeline.h"
#include "gpu/device/residents.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace alnilam::gpu {

class TaskStay {
 public:
  TaskStay(TaskId id, DeviceTask& task) : id_(id), task_(task) {}

  TaskId id() const { return id_; }
  const std::vector<std::unique_ptr<Context>>& contexts() const { return contexts_; }

  // One context for each of `pipelines`, in their order; all of them let the task in, or it throws.
  // Inputs are taken from `all` devices of the process; false if one that is coming is on none.
  bool begin(const std::vector<std::unique_ptr<Pipeline>>& pipelines,
             const std::vector<std::unique_ptr<Device>>& all,
             std::span<const DeviceInput> inputs);

  // Sends all contexts; the stay deletes itself when the last one's end has come.  Whether the
  // result stays on a device.
  bool send();

  // The end on one device.
  void over(const Passage::End& end, const Context::State& where);

 private:
  const TaskId id_;
  DeviceTask& task_;
  std::vector<std::unique_ptr<Context>> contexts_;
  std::atomic<std::size_t> left_{0};
  std::mutex mutex_;
  DeviceEnd end_;  // so far
};

class Context::State final : public Passage {
 public:
  State(Pipeline& on, TaskStay& of)
      : Passage(of.id()), pipeline(on), stay(of), device(on.device()) {}

  void over(const End& end) override;

  const Driver& driver() const { return device.driver(); }

  // Throws if `code` is an error, and condemns the Life if it is one that ends it.
  void must(CUresult code, const char* call, const std::string& what = {}) {
    if (code == CUDA_SUCCESS) return;
    pipeline.note({code, call});
    device.raise({code, call}, what);
  }
  // Pinned memory for a copy of `bytes` or the first part of them, kept until the task has ended;
  // throws.
  Staging& stage(std::size_t bytes);
  void releaseStaged();
  // Of `size` bytes from `begin` on, how many a device may copy from or to there by itself until
  // the task has ended; 0: none, they are to be staged.
  std::size_t inPlace(const std::byte* begin, std::size_t size);
  // Enqueues a copy on the tail that is at `to` when the task has ended; throws.
  void copyHome(std::uint64_t from, std::span<std::byte> to);

  // An input of the task, and where a device has it.
  struct Input {
    std::span<const std::byte> object;
    Residents::Resident* here = nullptr;  // on this device
    Device* there = nullptr;              // on another one, and that as its guest
    Device::Guest guest;
  };
  // Finds what is on devices of the task's inputs; false if one that is coming is on none.
  bool findInputs(const std::vector<std::unique_ptr<Device>>& all,
                  std::span<const DeviceInput> wanted);
  void letGoOfInputs();
  // The input that has these bytes; null if it is on no device.
  const Input* inputWith(std::span<const std::byte> bytes);
  // Makes what `stream` is given next wait for what makes the resident; throws.
  void follow(const Residents& of, const Residents::Resident& resident, CUstream stream);

  // An answer for a host copy, and where it lies until it is handed out.
  struct Delivery {
    void* to;
    std::size_t staged;  // index into `staged`
    std::size_t bytes;
  };
  // A copy that goes home behind the task's work.
  struct Homeward {
    OwnedBlock from;
    std::span<std::byte> to;
  };

  Pipeline& pipeline;
  TaskStay& stay;
  Device& device;
  Bytes used = 0;
  std::vector<DeviceBlock*> blocks;
  std::vector<OwnedBlock> inputs;  // copied in
  std::vector<Input> taken;        // on devices; let go of when the task is over
  std::size_t nextInput = 0;       // of `taken`, likely
  std::vector<Residents::Resident*> made;  // results that stay
  std::vector<Homeward> homeward;
  std::vector<std::uint64_t> lateFrees;  // where there is no pool: freed when the task has ended
  std::vector<Staging> staged;           // in use by enqueued copies
  std::size_t stagedBytes = 0;
  std::vector<std::pair<Device*, Device::Guest>> pinners;  // whose pinned memory copies are using
  std::vector<Delivery> deliveries;  // of copyToHost, for the next synchronize()
  std::vector<Delivery> results;     // for the task's end
  std::string wrong;                 // with what came after the function
  std::vector<std::shared_ptr<const void>> kept;  // for the task alone; it lets go of them last
};

}  // namespace alnilam::gpu
