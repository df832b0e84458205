#include "core/placement/feasibility.h"

#include <gtest/gtest.h>

namespace alnilam::placement {
namespace {

NodeShape shapeOf(int cpus, std::vector<Bytes> devices, Bytes memory = 8_GiB) {
  NodeShape shape;
  shape.total.cpus = Amount::whole(cpus);
  shape.total.gpus = Amount::whole(static_cast<int>(devices.size()));
  shape.total.memory = memory;
  for (Bytes has : devices) shape.total.gpuMemory += has;
  shape.deviceMemory = std::move(devices);
  return shape;
}

ResourceSet gpuNeed(int gpuParts, Bytes gpuMemory) { return {{}, {gpuParts}, 0, gpuMemory, {}}; }

TEST(Capacity, CountsSharesAndMemoryDeviceByDevice) {
  const NodeShape shape = shapeOf(4, {16_GiB, 16_GiB, 4_GiB});
  struct Row { ResourceSet need; std::uint64_t times; };
  const Row rows[] = {
      {{}, kMaxAtOnce},
      {{Amount::whole(1), {}, 0, 0, {}}, 4},
      {{Amount::whole(5), {}, 0, 0, {}}, 0},
      {gpuNeed(10'000, 0), 3},
      {gpuNeed(6'000, 0), 3},            // 0.4 of each device is left, and of no use
      {gpuNeed(5'000, 0), 6},
      {gpuNeed(2'500, 4_GiB), 9},        // 4 + 4 + 1
      {gpuNeed(10'000, 5_GiB), 2},
      {gpuNeed(10'000, 17_GiB), 0},      // the sum would do, no device does
      {gpuNeed(0, 5_GiB), 6},            // memory alone: any share of one device
      {gpuNeed(15'000, 0), 0},           // neither a share nor whole devices
      {gpuNeed(20'000, 0), 1},
      {gpuNeed(20'000, 32_GiB), 1},
      {gpuNeed(30'000, 12_GiB), 1},
      {gpuNeed(30'000, 13_GiB), 0},
      {gpuNeed(40'000, 0), 0},
  };
  for (const Row& row : rows) EXPECT_EQ(capacity(shape, row.need), row.times) << show(row.need);
}

TEST(WhyNever, NamesTheResourceWhatWasAskedAndTheMostThereIs) {
  const NodeShape small = shapeOf(2, {16_GiB, 16_GiB});
  const NodeShape large = shapeOf(8, {}, 64_GiB);
  const NodeShape* const both[] = {&small, &large};
  struct Row { ResourceSet need; const char* why; };
  const Row rows[] = {
      {{Amount::whole(8), {}, 64_GiB, 0, {}}, "possible"},
      {{Amount::whole(9), {}, 0, 0, {}}, "asks for cpus=9, the largest node has 8"},
      {gpuNeed(40'000, 0), "asks for gpus=4, the largest node has 2"},
      {{{}, {}, 65_GiB, 0, {}}, "asks for memory=65GiB, the largest node has 64GiB"},
      {gpuNeed(2'500, 20_GiB),
       "asks for gpuMemory=20GiB on one device, the largest device has 16GiB"},
      {{{}, {}, 0, 0, {{"license", Amount::whole(1)}}},
       "asks for license=1, the largest node has 0"},
      {{Amount::whole(8), Amount::whole(1), 0, 0, {}},
       "asks for cpu=8,gpu=1, which no single node has together"},
      {gpuNeed(15'000, 0),
       "asks for gpus=1.5, a task takes a share of one device or whole devices"},
  };
  for (const Row& row : rows) EXPECT_EQ(whyNever(both, row.need).value_or("possible"), row.why);
}

TEST(WhyNever, HasNothingToSayWithoutNodes) {
  EXPECT_FALSE(whyNever({}, gpuNeed(15'000, 0)));
}

}  // namespace
}  // namespace alnilam::placement
