#include "gpu/discovery/survey.h"

#include "gpu/driver/error.h"

#include <algorithm>
#include <cctype>

namespace alnilam::gpu {
namespace {

bool startsWithIgnoringCase(std::string_view text, std::string_view prefix) {
  auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// Whether one of the entries of CUDA_VISIBLE_DEVICES names the instance by its UUID.
bool names(std::string_view visible, const std::string& uuid) {
  constexpr std::string_view kPrefix = "MIG-";
  while (true) {
    std::size_t comma = visible.find(',');
    std::string_view entry = visible.substr(0, comma);
    while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (startsWithIgnoringCase(entry, kPrefix) && startsWithIgnoringCase(uuid, entry)) return true;
    if (comma == std::string_view::npos) return false;
    visible.remove_prefix(comma + 1);
  }
}

std::vector<Peer> askPeers(const Driver& driver, const std::vector<OfferedGpu>& offered) {
  std::vector<Peer> peers(offered.size() * offered.size());
  std::vector<CUdevice> handles(offered.size());
  for (std::size_t i = 0; i < offered.size(); ++i) {
    if (driver.deviceGet(&handles[i], offered[i].ordinal) != CUDA_SUCCESS) return {};
  }
  for (std::size_t i = 0; i < offered.size(); ++i) {
    for (std::size_t j = 0; j < offered.size(); ++j) {
      int access = 0, atomics = 0, rank = 0;
      if (i == j ||
          driver.deviceCanAccessPeer(&access, handles[i], handles[j]) != CUDA_SUCCESS) {
        continue;
      }
      auto ask = [&](int& value, CUdevice_P2PAttribute which) {
        if (driver.deviceGetP2PAttribute(&value, which, handles[i], handles[j]) != CUDA_SUCCESS) {
          value = 0;
        }
      };
      ask(atomics, CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED);
      ask(rank, CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK);
      peers[i * offered.size() + j] = {access != 0, atomics != 0, rank};
    }
  }
  return peers;
}

// Devices that the driver has and that offer() leaves out whatever CUDA_VISIBLE_DEVICES says.
std::vector<std::string> prohibited(const Driver& driver) {
  std::vector<std::string> found;
  int count = 0;
  if (driver.deviceGetCount(&count) != CUDA_SUCCESS) return found;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    CUdevice device = 0;
    int mode = 0;
    char name[256] = "";
    if (driver.deviceGet(&device, ordinal) != CUDA_SUCCESS ||
        driver.deviceGetAttribute(&mode, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, device) !=
            CUDA_SUCCESS ||
        mode != CU_COMPUTEMODE_PROHIBITED) {
      continue;
    }
    static_cast<void>(driver.deviceGetName(name, sizeof name - 1, device));
    found.push_back("device " + std::to_string(ordinal) + " (" + name +
                    "): its compute mode is prohibited (nvidia-smi -c DEFAULT admits processes)");
  }
  return found;
}

}  // namespace

void nameInstances(std::vector<OfferedGpu>& offered, const NvmlReading* nvml) {
  for (OfferedGpu& device : offered) {
    Gpu& gpu = device.gpu;
    for (const NvmlReading::Gpu& whole : nvml ? nvml->gpus : std::vector<NvmlReading::Gpu>()) {
      for (const NvmlReading::Instance& one : whole.instances) {
        if (one.uuid != gpu.uuid) continue;
        gpu.parent = whole.uuid;
        if (gpu.model.find(" MIG ") == std::string::npos &&
            one.model.find(" MIG ") != std::string::npos) {
          gpu.model = one.model;
        }
      }
    }
  }
}

std::vector<std::string> missingInstances(const std::vector<OfferedGpu>& offered,
                                          const NvmlReading& nvml,
                                          std::optional<std::string_view> visible) {
  std::vector<std::string> missing;
  for (const NvmlReading::Gpu& gpu : nvml.gpus) {
    if (gpu.mig && gpu.instances.empty() && !visible) {
      missing.push_back(gpu.uuid + " (" + gpu.model +
                        "): MIG is on and it has no instance (nvidia-smi mig -cgi creates some)");
    }
    for (const NvmlReading::Instance& one : gpu.instances) {
      bool isOffered = std::any_of(offered.begin(), offered.end(), [&](const OfferedGpu& device) {
        return device.gpu.uuid == one.uuid;
      });
      if (isOffered || (visible && !names(*visible, one.uuid))) continue;
      missing.push_back(one.uuid + " (" + one.model +
                        "): this driver does not show it to a process beside the others; start "
                        "another node with CUDA_VISIBLE_DEVICES=" + one.uuid);
    }
  }
  return missing;
}

std::vector<std::string> sharesInForce(const Driver& driver) {
  const std::pair<const char*, bool> kNeeded[] = {
      {"cuDeviceGetDevResource", driver.deviceGetDevResource != nullptr},
      {"cuDevSmResourceSplitByCount", driver.devSmResourceSplitByCount != nullptr},
      {"cuDevResourceGenerateDesc", driver.devResourceGenerateDesc != nullptr},
      {"cuGreenCtxCreate", driver.greenCtxCreate != nullptr},
      {"cuCtxFromGreenCtx", driver.ctxFromGreenCtx != nullptr},
      {"cuGreenCtxStreamCreate", driver.greenCtxStreamCreate != nullptr},
  };
  std::string sm = "sm share: yes, by green contexts";
  for (auto& [symbol, there] : kNeeded) {
    if (!there) sm = "sm share: no (the driver lacks " + std::string(symbol) + ")";
  }
  return {"shares: stream priority, memory bound", sm};
}

Survey survey(const Loaded* loaded, const std::string& why, std::vector<OfferedGpu> offered,
              std::optional<std::string_view> visible, const std::string& nvmlLibrary) {
  Survey made;
  made.offered = std::move(offered);
  made.features.push_back("driver: " + (loaded ? loaded->title() : why));
  if (!loaded) return made;
  made.notOffered = prohibited(loaded->driver);
  made.peers = askPeers(loaded->driver, made.offered);

  std::string links = "links: from peer attributes";
  if (!loaded->emulated) {
    auto nvml = nvml::load(nvmlLibrary);
    if (nvml) {
      made.nvml = readNvml(*nvml.value());
      links = "links: from NVML " + made.nvml->version;
      for (const std::string& complaint : made.nvml->complaints) links += "; " + complaint;
      for (std::string& line : missingInstances(made.offered, *made.nvml, visible)) {
        made.notOffered.push_back(std::move(line));
      }
    } else {
      links += " (" + nvml.error().why + ")";
    }
  }
  if (made.offered.empty()) {
    if (!why.empty()) made.features.push_back("gpus: none, " + why);
    return made;
  }
  for (std::string& line : sharesInForce(loaded->driver)) made.features.push_back(line);
  made.features.push_back(links);
  nameInstances(made.offered, made.nvml ? &*made.nvml : nullptr);
  return made;
}

}  // namespace alnilam::gpu
