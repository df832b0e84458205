// CUDA_VISIBLE_DEVICES as CUDA reads it, on devices in the order of the bus.

#include "gpu/discovery/offered.h"

#include <gtest/gtest.h>

namespace alnilam::gpu {
namespace {

std::vector<OfferedGpu> devices() {
  std::vector<OfferedGpu> all;
  const char* uuids[] = {"GPU-1a2b", "GPU-1c3d", "MIG-77aa", "EMU-00ff"};
  const char* addresses[] = {"0000:3b:00.0", "0000:18:00.0", "", "0000:af:00.0"};
  for (int i = 0; i < 4; ++i) {
    OfferedGpu device;
    device.ordinal = i;
    device.gpu.uuid = uuids[i];
    device.gpu.pciAddress = addresses[i];
    all.push_back(device);
  }
  sortByBus(all);
  return all;
}

std::string ordinals(const std::vector<OfferedGpu>& list) {
  std::string text;
  for (const OfferedGpu& device : list) text += std::to_string(device.ordinal);
  return text;
}

TEST(Offered, AreInTheOrderOfTheBus) { EXPECT_EQ(ordinals(devices()), "1032"); }

TEST(Offered, AreArrangedAsTheNodeCountsThem) {
  auto some = arrange(devices(), {"EMU-00ff", "GPU-gone", "GPU-1a2b"});
  EXPECT_EQ(ordinals(some), "3-10");
  EXPECT_EQ(some[1].gpu.uuid, "GPU-gone");
}

TEST(Offered, AreThoseThatTheVariableNames) {
  struct Row {
    std::optional<std::string_view> visible;
    const char* want;  // ordinals, in the order of the bus
  };
  const Row rows[] = {
      {std::nullopt, "1032"}, {"", ""},          {"-1", ""},          {"0", "1"},
      {"0,1", "10"},          {"3,0", "12"},     {" 1 , 2 ", "03"},   {"0,9,1", "1"},
      {"0,-1,1", "1"},        {"GPU-1a", "0"},   {"gpu-1A", "0"},     {"GPU-1", ""},
      {"MIG-77aa,EMU", "2"},  {"MIG-77aa", "2"}, {"EMU-00ff,0", "13"}, {"0,0", "1"},
      {"nonsense", ""},       {"1x", ""},        {"0,", "1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.visible ? std::string(*row.visible) : "unset");
    auto list = devices();
    keepVisible(list, row.visible);
    EXPECT_EQ(ordinals(list), row.want);
  }
}

}  // namespace
}  // namespace alnilam::gpu
