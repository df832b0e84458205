#include "gpu/device/device.h"

#include "core/api/errors.h"

#include <algorithm>
#include <bit>

namespace alnilam::gpu {
namespace {

DriverResult<MemoryPool> createPool(const Driver& driver, CUdevice device) {
  int supported = 0;
  CUresult code = driver.deviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED,
                                            device);
  if (code != CUDA_SUCCESS || !supported) return MemoryPool();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.handleTypes = CU_MEM_HANDLE_TYPE_NONE;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  CUmemoryPool raw = nullptr;
  if (auto error = check(driver.memPoolCreate(&raw, &properties), "cuMemPoolCreate")) return *error;
  MemoryPool pool(driver, raw);
  // Freed memory stays with the pool: giving it back at every synchronisation would make each task
  // pay for mapping it again.
  std::uint64_t keep = UINT64_MAX;
  if (auto error = check(driver.memPoolSetAttribute(raw, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep),
                         "cuMemPoolSetAttribute")) {
    return *error;
  }
  return pool;
}

}  // namespace

DriverResult<std::unique_ptr<Life>> Life::begin(const Driver& driver, CUdevice device) {
  auto context = PrimaryContext::retain(driver, device);
  if (!context) return context.error();
  std::unique_ptr<Life> life(new Life(driver, std::move(context).value()));
  CurrentContext current(driver, life->context());
  if (auto error = current.error()) return *error;
  auto pool = createPool(driver, device);
  if (!pool) return pool.error();
  life->pool_ = std::move(pool).value();
  return life;
}

Life::~Life() {
  CurrentContext current(driver_, context_.get());
  idle_.clear();
  staging_.clear();
  kernels_.clear();
  pool_ = MemoryPool();
}

DriverResult<Staging> Life::takeStaging(std::size_t bytes) {
  std::size_t size = std::bit_ceil(std::clamp(bytes, kMinStaging, kMaxStaging));
  {
    std::lock_guard lock(mutex_);
    for (Staging& block : staging_) {
      if (block.size() != size) continue;
      std::swap(block, staging_.back());
      Staging taken = std::move(staging_.back());
      staging_.pop_back();
      kept_ -= size;
      return taken;
    }
  }
  auto memory = allocateHost(driver_, size);
  if (!memory) return memory.error();
  return Staging(std::move(memory).value(), size);
}

void Life::giveStaging(Staging block) {
  std::lock_guard lock(mutex_);
  if (kept_ + block.size() > kMaxKept) return;
  kept_ += block.size();
  staging_.push_back(std::move(block));
}

Lease& Lease::operator=(Lease&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(life_, other.life_);
  std::swap(stream_, other.stream_);
  return *this;
}

Lease::~Lease() {
  if (life_) device_->giveBack(*life_, std::move(stream_));
}

Device::Device(const Driver& driver, int ordinal, std::uint32_t index, Gpu gpu)
    : driver_(driver),
      ordinal_(ordinal),
      index_(index),
      gpu_(std::move(gpu)),
      label_(gpu_.label()) {}

Device::~Device() { ALNILAM_ASSERT(!life_ || life_->borrowers_ == 0); }

std::string Device::title() const { return "GPU " + std::to_string(index_) + " (" + label_ + ")"; }

Lease Device::borrow() {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [this] { return !life_ || !life_->dead_ || life_->borrowers_ == 0; });
  if (life_ && life_->dead_) {
    life_.reset();
    ++rebuilds_;
  }
  if (!life_) {
    CUdevice device = 0;
    if (auto error = check(driver_.deviceGet(&device, ordinal_), "cuDeviceGet")) raise(*error, "");
    auto begun = Life::begin(driver_, device);
    if (!begun) raise(begun.error(), "making a context");
    life_ = std::move(begun).value();
  }
  Life& life = *life_;
  if (auto error = check(driver_.ctxSetCurrent(life.context()), "cuCtxSetCurrent")) {
    raise(*error, "");
  }
  Stream stream;
  if (!life.idle_.empty()) {
    stream = std::move(life.idle_.back());
    life.idle_.pop_back();
  } else {
    auto created = createStream(driver_);
    if (!created) {
      Severity severity = created.error().severity();
      life.dead_ = life.dead_ || severity == Severity::context || severity == Severity::device;
      raise(created.error(), "");
    }
    stream = std::move(created).value();
  }
  ++life.borrowers_;
  return Lease(*this, life, std::move(stream));
}

void Device::giveBack(Life& life, Stream stream) {
  std::lock_guard lock(mutex_);
  --life.borrowers_;
  life.idle_.push_back(std::move(stream));  // of a dead one too: it is destroyed with the context
  if (life.dead_ && life.borrowers_ == 0) left_.notify_all();
}

void Device::condemn(Life& life) {
  std::lock_guard lock(mutex_);
  life.dead_ = true;
}

std::uint64_t Device::rebuilds() const {
  std::lock_guard lock(mutex_);
  return rebuilds_;
}

void Device::raise(const DriverError& error, const std::string& what) const {
  std::string text = title() + ": " + describe(driver_, error);
  if (!what.empty()) text += ", " + what;
  if (error.code == CUDA_ERROR_OUT_OF_MEMORY) throw OutOfDeviceMemory(text);
  throw DeviceError(text);
}

}  // namespace alnilam::gpu
