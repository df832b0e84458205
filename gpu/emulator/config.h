#pragma once
// What the emulator is asked to be, as text.
//
//   config  := devices { ";" setting }
//   devices := group { "," group }
//   group   := COUNT "x" [ MODEL [ "-MIG-" PROFILE ] ":" ] SIZE
//                                                2x4GiB   4xH100:80GiB   7xH100-MIG-1g.10gb:10GiB
//   setting := "oom" "=" N [ "@" DEVICE ]              the Nth allocation fails
//            | "launch" "=" N [ "@" DEVICE ]           the Nth launch fails
//            | "lost" "=" N [ "@" DEVICE ]             the device is lost at the Nth launch
//            | "pci" "=" DOMAIN:BUS:DEVICE.FUNCTION "@" DEVICE
//            | "copy" "=" RATE [ "@" DEVICE ]          to and from the host; of all without "@"
//            | "links" "=" link { "," link }
//            | "seed" "=" N                            makes other UUIDs than another seed
//            | "green" "=" ( "on" | "off" )            off: a driver without green contexts
//            | "trace" "=" FILE                        what trace.h says
//            | "race" "=" ( "on" | "count" | "off" )   a race (races.h) fails its context; is only
//                                                      counted and said; isn't looked for
//   link    := CLASS [ ":" RATE ] "@" ( DEVICE "-" DEVICE | "all" )
//                                                nvlink@0-1   nvlink:450GB/s@all,none@0-3
//
// N counts from 1; without "@" a fault is on device 0.  SIZE is a number and KiB, MiB, GiB or TiB,
// RATE a number and GB/s (10^9 bytes).  MODEL is one that the emulator knows by name, capability,
// multiprocessors and rates; without it, a plain one is meant.  PROFILE is a slice of it such as
// 1g.10gb: the group's devices are then instances of one GPU, at one PCI address.
//
// CLASS says how two devices are linked: nvlink (peer access and atomics), pcie (peer access), none
// (copies go by the host).  Later links override earlier ones.  Without the setting all are linked
// by pcie at their hosts' rate, and instances of MIG by none, as with real ones.

#include "core/base/error.h"

#include <cstdint>
#include <optional>
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
  double hostRate = 25;     // bytes a nanosecond, to and from the host
  double memoryRate = 800;  // of its memory
  bool isMig = false;
  std::uint32_t pciDomain = 0, pciBus = 0, pciDevice = 0, pciFunction = 0;
  unsigned char uuid[16] = {};
  std::uint64_t failAllocation = 0;  // 0: never
  std::uint64_t failLaunch = 0;
  std::uint64_t loseAtLaunch = 0;
};

enum class LinkClass : std::uint8_t { nvlink, pcie, none };
struct Link {
  LinkClass is = LinkClass::pcie;
  double rate = 0;  // bytes a nanosecond, one way
};

enum class RaceMode : std::uint8_t { off, count, on };

struct MachineConfig {
  std::vector<DeviceConfig> devices;
  std::vector<Link> links;  // devices * devices, row by row; the diagonal means nothing
  bool green = true;
  std::string trace;  // a file; empty: none
  RaceMode race = RaceMode::off;

  const Link& link(int from, int to) const {
    return links[static_cast<std::size_t>(from) * devices.size() + static_cast<std::size_t>(to)];
  }
};

std::optional<RaceMode> raceModeOf(std::string_view text);

// Refuses (invalid), naming the part that isn't understood.
Result<MachineConfig> parseConfig(std::string_view text);

}  // namespace alnilam::gpu::emulator
