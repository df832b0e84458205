#include "gpu/discovery/offered.h"

#include "gpu/driver/error.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <tuple>

namespace alnilam::gpu {
namespace {

std::string_view trim(std::string_view text) {
  auto isSpace = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && isSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool startsWithIgnoringCase(std::string_view text, std::string_view prefix) {
  auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// The index in `devices` that `entry` names.
std::optional<std::size_t> find(const std::vector<OfferedGpu>& devices, std::string_view entry) {
  std::size_t index = 0;
  auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), index);
  if (error == std::errc() && end == entry.data() + entry.size()) {
    return index < devices.size() ? std::optional(index) : std::nullopt;
  }
  bool isUuid = startsWithIgnoringCase(entry, "GPU-") || startsWithIgnoringCase(entry, "MIG-") ||
                startsWithIgnoringCase(entry, "EMU-");
  std::optional<std::size_t> only;
  for (std::size_t i = 0; isUuid && i < devices.size(); ++i) {
    if (!startsWithIgnoringCase(devices[i].gpu.uuid, entry)) continue;
    if (only) return std::nullopt;  // ambiguous
    only = i;
  }
  return only;
}

// What the driver says of one device; the first failed call is kept.
class Question {
 public:
  Question(const Driver& driver, CUdevice device) : driver_(driver), device_(device) {}

  int attribute(CUdevice_attribute which) {
    int value = 0;
    note(driver_.deviceGetAttribute(&value, which, device_), "cuDeviceGetAttribute");
    return value;
  }
  std::string name() {
    char text[256] = {};
    note(driver_.deviceGetName(text, sizeof text - 1, device_), "cuDeviceGetName");
    return text;
  }
  Bytes memory() {
    std::size_t bytes = 0;
    note(driver_.deviceTotalMem(&bytes, device_), "cuDeviceTotalMem");
    return bytes;
  }
  std::string pciAddress() {
    char text[32] = {};
    note(driver_.deviceGetPCIBusId(text, sizeof text - 1, device_), "cuDeviceGetPCIBusId");
    std::string address = text;
    for (char& c : address) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return address;
  }
  std::string uuid(const char* prefix) {
    CUuuid raw = {};
    note(driver_.deviceGetUuid(&raw, device_), "cuDeviceGetUuid");
    std::string text = prefix;
    for (std::size_t i = 0; i < sizeof raw.bytes; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
      text += "0123456789abcdef"[(raw.bytes[i] >> 4) & 15];
      text += "0123456789abcdef"[raw.bytes[i] & 15];
    }
    return text;
  }
  const std::optional<DriverError>& error() const { return error_; }

 private:
  void note(CUresult code, const char* call) {
    if (!error_) error_ = check(code, call);
  }

  const Driver& driver_;
  CUdevice device_;
  std::optional<DriverError> error_;
};

}  // namespace

Result<std::vector<OfferedGpu>> offer(const Loaded& loaded,
                                      std::optional<std::string_view> visible) {
  const Driver& driver = loaded.driver;
  auto refuse = [&](const DriverError& error) {
    return Refusal{RefusalCode::unavailable,
                   "the " + loaded.title() + " does not answer: " + describe(driver, error)};
  };
  int count = 0;
  if (auto error = check(driver.deviceGetCount(&count), "cuDeviceGetCount")) return refuse(*error);
  std::vector<OfferedGpu> devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    CUdevice handle = 0;
    auto error = check(driver.deviceGet(&handle, ordinal), "cuDeviceGet");
    if (error) return refuse(*error);
    Question ask(driver, handle);
    OfferedGpu device;
    device.ordinal = ordinal;
    device.gpu.emulated = loaded.emulated;
    device.gpu.model = ask.name();
    // A MIG instance says what it is in its name only.
    bool isPart = device.gpu.model.find(" MIG ") != std::string::npos;
    device.gpu.uuid = ask.uuid(loaded.emulated ? "EMU-" : isPart ? "MIG-" : "GPU-");
    device.gpu.pciAddress = ask.pciAddress();
    if (isPart) device.gpu.parent = device.gpu.pciAddress;
    device.gpu.memory = ask.memory();
    auto unsignedAttribute = [&](CUdevice_attribute which) {
      return static_cast<std::uint32_t>(std::max(0, ask.attribute(which)));
    };
    device.gpu.multiprocessors = unsignedAttribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    device.gpu.copyEngines = unsignedAttribute(CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT);
    device.gpu.errorCorrection = ask.attribute(CU_DEVICE_ATTRIBUTE_ECC_ENABLED) == 1;
    int computeMode = ask.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE);
    device.gpu.exclusive = computeMode == CU_COMPUTEMODE_EXCLUSIVE_PROCESS;
    device.gpu.computeCapability =
        unsignedAttribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) * 10 +
        unsignedAttribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    if (ask.error()) return refuse(*ask.error());
    if (computeMode == CU_COMPUTEMODE_PROHIBITED) continue;  // survey.h names it
    // Drivers before 12.2 do not know this one.
    int numaNode = -1;
    if (driver.deviceGetAttribute(&numaNode, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, handle) ==
        CUDA_SUCCESS) {
      device.numaNode = numaNode;
    }
    devices.push_back(std::move(device));
  }
  sortByBus(devices);
  if (loaded.emulated) keepVisible(devices, visible);
  return devices;
}

void sortByBus(std::vector<OfferedGpu>& devices) {
  std::sort(devices.begin(), devices.end(), [](const OfferedGpu& a, const OfferedGpu& b) {
    auto key = [](const OfferedGpu& d) {
      return std::tuple(d.gpu.pciAddress.empty(), d.gpu.pciAddress, d.ordinal);
    };
    return key(a) < key(b);
  });
}

std::vector<OfferedGpu> arrange(const std::vector<OfferedGpu>& devices,
                                const std::vector<std::string>& uuids) {
  std::vector<OfferedGpu> arranged;
  for (const std::string& uuid : uuids) {
    auto at = std::find_if(devices.begin(), devices.end(),
                           [&](const OfferedGpu& device) { return device.gpu.uuid == uuid; });
    if (at != devices.end()) {
      arranged.push_back(*at);
      continue;
    }
    OfferedGpu& missing = arranged.emplace_back();
    missing.ordinal = OfferedGpu::kNotShown;
    missing.gpu.uuid = uuid;
  }
  return arranged;
}

void keepVisible(std::vector<OfferedGpu>& devices, std::optional<std::string_view> visible) {
  if (!visible) return;
  std::vector<bool> named(devices.size());
  std::string_view rest = *visible;
  for (bool more = true; more;) {
    std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    auto index = find(devices, trim(rest.substr(0, comma)));
    if (!index) break;
    named[*index] = true;
    if (more) rest.remove_prefix(comma + 1);
  }
  std::vector<OfferedGpu> kept;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (named[i]) kept.push_back(std::move(devices[i]));
  }
  devices = std::move(kept);
}

}  // namespace alnilam::gpu
