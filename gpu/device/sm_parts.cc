#include "gpu/device/sm_parts.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace alnilam::gpu {

std::vector<unsigned> chooseCells(const std::vector<unsigned>& users, unsigned perCell,
                                  unsigned multiprocessors, Amount share) {
  auto wanted = static_cast<std::size_t>(share.parts * multiprocessors / Amount::kPerUnit);
  std::size_t count = std::clamp<std::size_t>(wanted / perCell, 1, users.size());
  std::vector<unsigned> order(users.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](unsigned a, unsigned b) { return users[a] < users[b]; });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

DriverResult<Stream> SmParts::Part::stream(const Driver& driver, int priority) {
  for (auto& [of, stream] : streams_) {
    if (of != priority) continue;
    Stream taken = std::move(stream);
    std::swap(of, streams_.back().first);
    std::swap(stream, streams_.back().second);
    streams_.pop_back();
    return taken;
  }
  CUstream raw = nullptr;
  if (auto error = check(driver.greenCtxStreamCreate(&raw, green_.get(), CU_STREAM_NON_BLOCKING,
                                                     priority),
                         "cuGreenCtxStreamCreate")) {
    return *error;
  }
  return Stream(driver, raw);
}

void SmParts::Part::keep(Stream stream, int priority) {
  streams_.emplace_back(priority, std::move(stream));
}

SmParts::SmParts(const Driver& driver, CUdevice device) : driver_(driver), device_(device) {
  if (!driver.deviceGetDevResource || !driver.devSmResourceSplitByCount ||
      !driver.devResourceGenerateDesc || !driver.greenCtxCreate || !driver.ctxFromGreenCtx ||
      !driver.greenCtxStreamCreate) {
    return;
  }
  CUdevResource whole{};
  if (driver.deviceGetDevResource(device, &whole, CU_DEV_RESOURCE_TYPE_SM) != CUDA_SUCCESS) return;
  constexpr unsigned kFinest = 1;  // the driver rounds it up to what the architecture allows
  unsigned groups = 0;
  if (driver.devSmResourceSplitByCount(nullptr, &groups, &whole, nullptr, 0, kFinest) !=
          CUDA_SUCCESS ||
      groups < 2) {
    return;
  }
  cells_.resize(groups);
  if (driver.devSmResourceSplitByCount(cells_.data(), &groups, &whole, nullptr, 0, kFinest) !=
      CUDA_SUCCESS) {
    groups = 0;
  }
  cells_.resize(groups);
  users_.resize(groups);
  multiprocessors_ = whole.sm.smCount;
}

SmParts::Part* SmParts::take(Amount share) {
  if (cells_.empty() || share >= Amount::whole(1)) return nullptr;
  std::vector<unsigned> cells =
      chooseCells(users_, cells_.front().sm.smCount, multiprocessors_, share);
  auto sameCells = std::find_if(idle_.begin(), idle_.end(),
                                [&](const auto& part) { return part->cells_ == cells; });
  std::unique_ptr<Part> part;
  if (sameCells != idle_.end()) {
    part = std::move(*sameCells);
    idle_.erase(sameCells);
  } else {
    part = make(std::move(cells));
    if (idle_.size() > kMostIdle) {
      destroy(std::move(idle_.front()));
      idle_.erase(idle_.begin());
    }
  }
  if (!part) return nullptr;
  for (unsigned cell : part->cells_) ++users_[cell];
  return inUse_.emplace_back(std::move(part)).get();
}

std::unique_ptr<SmParts::Part> SmParts::make(std::vector<unsigned> cells) {
  std::vector<CUdevResource> resources;
  auto part = std::make_unique<Part>();
  for (unsigned cell : cells) {
    resources.push_back(cells_[cell]);
    part->multiprocessors_ += cells_[cell].sm.smCount;
  }
  CUdevResourceDesc described = nullptr;
  CUgreenCtx green = nullptr;
  if (driver_.devResourceGenerateDesc(&described, resources.data(),
                                      static_cast<unsigned>(resources.size())) != CUDA_SUCCESS ||
      driver_.greenCtxCreate(&green, described, device_, CU_GREEN_CTX_DEFAULT_STREAM) !=
          CUDA_SUCCESS) {
    return nullptr;
  }
  part->green_ = GreenContext(driver_, green);
  if (driver_.ctxFromGreenCtx(&part->context_, green) != CUDA_SUCCESS) return nullptr;
  part->cells_ = std::move(cells);
  return part;
}

void SmParts::giveBack(Part* part) {
  auto place = std::find_if(inUse_.begin(), inUse_.end(),
                            [&](const auto& one) { return one.get() == part; });
  for (unsigned cell : part->cells_) --users_[cell];
  idle_.push_back(std::move(*place));
  inUse_.erase(place);
}

void SmParts::clear() {
  ALNILAM_ASSERT(inUse_.empty());
  for (auto& part : idle_) destroy(std::move(part));
  idle_.clear();
}

void SmParts::destroy(std::unique_ptr<Part> part) {
  CurrentContext current(driver_, part->context_);
  part->events_.clear();
  part->streams_.clear();
}

}  // namespace alnilam::gpu
