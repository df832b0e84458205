// GPU tasks: which devices they get, and what they take from each other there.

#include "tests/e2e/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

using alnilam::Cluster;
using alnilam::InfeasibleError;
using alnilam::Ref;
using alnilam::TaskError;
using namespace alnilam::literals;

namespace e2e {

struct Whereabouts {
  int device = -1;
  std::string name;
  std::string visible;  // CUDA_VISIBLE_DEVICES as the task finds it
};

// Says that it is there, and waits until all are.
Whereabouts whereabouts(alnilam::gpu::Context& gpu, const std::string& arrived,
                        const std::string& gate) {
  int fd = ::open(arrived.c_str(), O_WRONLY | O_CLOEXEC);
  bool said = ::write(fd, "x", 1) == 1;
  close(fd);
  if (!said) throw std::runtime_error("nobody hears that the task is there");
  passGate(gate);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return {gpu.device(), gpu.name(), visible ? visible : "unset"};
}

namespace {

// Adds 1 to the number at its parameter.
constexpr char kBumpPtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry bump(.param .u64 bump_param_0)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [bump_param_0];
  cvta.to.global.u64 %rd2, %rd1;
  ld.global.u32 %r1, [%rd2];
  add.s32 %r2, %r1, 1;
  st.global.u32 [%rd2], %r2;
  ret;
}
)";
const alnilam::gpu::Kernel<void(int*)> kBump{std::string_view(kBumpPtx), "bump"};

}  // namespace

alnilam::gpu::Array<int> bump(alnilam::gpu::Context& gpu,
                               alnilam::gpu::View<const int> values) {
  auto there = gpu.copyHere(values, gpu);
  kBump({}, {})(gpu, there);
  return there;
}

// What is on the device is looked at by the host, so that the test needs no kernel.
std::vector<std::uint64_t> fetched(alnilam::gpu::Context& gpu,
                                   alnilam::gpu::View<const std::uint64_t> values) {
  std::vector<std::uint64_t> host(values.size());
  gpu.copyToHost(values, host);
  gpu.synchronize();
  return host;
}

alnilam::gpu::Array<std::uint64_t> countTo(alnilam::gpu::Context& gpu, std::uint64_t count) {
  std::vector<std::uint64_t> values(count);
  for (std::uint64_t i = 0; i < count; ++i) values[i] = i;
  return gpu.copyToDevice(values);
}

// One more of each.
alnilam::gpu::Array<std::uint64_t> nextOnDevice(alnilam::gpu::Context& gpu,
                                                alnilam::gpu::View<const std::uint64_t> values) {
  std::vector<std::uint64_t> host = fetched(gpu, values);
  for (std::uint64_t& value : host) ++value;
  return gpu.copyToDevice(host);
}

alnilam::gpu::Array<std::uint64_t> sumOnDevice(alnilam::gpu::Context& gpu,
                                               alnilam::gpu::View<const std::uint64_t> left,
                                               alnilam::gpu::View<const std::uint64_t> right) {
  std::vector<std::uint64_t> sum = fetched(gpu, left), other = fetched(gpu, right);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
  return gpu.copyToDevice(sum);
}

alnilam::gpu::Array<std::uint64_t> refuseOnDevice(alnilam::gpu::Context& gpu,
                                                  alnilam::gpu::View<const std::uint64_t>) {
  throw std::domain_error("not a step further");
}

ALNILAM_TASK(whereabouts);
ALNILAM_TASK(bump);
ALNILAM_TASK(countTo);
ALNILAM_TASK(nextOnDevice);
ALNILAM_TASK(sumOnDevice);
ALNILAM_TASK(refuseOnDevice);

namespace {

using Numbers = Ref<alnilam::gpu::Array<std::uint64_t>>;

void checkNumbers(Cluster& cluster, const Numbers& ref, std::uint64_t count, std::uint64_t first,
                  std::uint64_t step) {
  std::vector<std::uint64_t> values = cluster.get(ref);
  checkEqual(values.size(), count, "how many there are");
  for (std::uint64_t i = 0; i < count; ++i) {
    checkEqual(values[i], first + i * step, "number " + std::to_string(i));
  }
}

// LINKS: chains of that length on devices, with small results and with stored ones, that part and
// meet again; and one with a link that fails.
void gpuChain(Cluster& cluster, const Arguments& arguments) {
  check(arguments.size() == 1, "there is a LINKS");
  int links = std::atoi(arguments[0].c_str());
  alnilam::Options options{.cpus = 0.1, .gpus = 0.25, .gpuMemory = 16_MiB};
  for (std::uint64_t count : {4u, 100u, 20'000u}) {
    Numbers left = cluster.submit(options, countTo, count), right = left;
    for (int i = 0; i < links; ++i) {
      left = cluster.submit(options, nextOnDevice, left);
      right = cluster.submit(options, nextOnDevice, right);
    }
    auto both = cluster.submit(options, sumOnDevice, left, right);
    checkNumbers(cluster, both, count, 2 * static_cast<std::uint64_t>(links), 2);
  }
  Numbers last = cluster.submit(options, countTo, std::uint64_t{20'000});
  std::vector<Numbers> before;
  for (int i = 0; i < links; ++i) {
    if (i == links / 2) before.push_back(last);
    if (i == links / 2) last = cluster.submit(options, refuseOnDevice, last);
    else last = cluster.submit(options, nextOnDevice, last);
  }
  auto failed = thrown<TaskError>("a link that fails", [&] { cluster.get(last); });
  checkContains(failed.what(), "not a step further");
  checkNumbers(cluster, before.front(), 20'000, static_cast<std::uint64_t>(links) / 2, 1);
}

// COUNT VISIBLE: COUNT tasks at once have a device each, one more never could, and all of them find
// CUDA_VISIBLE_DEVICES to be VISIBLE ("unset").
void devices(Cluster& cluster, const Arguments& arguments) {
  check(arguments.size() == 2, "there is a COUNT and a VISIBLE");
  int count = std::atoi(arguments[0].c_str());
  Gate gate, arrived;
  int fd = ::open(arrived.path().c_str(), O_RDWR | O_CLOEXEC);

  std::vector<Ref<Whereabouts>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(cluster.submit({.cpus = 0.1, .gpus = 1}, whereabouts, arrived.path(),
                                   gate.path()));
  }
  for (int heard = 0; heard < count; ++heard) {
    char byte;
    check(::read(fd, &byte, 1) == 1, "a task is there");
  }
  close(fd);
  gate.open();
  std::set<int> seen;
  for (Ref<Whereabouts>& task : tasks) {
    Whereabouts where = cluster.get(task);
    check(seen.insert(where.device).second, "each has a device of its own");
    check(where.device >= 0 && where.device < count, "it is one of those that are offered");
    checkEqual(where.visible, arguments[1], "CUDA_VISIBLE_DEVICES in the task");
  }
  auto tooMany = cluster.submit({.gpus = count + 1.0}, whereabouts, arrived.path(), gate.path());
  auto refused = thrown<InfeasibleError>("a device more than there are",
                                         [&] { cluster.get(tooMany); });
  checkContains(refused.what(), "gpus");
}

// COUNT [left|none]: COUNT tasks launch a kernel each, and a device is lost meanwhile.  With
// another left all of them end well; with none some do, and the others are told why.  Says "ran",
// and waits for a line before it ends.
void deviceLost(Cluster& cluster, const Arguments& arguments) {
  check(arguments.size() == 2, "there is a COUNT and whether a device is left");
  int count = std::atoi(arguments[0].c_str());
  std::vector<Ref<alnilam::gpu::Array<int>>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(cluster.submit({.gpus = 0.5, .retries = 0}, bump, std::vector<int>{i}));
  }
  int refused = 0;
  for (int i = 0; i < count; ++i) {
    try {
      checkEqual(cluster.get(tasks[static_cast<std::size_t>(i)]).at(0), i + 1, "a result");
    } catch (const InfeasibleError& error) {
      checkContains(error.what(), "in service");
      ++refused;
    }
  }
  bool isLeft = arguments[1] == "left";
  check(isLeft == (refused == 0), std::to_string(refused) + " tasks were told that none is left");
  check(refused < count, "some ended well before");
  tell("ran");
  hear();
}

// Results of 4 MiB that a device makes of what the store has: says "made" when they are there, and
// "dropped" when nobody refers to them any more; waits for a line after each.
void deviceMemory(Cluster& cluster, const Arguments&) {
  constexpr std::size_t kInts = 1 << 20;
  auto input = cluster.put(std::vector<int>(kInts, 3));
  std::vector<Ref<alnilam::gpu::Array<int>>> made;
  for (int i = 0; i < 8; ++i) {
    made.push_back(cluster.submit({.cpus = 0.1, .gpus = 0.25, .gpuMemory = 64_MiB}, bump, input));
  }
  for (auto& one : made) {
    std::vector<int> values = cluster.get(one);
    checkEqual(values.size(), kInts, "how many there are");
    checkEqual(values[0], 4, "what the kernel made");
    checkEqual(values[kInts - 1], 3, "what it did not touch");
  }
  tell("made");
  hear();
  made.clear();
  tell("dropped");
  hear();
}

}  // namespace

void addDeviceScenarios(Scenarios& scenarios) {
  scenarios["devices"] = devices;
  scenarios["device_lost"] = deviceLost;
  scenarios["device_memory"] = deviceMemory;
  scenarios["gpu_chain"] = gpuChain;
}

}  // namespace e2e
