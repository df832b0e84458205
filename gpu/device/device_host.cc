#include "gpu/device/device_host.h"

#include "core/api/errors.h"
#include "gpu/device/context_state.h"

#include <utility>

namespace alnilam::gpu {

// One slot's way through its devices, in the order of the grant.
class SlotContexts final : public SlotDevices {
 public:
  explicit SlotContexts(const std::vector<std::unique_ptr<Device>>& all) : all_(all) {}

  void add(Device& device, const DeviceGrant& grant) {
    pipelines_.push_back(std::make_unique<Pipeline>(device, grant.memory, grant.share));
  }

  Context* begin(TaskId id, DeviceTask& task, std::span<const DeviceInput> inputs) override {
    auto stay = std::make_unique<TaskStay>(id, task);
    if (!stay->begin(pipelines_, all_, inputs)) return nullptr;
    stay_ = std::move(stay);
    return stay_->contexts().front().get();
  }

  // The stay owns itself from here on.
  bool finish() override { return stay_.release()->send(); }

 private:
  const std::vector<std::unique_ptr<Device>>& all_;  // of the process
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
  std::unique_ptr<TaskStay> stay_;  // of the task whose function runs
};

GpuHost::GpuHost(std::unique_ptr<Loaded> loaded, std::vector<OfferedGpu> offered, std::string why)
    : loaded_(std::move(loaded)),
      offered_(std::move(offered)),
      why_(std::move(why)),
      arena_(loaded_ ? &loaded_->driver : nullptr) {
  for (const OfferedGpu& gpu : offered_) {
    devices_.push_back(std::make_unique<Device>(loaded_->driver, gpu.ordinal,
                                                static_cast<std::uint32_t>(devices_.size()),
                                                gpu.gpu, arena_));
  }
}

GpuHost::~GpuHost() = default;

std::unique_ptr<SlotDevices> GpuHost::open(const SlotGrant& grant) {
  auto slot = std::make_unique<SlotContexts>(devices_);
  for (const DeviceGrant& device : grant.devices) {
    if (device.gpu >= devices_.size()) {
      throw DeviceError("GPU " + std::to_string(device.gpu) + " is not there: this process has " +
                        std::to_string(devices_.size()) +
                        (why_.empty() ? std::string() : " (" + why_ + ")"));
    }
    const OfferedGpu& offered = offered_[device.gpu];
    if (offered.ordinal == OfferedGpu::kNotShown) {
      throw DeviceError("GPU " + std::to_string(device.gpu) + ", " + offered.gpu.uuid +
                        ", is not shown to this process by the driver");
    }
    slot->add(*devices_[device.gpu], device);
  }
  if (grant.devices.empty()) throw DeviceError("a slot without devices has no context to open");
  return slot;
}

void GpuHost::forget(ObjectId object) {
  for (const auto& device : devices_) device->forget(object);
}

void GpuHost::useArena(std::span<std::byte> arena) { arena_.use(arena); }

std::vector<DeviceMemoryUse> GpuHost::memoryUse() {
  std::vector<DeviceMemoryUse> all;
  for (const auto& device : devices_) {
    if (auto use = device->memoryUse()) all.push_back(*use);
  }
  return all;
}

namespace {

Result<Loaded> load(const OpenOptions& options) {
  if (options.emulate.empty()) return loadDriver();
  auto library = findEmulator(options.emulatorPath);
  if (!library) return library.error();
  return loadEmulator(library.value(), options.emulate);
}

}  // namespace

Result<std::unique_ptr<GpuHost>> openGpus(const OpenOptions& options) {
  auto loaded = load(options);
  if (!loaded) {
    bool simplyNone = options.emulate.empty() && loaded.error().code == RefusalCode::unavailable;
    if (!simplyNone) return loaded.error();
    return std::make_unique<GpuHost>(nullptr, std::vector<OfferedGpu>(), loaded.error().why);
  }
  auto driver = std::make_unique<Loaded>(std::move(loaded).value());
  std::optional<std::string_view> visible;
  if (options.visible) visible = *options.visible;
  auto offered = offer(*driver, visible);
  if (!offered) return offered.error();
  if (options.order) offered = arrange(offered.value(), *options.order);
  std::string why;
  if (offered.value().empty()) {
    why = "the " + driver->title() + " has no device";
    if (options.visible) why += " that CUDA_VISIBLE_DEVICES=" + *options.visible + " names";
  }
  return std::make_unique<GpuHost>(std::move(driver), std::move(offered).value(), std::move(why));
}

}  // namespace alnilam::gpu
