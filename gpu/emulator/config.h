#pragma once
// What the emulator is asked to be, as text.
//
//   config  := devices { ";" setting }
//   devices := group { "," group }
//   group   := COUNT "x" [ MODEL ":" ] SIZE            2x4GiB   4xH100:80GiB   1xT4:16GiB,1x8GiB
//   setting := "oom" "=" N [ "@" DEVICE ]              the Nth allocation fails
//            | "launch" "=" N [ "@" DEVICE ]           the Nth launch fails
//            | "lost" "=" N [ "@" DEVICE ]             the device is lost at the Nth launch
//            | "pci" "=" DOMAIN:BUS:DEVICE.FUNCTION "@" DEVICE
//            | "seed" "=" N                            makes other UUIDs than another seed
//            | "green" "=" ( "on" | "off" )            off: a driver without green contexts
//
// N counts from 1; without "@" a fault is on device 0.  SIZE is a number and KiB, MiB, GiB or TiB.
// MODEL is one that the emulator knows by name, capability and multiprocessors; without it, a plain
// one is meant.

#include "core/base/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam::gpu::emulator {

constexpr std::size_t kMostDevices = 64;

struct DeviceConfig {
  std::string name;  // "Emulated H100"
  std::uint64_t memory = 0;
  int major = 9, minor = 0;
  int multiprocessors = 16;
  int copyEngines = 2;
  std::uint32_t pciDomain = 0, pciBus = 0, pciDevice = 0, pciFunction = 0;
  unsigned char uuid[16] = {};
  std::uint64_t failAllocation = 0;  // 0: never
  std::uint64_t failLaunch = 0;
  std::uint64_t loseAtLaunch = 0;
};

struct MachineConfig {
  std::vector<DeviceConfig> devices;
  bool green = true;
};

// Refuses (invalid), naming the part that isn't understood.
Result<MachineConfig> parseConfig(std::string_view text);

}  // namespace alnilam::gpu::emulator
