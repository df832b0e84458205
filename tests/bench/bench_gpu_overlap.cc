// gpu_overlap: the modelled time in which an emulated device does two independent chains of tasks,
// each of which copies in, computes and copies out, as two slots of an executor give them to it;
// the limit is what its busiest engine alone needs, beside which everything else could run.  Times
// are a device's (gpu/emulator/engine.h), but a slot gives in more only when it has heard of ends,
// so a slow host makes gaps.

#include "core/api/task.h"
#include "core/engine/worker_pool.h"
#include "gpu/device/device_host.h"
#include "gpu/device/device_work_test.h"
#include "gpu/device/task_codecs.h"
#include "tests/bench/figure.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace {

using namespace alnilam;

constexpr std::uint32_t kTasks = 20;      // a chain
constexpr std::size_t kInts = 1 << 20;    // a task's, each way

// Each thread adds to one number in 64: what is interpreted is little, what is copied is much.
constexpr char kStridePtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry stride(.param .u64 values)
{
  .reg .b32 %r<6>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [values];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  mul.wide.u32 %rd2, %r4, 256;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r5, [%rd3];
  add.s32 %r5, %r5, 1;
  st.global.u32 [%rd3], %r5;
  ret;
}
)";
const gpu::Kernel<void(int*)> kStride{std::string_view(kStridePtx), "stride"};

gpu::Array<int> stride(gpu::Context& context, gpu::View<const int> values) {
  auto out = context.copyHere(values, context);
  kStride({gpu::blocksFor(values.size() / 64, 128)}, {128})(context, out);
  return out;
}
ALNILAM_TASK(stride);

class TwoSlots {
 public:
  explicit TwoSlots(gpu::GpuHost& host) : pool_(config(host)) {
    Orders orders;
    orders.lanes = {{0, "stride"}};
    Amount half{Amount::kPerUnit / 2};
    orders.open = {{SlotId{1}, 0, {}, {{0, half, 0}}}, {SlotId{2}, 0, {}, {{0, half, 0}}}};
    pool_.order(std::move(orders));
  }

  bool run() {
    std::vector<int> values(kInts, 1);
    Blob input = Blob::fill(encodedSize(values), [&](auto room) { encode(values, room); });
    std::vector<std::byte> arguments{std::byte{1}, {}, {}, {}, {}};  // the first of the inputs
    Orders orders;
    for (std::uint32_t i = 0; i < 2 * kTasks; ++i) {
      RunTask task{TaskId::make(JobId{1}, 1 + i), Attempt{1}, 0, Blob::copyOf(arguments), {}};
      task.inputs.push_back({TaskId::make(JobId{1}, 100'000 + i), input, false, false});
      orders.run.push_back(std::move(task));
    }
    pool_.order(std::move(orders));
    bool isGood = true;
    for (std::uint32_t done = 0; done < 2 * kTasks;) {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [&] { return calls_ > seen_; });
      seen_ = calls_;
      lock.unlock();
      for (const TaskDone& one : pool_.report().done) {
        ++done;
        isGood = isGood && one.how == TaskDone::How::held &&
                 decode<std::vector<int>>(one.held.bytes()).at(64) == 2;
      }
    }
    return isGood;
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

  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0, seen_ = 0;
  WorkerPool pool_;
};

}  // namespace

int main() {
  std::string path = "/tmp/alnilam-overlap-" + std::to_string(getpid()) + ".json";
  bool isGood = false;
  {
    gpu::OpenOptions options;
    options.emulate = "1xH100:4GiB;trace=" + path;
    auto host = gpu::openGpus(options);
    if (!host) {
      std::fprintf(stderr, "bench_gpu_overlap: %s\n", host.error().why.c_str());
      return 1;
    }
    isGood = TwoSlots(*host.value()).run();
  }
  auto work = gpu::readDeviceWork(path);
  std::filesystem::remove(path);
  if (!isGood || work.empty()) {
    std::fprintf(stderr, "bench_gpu_overlap: a result is wrong\n");
    return 1;
  }
  std::int64_t longest = 0, all = 0;
  for (auto& [engine, time] : gpu::busyOf(work)) {
    longest = std::max(longest, time);
    all += time;
  }
  double span = static_cast<double>(gpu::spanOf(work));
  bench::print("gpu_overlap", span * 1e-6, "ms, modelled", static_cast<double>(longest) * 1e-6,
               "its busiest engine alone", true);
  bench::print("gpu_overlap_gain", static_cast<double>(all) / span, "times",
               static_cast<double>(all) / static_cast<double>(longest),
               "everything beside its busiest engine", true);
  return 0;
}
