// An NVML that isn't one, for tests: it tells of the machine that a script describes (fake_nvml.h).

#include "gpu/driver/fake_nvml.h"

#include "gpu/driver/nvml.h"

#include <cctype>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <utility>

using namespace alnilam::gpu::nvml;

struct nvmlDevice_st {
  struct Link {
    bool active = false;
    std::string remote;
  };
  std::string uuid, pci, name;
  std::map<unsigned, Link> links;
  bool isInstance = false;
  unsigned parent = 0, gpuInstance = 0, multiprocessors = 0;
  unsigned long long mebibytes = 0;
  bool broken = false;
};

namespace {

constexpr Return kUninitialised = Return{1};  // NVML_ERROR_UNINITIALIZED
constexpr Return kInvalidArgument = Return{2};

using Pair = std::pair<unsigned, unsigned>;

struct Machine {
  std::deque<nvmlDevice_st> gpus, instances;  // deques: handles are addresses
  std::map<Pair, unsigned> ancestors, p2p;
  int initAnswer = 0;
  bool open = false;
};

std::string script;
Machine machine;

void readLine(const std::string& line) {
  std::istringstream words(line);
  std::string what, text;
  unsigned a = 0, b = 0;
  words >> what;
  if (what == "gpu") {
    nvmlDevice_st& gpu = machine.gpus.emplace_back();
    words >> gpu.uuid >> gpu.pci >> gpu.name;
  } else if (what == "mig") {
    nvmlDevice_st& one = machine.instances.emplace_back();
    words >> one.uuid >> one.parent >> one.gpuInstance >> one.mebibytes >> one.multiprocessors;
    words >> one.name;
    one.isInstance = true;
  } else if (what == "nvlink") {
    words >> a >> b;
    nvmlDevice_st::Link& link = machine.gpus.at(a).links[b];
    link.active = true;
    words >> link.remote;
  } else if (what == "dark") {
    words >> a >> b;
    machine.gpus.at(a).links[b] = {};
  } else if (what == "ancestor") {
    words >> a >> b;
    words >> machine.ancestors[{a, b}];
    machine.ancestors[{b, a}] = machine.ancestors[{a, b}];
  } else if (what == "p2p") {
    words >> a >> b;
    words >> machine.p2p[{a, b}];
    machine.p2p[{b, a}] = machine.p2p[{a, b}];
  } else if (what == "init") {
    words >> machine.initAnswer;
  } else if (what == "broken") {
    words >> text;
    for (nvmlDevice_st& gpu : machine.gpus) gpu.broken |= gpu.uuid == text;
  }
}

unsigned indexOf(Device device) {
  for (unsigned i = 0; i < machine.gpus.size(); ++i) {
    if (&machine.gpus[i] == device) return i;
  }
  return ~0u;
}

// As NVML writes it: a domain of eight digits, in capitals.
void fill(PciPlace& info, const std::string& pci, unsigned vendor) {
  info = {};
  std::string text = "0000" + pci;
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::snprintf(info.busId, sizeof info.busId, "%s", text.c_str());
  info.pciDeviceId = 0x1234u << 16 | vendor;
}

Return copyText(const std::string& from, char* to, unsigned length) {
  if (from.size() >= length) return Return{7};  // NVML_ERROR_INSUFFICIENT_SIZE
  std::memcpy(to, from.c_str(), from.size() + 1);
  return kSuccess;
}

const nvmlDevice_st::Link* linkOf(Device device, unsigned link) {
  auto at = device->links.find(link);
  return at == device->links.end() ? nullptr : &at->second;
}

}  // namespace

extern "C" {

void fakeNvmlTell(const char* told) { script = told; }

Return nvmlInit_v2() {
  machine = {};
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) readLine(line);
  machine.open = machine.initAnswer == 0;
  return Return{machine.initAnswer};
}
Return nvmlShutdown() {
  machine.open = false;
  return kSuccess;
}
Return nvmlSystemGetDriverVersion(char* text, unsigned length) {
  return machine.open ? copyText("550.54.15", text, length) : kUninitialised;
}
Return nvmlDeviceGetCount_v2(unsigned* count) {
  if (!machine.open) return kUninitialised;
  *count = static_cast<unsigned>(machine.gpus.size());
  return kSuccess;
}
Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  if (index >= machine.gpus.size()) return kInvalidArgument;
  *device = &machine.gpus[index];
  return kSuccess;
}
Return nvmlDeviceGetUUID(Device device, char* text, unsigned length) {
  return device->broken ? kGpuIsLost : copyText(device->uuid, text, length);
}
Return nvmlDeviceGetName(Device device, char* text, unsigned length) {
  std::string name = device->name;
  for (char& c : name) c = c == '_' ? ' ' : c;
  return copyText(name, text, length);
}
Return nvmlDeviceGetPciInfo_v3(Device device, PciPlace* info) {
  fill(*info, device->isInstance ? machine.gpus.at(device->parent).pci : device->pci, 0x10de);
  return kSuccess;
}
Return nvmlDeviceGetMemoryInfo(Device device, Memory* memory) {
  *memory = {device->mebibytes << 20, device->mebibytes << 20, 0};
  return kSuccess;
}
Return nvmlDeviceGetTopologyCommonAncestor(Device a, Device b, Ancestor* ancestor) {
  auto at = machine.ancestors.find({indexOf(a), indexOf(b)});
  *ancestor = at == machine.ancestors.end() ? kSystem : Ancestor{at->second};
  return kSuccess;
}
Return nvmlDeviceGetNvLinkState(Device device, unsigned link, unsigned* isActive) {
  const auto* found = linkOf(device, link);
  if (!found) return device->links.empty() ? kNotSupported : kInvalidArgument;
  *isActive = found->active;
  return kSuccess;
}
Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciPlace* info) {
  const auto* found = linkOf(device, link);
  if (!found || !found->active) return kInvalidArgument;
  if (found->remote.starts_with("gpu")) {
    fill(*info, machine.gpus.at(std::stoul(found->remote.substr(3))).pci, 0x10de);
  } else {
    fill(*info, "00ff:01:00.0", found->remote == "switch" ? 0x10de : 0x1014);
  }
  return kSuccess;
}
Return nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, unsigned* type) {
  const auto* found = linkOf(device, link);
  if (!found || !found->active) return kInvalidArgument;
  bool isGpu = found->remote.starts_with("gpu");
  *type = isGpu ? kRemoteGpu : found->remote == "switch" ? kRemoteSwitch : 1;
  return kSuccess;
}
Return nvmlDeviceGetP2PStatus(Device a, Device b, unsigned capability, unsigned* status) {
  if (capability != kP2pNvlink) return kInvalidArgument;
  auto at = machine.p2p.find({indexOf(a), indexOf(b)});
  *status = at == machine.p2p.end() ? kP2pOk : at->second;
  return kSuccess;
}
Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  *current = *pending = 0;
  for (const nvmlDevice_st& one : machine.instances) {
    if (&machine.gpus.at(one.parent) == device) *current = *pending = kMigOn;
  }
  return kSuccess;
}
Return nvmlDeviceGetMaxMigDeviceCount(Device, unsigned* count) {
  *count = 7;
  return kSuccess;
}
Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device* instance) {
  for (nvmlDevice_st& one : machine.instances) {
    if (&machine.gpus.at(one.parent) != device || index-- != 0) continue;
    *instance = &one;
    return kSuccess;
  }
  return kNotFound;
}
Return nvmlDeviceGetAttributes_v2(Device device, Attributes* attributes) {
  if (!device->isInstance) return kNotSupported;
  *attributes = {};
  attributes->multiprocessorCount = device->multiprocessors;
  attributes->sharedCopyEngineCount = 1;
  attributes->memorySizeMB = device->mebibytes;
  return kSuccess;
}
Return nvmlDeviceGetGpuInstanceId(Device device, unsigned* id) {
  if (!device->isInstance) return kNotSupported;
  *id = device->gpuInstance;
  return kSuccess;
}

}  // extern "C"
