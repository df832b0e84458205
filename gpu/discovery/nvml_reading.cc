#include "gpu/discovery/nvml_reading.h"

#include <cctype>
#include <optional>
#include <string_view>

namespace alnilam::gpu {
namespace {

using namespace nvml;

constexpr unsigned kNvidia = 0x10de;
constexpr unsigned kMostDevices = 256;  // more is no machine

class Reader {
 public:
  explicit Reader(const Nvml& nvml) : nvml_(nvml) { reading_.version = nvml.version; }

  NvmlReading read() {
    unsigned count = 0;
    if (!ask(nvml_.count(&count), "nvmlDeviceGetCount_v2", "")) return std::move(reading_);
    for (unsigned i = 0; i < count && i < kMostDevices; ++i) readGpu(i);
    readPairs();
    for (NvmlReading::Gpu& gpu : reading_.gpus) settleRemotes(gpu);
    return std::move(reading_);
  }

 private:
  bool ask(Return code, const char* call, const std::string& who) {
    if (code == kSuccess) return true;
    reading_.complaints.push_back((who.empty() ? "" : who + ": ") + call + " answered " +
                                  std::to_string(int{code}));
    return false;
  }

  void readGpu(unsigned index) {
    NvmlReading::Gpu gpu;
    Device device = nullptr;
    std::string who = "GPU " + std::to_string(index);
    char uuid[96] = "", name[96] = "";
    PciPlace pci = {};
    if (!ask(nvml_.byIndex(index, &device), "nvmlDeviceGetHandleByIndex_v2", who) ||
        !ask(nvml_.uuid(device, uuid, sizeof uuid - 1), "nvmlDeviceGetUUID", who) ||
        !ask(nvml_.name(device, name, sizeof name - 1), "nvmlDeviceGetName", who) ||
        !ask(nvml_.pciInfo(device, &pci), "nvmlDeviceGetPciInfo_v3", who)) {
      return;
    }
    gpu.uuid = uuid;
    gpu.model = name;
    gpu.pciAddress = addressOf(pci);
    readLinks(device, gpu);
    readInstances(device, gpu);
    reading_.gpus.push_back(std::move(gpu));
    handles_.push_back(device);
  }

  static std::string addressOf(const PciPlace& pci) {
    std::string_view text(pci.busId, sizeof pci.busId);
    return plainAddress(text.substr(0, text.find('\0')));
  }

  void readLinks(Device device, NvmlReading::Gpu& gpu) {
    for (unsigned link = 0; link < kMaxNvlinks; ++link) {
      unsigned isActive = 0;
      PciPlace remote = {};
      // Devices without NVLink, and numbers past the last one, answer an error.
      if (nvml_.nvlinkState(device, link, &isActive) != kSuccess || isActive == 0) continue;
      NvmlReading::Nvlink one;
      bool answered = nvml_.nvlinkRemote(device, link, &remote) == kSuccess;
      if (answered) one.remote = addressOf(remote);
      unsigned type = 0;
      bool typed = nvml_.nvlinkRemoteType &&
                   nvml_.nvlinkRemoteType(device, link, &type) == kSuccess;
      // Without a type: what is NVIDIA's and turns out to be no GPU (settleRemotes) is a switch.
      if (typed ? type == kRemoteSwitch : answered && (remote.pciDeviceId & 0xffff) == kNvidia) {
        one.to = NvmlReading::Nvlink::To::nvswitch;
      }
      gpu.nvlinks.push_back(std::move(one));
    }
  }

  // The address decides wherever it is a GPU's.
  void settleRemotes(NvmlReading::Gpu& gpu) {
    for (NvmlReading::Nvlink& link : gpu.nvlinks) {
      for (const NvmlReading::Gpu& other : reading_.gpus) {
        if (!link.remote.empty() && other.pciAddress == link.remote) {
          link.to = NvmlReading::Nvlink::To::gpu;
        }
      }
    }
  }

  void readInstances(Device device, NvmlReading::Gpu& gpu) {
    unsigned mode = 0, pending = 0, count = 0;
    bool known = nvml_.migMode && nvml_.migCount && nvml_.migByIndex;
    if (!known || nvml_.migMode(device, &mode, &pending) != kSuccess || mode != kMigOn) return;
    gpu.mig = true;
    if (!ask(nvml_.migCount(device, &count), "nvmlDeviceGetMaxMigDeviceCount", gpu.uuid)) return;
    for (unsigned i = 0; i < count && i < kMostDevices; ++i) {
      Device instance = nullptr;
      if (nvml_.migByIndex(device, i, &instance) != kSuccess) continue;  // there are fewer
      char uuid[96] = "", name[96] = "";
      if (!ask(nvml_.uuid(instance, uuid, sizeof uuid - 1), "nvmlDeviceGetUUID", gpu.uuid)) {
        continue;
      }
      NvmlReading::Instance one;
      one.uuid = uuid;
      if (nvml_.name(instance, name, sizeof name - 1) == kSuccess) one.model = name;
      Memory memory = {};
      if (nvml_.memory(instance, &memory) == kSuccess) one.memory = memory.total;
      Attributes attributes = {};
      if (nvml_.attributes && nvml_.attributes(instance, &attributes) == kSuccess) {
        one.multiprocessors = attributes.multiprocessorCount;
      }
      if (nvml_.gpuInstance) static_cast<void>(nvml_.gpuInstance(instance, &one.gpuInstance));
      gpu.instances.push_back(std::move(one));
    }
  }

  void readPairs() {
    std::size_t n = reading_.gpus.size();
    reading_.pairs.resize(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        NvmlReading::Pair& pair = reading_.pairs[i * n + j];
        Ancestor ancestor = kSystem;
        if (nvml_.commonAncestor(handles_[i], handles_[j], &ancestor) == kSuccess) {
          pair.ancestor = ancestor;
        }
        unsigned status = kP2pOk;
        pair.nvlinkDenied =
            nvml_.p2pStatus &&
            nvml_.p2pStatus(handles_[i], handles_[j], kP2pNvlink, &status) == kSuccess &&
            status != kP2pOk;
      }
    }
  }

  const Nvml& nvml_;
  NvmlReading reading_;
  std::vector<Device> handles_;  // as reading_.gpus
};

}  // namespace

NvmlReading readNvml(const Nvml& nvml) { return Reader(nvml).read(); }

std::string plainAddress(std::string_view busId) {
  std::size_t colon = busId.find(':');
  while (colon != std::string_view::npos && colon > 4 && busId.front() == '0') {
    busId.remove_prefix(1);
    --colon;
  }
  std::string address(busId);
  for (char& c : address) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return address;
}

}  // namespace alnilam::gpu
