// gpu_chain: a link of 1,000 GPU tasks of which each takes the result of the one before, in one
// slot of an executor, so on one stream; the limit is the same driver calls for each link, made by
// one thread in the same run.  Both run on the emulator, whose own work in another thread (to make
// a link, it copies 16 bytes home) is the same for both.
//
// gpu_chain_added: what a link takes beyond the driver calls that the slot's thread makes for it,
// which are timed as they are made.  The emulator's calls wake threads that stand for the device; a
// thread that makes nothing but calls finds them awake, so the calls of `gpu_chain`'s limit are
// cheaper than those of a chain, through no fault of a chain's.

#include "core/api/task.h"
#include "core/engine/worker_pool.h"
#include "gpu/device/completions.h"
#include "gpu/device/device_host.h"
#include "gpu/device/task_codecs.h"
#include "gpu/driver/handle.h"
#include "tests/bench/figure.h"
#include "tests/bench/timed_driver.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <vector>

namespace {

using namespace alnilam;

constexpr std::uint32_t kLinks = 1000;

// Of the thread that runs links, so far.
std::atomic<double> inDriver{0};

gpu::Array<int> emptyLink(gpu::Context& context, gpu::View<const int> before) {
  inDriver = bench::inDriver();
  return context.allocate<int>(before.size());
}
ALNILAM_TASK(emptyLink);

// A pool of workers with one slot on the first device, as an executor has it.
class Chain {
 public:
  explicit Chain(gpu::GpuHost& host) : pool_(config(host)) {
    Orders orders;
    orders.lanes = {{0, "emptyLink"}};
    orders.open = {{SlotId{1}, 0, {}, {{0, Amount::whole(1), 0}}}};
    pool_.order(std::move(orders));
  }

  struct Link {
    double seconds, inDriver;
  };
  Link measure() {
    double calls = inDriver;
    Orders orders;
    std::vector<std::byte> arguments{std::byte{1}, {}, {}, {}, {}};  // the first of the inputs
    std::vector<int> values(4);
    Blob first = Blob::fill(encodedSize(values), [&](auto room) { encode(values, room); });
    for (std::uint32_t i = 0; i < kLinks; ++i) {
      TaskId before = TaskId::make(JobId{1}, next_++);
      RunTask link{TaskId::make(JobId{1}, next_), Attempt{1}, 0, Blob::copyOf(arguments), {}, true};
      if (i == 0) link.inputs.push_back({before, first, false, false});
      else link.inputs.push_back({before, {}, false, true});
      link.awaited = i + 1 < kLinks;
      orders.run.push_back(std::move(link));
    }
    ++next_;
    double start = bench::now();
    pool_.order(std::move(orders));
    for (std::uint32_t done = 0; done < kLinks;) {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [&] { return calls_ > seen_; });
      seen_ = calls_;
      lock.unlock();
      for (const TaskDone& one : pool_.report().done) {
        ++done;
        if (one.how != TaskDone::How::held) return {};
      }
    }
    return {(bench::now() - start) / kLinks, (inDriver - calls) / kLinks};
  }

 private:
  WorkerPool::Config config(gpu::GpuHost& host) {
    WorkerPool::Config made;
    made.node = "here";
    made.devices = &host;
    made.onReport = [this] {
      std::lock_guard lock(mutex_);
      ++calls_;
      called_.notify_all();
    };
    return made;
  }

  std::uint32_t next_ = 1;
  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0, seen_ = 0;
  WorkerPool pool_;
};

// What the driver is asked for a link, with no more than that.
double secondsPerBareLink(const gpu::Driver& driver) {
  using namespace alnilam::gpu;
  auto context = PrimaryContext::retain(driver, 0);
  if (!context) return 0;
  CurrentContext current(driver, context.value().get());
  Stream compute = std::move(createStream(driver)).value();
  Stream tail = std::move(createStream(driver)).value();
  Event behind = std::move(createEvent(driver)).value();
  HostMemory home = std::move(allocateHost(driver, kLinks * 16)).value();
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
  CUmemoryPool pool = nullptr;
  driver.memPoolCreate(&pool, &properties);
  std::vector<CUdeviceptr> results(kLinks);
  std::atomic<std::uint32_t> heard = 0;
  std::uint32_t freed = 0;
  CUhostFn hear = [](void* count) { ++*static_cast<std::atomic<std::uint32_t>*>(count); };
  double start = bench::now();
  for (std::uint32_t i = 0; i < kLinks; ++i) {
    driver.ctxSetCurrent(context.value().get());
    driver.memAllocFromPoolAsync(&results[i], 16, pool, compute.get());
    driver.eventRecord(behind.get(), compute.get());
    driver.streamWaitEvent(tail.get(), behind.get(), 0);
    driver.memcpyDtoHAsync(static_cast<std::byte*>(home.get()) + i * 16, results[i], 16,
                           tail.get());
    driver.launchHostFunc(tail.get(), hear, &heard);
    // Chains keep results for later tasks, and let go of those that were kept longest.
    if (freed < heard) driver.memFree(results[freed++]);
  }
  driver.streamSynchronize(tail.get());
  double took = (bench::now() - start) / kLinks;
  for (; freed < kLinks; ++freed) driver.memFree(results[freed]);
  driver.memPoolDestroy(pool);
  return heard == kLinks ? took : 0;
}

}  // namespace

int main() {
  auto library = gpu::findEmulator("");
  auto loaded = library ? gpu::loadEmulator(library.value(), "1x1GiB") : library.error();
  auto offered = loaded ? gpu::offer(loaded.value(), std::nullopt) : loaded.error();
  if (!offered) {
    std::fprintf(stderr, "bench_gpu_chain: %s\n", offered.error().why.c_str());
    return 1;
  }
  auto driver = std::make_unique<gpu::Loaded>(std::move(loaded).value());
  const gpu::Driver bare = driver->driver;
  bench::timeCalls(driver->driver);
  gpu::GpuHost host(std::move(driver), std::move(offered).value(), "");
  Chain chain(host);
  double link = 0, calls = 0, limit = 0, added = 0;
  for (int round = 0; round < 20; ++round) {
    auto [seconds, inCalls] = chain.measure();
    double other = secondsPerBareLink(bare);
    if (round == 0 || seconds - inCalls < added) added = seconds - inCalls;
    if (round == 0 || other < limit) limit = other;
    if (round > 0 && seconds >= link) continue;
    link = seconds;
    calls = inCalls;
  }
  bench::print("gpu_chain", link * 1e6, "us/link", limit * 1e6,
               "the same driver calls by one thread", true);
  bench::print("gpu_chain_calls", calls * 1e6, "us/link", link * 1e6, "the whole link", true);
  bench::print("gpu_chain_added", added * 1e6, "us/link", 5, "the most that is allowed", true);
}
