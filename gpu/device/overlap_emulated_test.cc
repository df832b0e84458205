// Independent chains of copy, compute, copy: their parts run beside each other on a device, as the
// emulator's trace shows.

#include "gpu/device/context.h"
#include "gpu/device/device_fixture_test.h"
#include "gpu/device/device_work_test.h"
#include "vectors.ptx.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <thread>
#include <vector>

namespace alnilam::gpu {
namespace {

const Kernel<void(int*, unsigned, int)> kAddTo{alnilam_kernels::vectors_ptx, "addTo"};

constexpr int kTasks = 6;
constexpr std::size_t kInts = 1 << 20;

// Tasks of one slot, each of which takes, adds `amount` to and gives back numbers of its own.
void chain(GpuHost& host, std::uint32_t first, int amount, int& wrong) {
  TestSlot slot(openSlot(host, {0}, 0, Amount::from(0.5, "share").value()));
  std::vector<std::vector<int>> home(kTasks, std::vector<int>(kInts));
  std::vector<int> values(kInts);
  std::iota(values.begin(), values.end(), 0);
  std::vector<std::unique_ptr<HeardTask>> sent;
  for (std::uint32_t i = 0; i < kTasks; ++i) {
    Context& gpu = slot.begin(TaskId::make(JobId{1}, first + i));
    auto address = gpu.takeInput(std::as_bytes(std::span(values)));
    auto array = gpu.copyHere(View<const int>(reinterpret_cast<const int*>(address), kInts), gpu);
    constexpr unsigned kSome = 1 << 14;  // interpreting them all takes long
    gpu.launch(kAddTo, {kSome / 128}, {128}, 0, array, kSome, amount);
    gpu.giveResult(std::move(array), std::as_writable_bytes(std::span(home[i])));
    sent.push_back(slot.send());
  }
  for (auto& task : sent) wrong += task->wait().how != DeviceEnd::How::over;
  for (const auto& numbers : home) {
    wrong += numbers[5] != 5 + amount || numbers[kInts - 1] != static_cast<int>(kInts) - 1;
  }
}

TEST(EmulatedOverlap, ChainsOfTwoSlotsOverlapAndSoDoTheTasksOfOne) {
  for (int slots : {1, 2}) {
    std::string path = testing::TempDir() + "overlap" + std::to_string(slots) + "." +
                       std::to_string(getpid()) + ".json";
    std::filesystem::remove(path);
    OpenOptions options;
    options.emulate = "1xT4:1GiB;trace=" + path;
    auto host = openGpus(options);
    ASSERT_TRUE(host) << host.error().why;
    std::vector<int> wrong(2);
    std::vector<std::thread> threads;
    for (int i = 0; i < slots; ++i) {
      auto at = static_cast<std::size_t>(i);
      threads.emplace_back([&host, &wrong, i, at] {
        chain(*host.value(), static_cast<std::uint32_t>(1 + 100 * i), 7 + i, wrong[at]);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(2));
    host.value().reset();

    auto work = readDeviceWork(path);
    std::filesystem::remove(path);
    std::int64_t busy = 0, longest = 0;
    for (auto& [engine, time] : busyOf(work)) {
      busy += time;
      longest = std::max(longest, time);
    }
    EXPECT_EQ(work.size(), static_cast<std::size_t>(4 * kTasks * slots));
    // One way is copied while the other way is; only the ends of the chains have nothing beside.
    EXPECT_LT(spanOf(work), busy * 3 / 4) << slots << " slots, " << busy << " ns one by one";
    EXPECT_GE(spanOf(work), longest);
  }
}

}  // namespace
}  // namespace alnilam::gpu
