#pragma once
// A driver for tests of the device layer: as late as a driver may be, and failing on demand.
//
// Nothing that is enqueued happens before somebody waits for its stream or the test says so
// (`advance`), so a buffer that is given up too early is a buffer that a sanitizer sees.  Device
// memory is host memory, at its address.  Kernels are functions of the test, by name.  What runs
// kernels for real is the emulator.
//
// There is one world a process, because a driver's functions carry no state of their own.
//
// Threading: functions may be called from any thread, one at a time each.

#include "gpu/driver/loader.h"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace alnilam::gpu::fake {

struct World {
  int devices = 1;
  std::size_t memory = 1 << 20;  // bytes a device
  bool pools = true;
  bool peers = true;  // devices may copy from each other
  // Reads the parameters at the launch, and answers with what runs when the stream gets there; what
  // that returns is sticky if severityOf says so.
  std::map<std::string, std::function<std::function<CUresult()>(void** parameters)>> kernels = {};
  // What the driver tells of a kernel's parameters; without an entry it does not tell.
  std::map<std::string, std::vector<std::size_t>> parameterSizes = {};
  // By the Driver's member: answered once, instead of doing anything.
  std::map<std::string, CUresult> nextCall = {};

  // What came of it.
  int contexts = 0;  // made so far, over all devices
  int liveContexts = 0;
  int liveStreams = 0;
  std::vector<int> priorities = {};  // of the streams made so far
  int livePinned = 0;
  int liveRegistered = 0;  // ranges of host memory
  std::vector<std::string> reached = {};  // "0 to 1": contexts that may touch others' memory
  int trims = 0;  // of pools, so far
  int modules = 0;  // loaded so far
  std::vector<const char*> images = {};  // of those
  int waits = 0;    // for a stream, so far
  std::size_t used = 0;  // bytes of device memory, over all devices
  // What was enqueued, in order, as "launch add 1" or "copy home 2": the streams count from 1.
  std::vector<std::string> enqueued = {};
};

// The world, and the driver that acts in it.  reset() begins a new one.
World& world();
void reset(World next);
const Driver& driver();

// Has everything happen that is enqueued, on all streams in the order of their making.
void advance();

}  // namespace alnilam::gpu::fake
