#include "gpu/emulator/grid.h"

#include "gpu/emulator/block.h"

#include <algorithm>

namespace alnilam::gpu::emulator {

struct GridPool::Job {
  const GridLaunch* launch = nullptr;
  std::uint64_t blocks = 0;
  std::uint64_t chunk = 1;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> executed{0};
  std::mutex mutex;
  std::condition_variable idle;
  unsigned helpers = 0;  // threads of the pool that are inside
  bool closed = false;   // nobody may come in any more
  GridOutcome outcome;
};

GridPool::GridPool(unsigned threads) : wanted_(threads) {}

GridPool::~GridPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Takes blocks until none is left.
void GridPool::help(Job& job) {
  BlockRun block(*job.launch);
  while (!job.failed.load(std::memory_order_relaxed)) {
    std::uint64_t first = job.next.fetch_add(job.chunk, std::memory_order_relaxed);
    if (first >= job.blocks) break;
    std::uint64_t last = std::min(first + job.chunk, job.blocks);
    for (std::uint64_t i = first; i < last; ++i) {
      if (block.run(i)) continue;
      std::lock_guard lock(job.mutex);
      if (!job.failed.exchange(true)) {
        job.outcome.code = block.code();
        job.outcome.message = block.message();
      }
      break;
    }
  }
  if (AccessLog* log = block.accesses()) {
    std::lock_guard lock(job.mutex);
    job.launch->accesses->take(std::move(*log));
  }
  job.executed.fetch_add(block.executed(), std::memory_order_relaxed);
}

GridOutcome GridPool::run(const GridLaunch& launch) {
  auto job = std::make_shared<Job>();
  job->launch = &launch;
  job->blocks = launch.grid.count();
  job->chunk = std::max<std::uint64_t>(1, job->blocks / (8 * (wanted_ + 1)));
  bool shares = job->blocks > 1 && wanted_ > 0;
  if (shares) {
    std::lock_guard lock(mutex_);
    while (threads_.size() < wanted_) threads_.emplace_back([this] { work(); });
    jobs_.push_back(job);
  }
  if (shares) wake_.notify_all();
  help(*job);
  if (shares) {
    {
      std::lock_guard lock(mutex_);
      std::erase(jobs_, job);
    }
    std::unique_lock lock(job->mutex);
    job->closed = true;
    job->idle.wait(lock, [&job] { return job->helpers == 0; });
  }
  job->outcome.executed = job->executed.load(std::memory_order_relaxed);
  return std::move(job->outcome);
}

void GridPool::work() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = jobs_.front();
      // The next thread looks at another launch first.
      jobs_.pop_front();
      if (job->next.load(std::memory_order_relaxed) < job->blocks) jobs_.push_back(job);
      std::lock_guard jobLock(job->mutex);
      if (job->closed) continue;
      ++job->helpers;
    }
    if (job->next.load(std::memory_order_relaxed) < job->blocks) help(*job);
    std::lock_guard lock(job->mutex);
    if (--job->helpers == 0) job->idle.notify_all();
  }
}

}  // namespace alnilam::gpu::emulator
