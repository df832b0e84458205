// A device's multiprocessors: which of them a share gets, and that its kernels run there.

#include "gpu/device/sm_parts.h"

#include "gpu/device/context.h"
#include "gpu/device/device.h"
#include "gpu/device/device_fixture_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace alnilam::gpu {
namespace {

using testing::ElementsAre;
using Cells = std::vector<unsigned>;

Amount part(double share) { return Amount::from(share, "share").value(); }

struct Choice {
  Cells users;
  unsigned perCell, multiprocessors;
  double share;
  Cells chosen;
};
const Choice kChoices[] = {
    {{0, 0, 0, 0}, 8, 32, 0.25, {0}},
    {{0, 0, 0, 0}, 8, 32, 0.5, {0, 1}},
    {{0, 0, 0, 0}, 8, 36, 0.5, {0, 1}},        // 18 of 36; the last 4 are in no cell
    {{0, 0, 0, 0}, 8, 32, 0.01, {0}},          // one at least
    {{0, 0, 0, 0}, 8, 32, 0.99, {0, 1, 2}},    // never more than the share
    {{1, 1, 0, 0}, 8, 32, 0.5, {2, 3}},        // beside the others
    {{1, 0, 1, 0}, 8, 32, 0.5, {1, 3}},
    {{1, 1, 1, 1}, 8, 32, 0.25, {0}},          // with one of them, where none is free
    {{2, 1, 1, 2}, 8, 32, 0.75, {0, 1, 2}},
    {{0, 0}, 2, 40, 0.5, {0, 1}},              // no more than there are
};

TEST(SmParts, AShareGetsTheCellsThatFewestOthersHave) {
  for (const Choice& c : kChoices) {
    EXPECT_EQ(chooseCells(c.users, c.perCell, c.multiprocessors, part(c.share)), c.chosen)
        << c.share << " of " << c.multiprocessors;
  }
}

// Writes how many multiprocessors its launch may use.
constexpr char kCountsPtx[] = R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry counts(.param .u64 out) {
  .reg .b64 %rd<3>;
  .reg .b32 %r<2>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %nsmid;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";
const Kernel<void(unsigned*)> kCounts{std::string_view(kCountsPtx), "counts"};
constexpr char kAstrayPtx[] = R"(
.version 8.0
.target sm_75
.address_size 64
.visible .entry astray() {
  .reg .b64 %rd<2>;
  .reg .b32 %r<2>;
  mov.u64 %rd1, 64;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";
const Kernel<void()> kAstray{std::string_view(kAstrayPtx), "astray"};

std::unique_ptr<GpuHost> open(const std::string& emulate) {
  OpenOptions options;
  options.emulate = emulate;
  auto host = openGpus(options);
  EXPECT_TRUE(host) << host.error().why;
  return std::move(host).value();
}

// Of one task in a slot with that share.
class Shared {
 public:
  Shared(GpuHost& host, double share) : slot_(openSlot(host, {0}, 0, part(share))) {}

  unsigned multiprocessors() {
    Context& gpu = slot_.begin();
    auto out = gpu.allocate<unsigned>(1);
    kCounts({}, {})(gpu, out);
    unsigned count = 0;
    gpu.copyToHost(out, {&count, 1});
    gpu.synchronize();
    slot_.finish();
    return count;
  }
  void fail() {
    kAstray({}, {})(slot_.begin());
    EXPECT_EQ(slot_.end().how, DeviceEnd::How::failed);
  }

 private:
  TestSlot slot_;
};

TEST(EmulatedShares, KernelsOfAShareRunOnItsPartOfTheMultiprocessors) {
  auto host = open("1xH100:1GiB");
  Shared quarter(*host, 0.25), half(*host, 0.5), little(*host, 0.001), whole(*host, 1);
  EXPECT_EQ(quarter.multiprocessors(), 32u) << "four of the cells of 8 that 132 are cut into";
  EXPECT_EQ(half.multiprocessors(), 64u);
  EXPECT_EQ(little.multiprocessors(), 8u);
  EXPECT_EQ(whole.multiprocessors(), 132u);
  EXPECT_EQ(quarter.multiprocessors(), 32u);
}

TEST(EmulatedShares, SlotsThatComeAndGoLeaveNothingBehind) {
  auto host = open("1xT4:1GiB");
  for (int round = 0; round < 60; ++round) {
    Shared one(*host, 0.1 + 0.01 * (round % 30)), other(*host, 0.3);
    EXPECT_EQ(other.multiprocessors(), 12u) << round;
    EXPECT_EQ(one.multiprocessors(), (40 * (10 + round % 30) / 100) / 2 * 2) << round;
  }
}

TEST(EmulatedShares, ADriverThatCannotCutGivesTheWholeDevice) {
  auto host = open("1xH100:1GiB;green=off");
  EXPECT_EQ(Shared(*host, 0.25).multiprocessors(), 132u);
}

TEST(EmulatedShares, PartsAreMadeAnewWithTheContext) {
  auto host = open("1xH100:1GiB");
  Shared quarter(*host, 0.25), other(*host, 0.5);
  EXPECT_EQ(quarter.multiprocessors(), 32u);
  EXPECT_EQ(other.multiprocessors(), 64u);
  other.fail();
  EXPECT_EQ(quarter.multiprocessors(), 32u);
  EXPECT_EQ(other.multiprocessors(), 64u);
  EXPECT_EQ(host->device(0).rebuilds(), 1u);
}

// A task of one share takes what a task of another, or of none, makes.
TEST(EmulatedShares, ResultsGoFromPartToPart) {
  auto host = open("1xH100:1GiB");
  TestSlot maker(openSlot(*host, {0}, 0, part(0.25))), taker(openSlot(*host, {0}, 0, part(0.5)));
  std::vector<int> values(4), seen(4);
  TaskId id = TaskId::make(JobId{1}, 1);
  Context& gpu = maker.begin(id);
  gpu.giveResult(gpu.copyToDevice(std::vector<int>{1, 2, 3, 4}),
                 std::as_writable_bytes(std::span(values)));
  auto made = maker.send();
  DeviceInput input{id, std::as_bytes(std::span(values)), true};
  Context* there = taker.begin(TaskId::make(JobId{1}, 2), {input});
  ASSERT_NE(there, nullptr);
  View<const int> view(reinterpret_cast<const int*>(there->takeInput(input.bytes)), 4);
  there->copyToHost(view, seen);
  there->synchronize();
  taker.finish();
  EXPECT_EQ(made->wait().how, DeviceEnd::How::over);
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace alnilam::gpu
