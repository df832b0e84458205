#include "gpu/emulator/config.h"

#include <charconv>
#include <cstring>
#include <optional>

namespace alnilam::gpu::emulator {
namespace {

struct Model {
  std::string_view name;
  int major, minor, multiprocessors, copyEngines;
};
const Model kModels[] = {
    {"T4", 7, 5, 40, 3},    {"A100", 8, 0, 108, 3}, {"A10", 8, 6, 72, 2},   {"L4", 8, 9, 58, 2},
    {"L40S", 8, 9, 142, 2}, {"H100", 9, 0, 132, 3}, {"H200", 9, 0, 132, 3}, {"B200", 10, 0, 148, 3},
};

Refusal refuse(std::string_view part, std::string_view why) {
  return {RefusalCode::invalid, "emulated GPUs: '" + std::string(part) + "' " + std::string(why) +
                                    "; write for example 2x4GiB or 4xH100:80GiB"};
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename T>
std::optional<T> number(std::string_view text, int base = 10) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> bytesOf(std::string_view text) {
  static const std::pair<std::string_view, int> kUnits[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  for (auto& [unit, shift] : kUnits) {
    if (text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) continue;
    auto count = number<std::uint64_t>(text.substr(0, text.size() - unit.size()));
    if (!count || *count == 0 || *count > (std::uint64_t{1} << (43 - shift))) return std::nullopt;
    return *count << shift;
  }
  return std::nullopt;
}

std::optional<Refusal> addGroup(std::string_view group, std::vector<DeviceConfig>& devices) {
  std::size_t by = group.find('x');
  if (by == std::string_view::npos) return refuse(group, "is not COUNTxSIZE");
  auto count = number<std::uint32_t>(group.substr(0, by));
  if (!count || *count == 0) return refuse(group, "does not start with a number of devices");
  if (*count + devices.size() > kMostDevices) return refuse(group, "makes more than 64 devices");
  DeviceConfig device;
  device.name = "Emulated GPU";
  std::string_view rest = group.substr(by + 1);
  if (std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    std::string_view wanted = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
    const Model* found = nullptr;
    std::string known;
    for (const Model& model : kModels) {
      if (model.name == wanted) found = &model;
      known += (known.empty() ? "" : ", ") + std::string(model.name);
    }
    if (!found) return refuse(group, "names an unknown model (known: " + known + ")");
    device.name = "Emulated " + std::string(found->name);
    device.major = found->major;
    device.minor = found->minor;
    device.multiprocessors = found->multiprocessors;
    device.copyEngines = found->copyEngines;
  }
  auto memory = bytesOf(rest);
  if (!memory) return refuse(group, "does not end in a size of at most 8TiB, such as 4GiB");
  if (*memory < (1u << 20)) return refuse(group, "gives a device less than 1MiB");
  device.memory = *memory;
  devices.insert(devices.end(), *count, device);
  return std::nullopt;
}

bool readPci(std::string_view text, DeviceConfig& device) {
  auto parts = split(text, ':');
  if (parts.size() != 3) return false;
  auto last = split(parts[2], '.');
  if (last.size() != 2) return false;
  auto domain = number<std::uint32_t>(parts[0], 16), bus = number<std::uint32_t>(parts[1], 16);
  auto slot = number<std::uint32_t>(last[0], 16), function = number<std::uint32_t>(last[1], 16);
  if (!domain || !bus || !slot || !function) return false;
  if (*domain > 0xffff || *bus > 0xff || *slot > 0x1f || *function > 7) return false;
  device.pciDomain = *domain;
  device.pciBus = *bus;
  device.pciDevice = *slot;
  device.pciFunction = *function;
  return true;
}

std::optional<Refusal> apply(std::string_view setting, MachineConfig& machine,
                             std::uint64_t& seed) {
  std::vector<DeviceConfig>& devices = machine.devices;
  std::size_t equals = setting.find('=');
  if (equals == std::string_view::npos) return refuse(setting, "is not NAME=VALUE");
  std::string_view name = setting.substr(0, equals), value = setting.substr(equals + 1);
  if (name == "green") {
    if (value != "on" && value != "off") return refuse(setting, "is neither on nor off");
    machine.green = value == "on";
    return std::nullopt;
  }
  std::size_t which = 0;
  if (std::size_t at = value.find('@'); at != std::string_view::npos) {
    auto index = number<std::size_t>(value.substr(at + 1));
    if (!index || *index >= devices.size()) return refuse(setting, "names no device");
    which = *index;
    value = value.substr(0, at);
  }
  DeviceConfig& device = devices[which];
  if (name == "pci") {
    if (!readPci(value, device)) return refuse(setting, "is no PCI address such as 0000:1b:00.0");
    return std::nullopt;
  }
  auto count = number<std::uint64_t>(value);
  if (!count) return refuse(setting, "does not give a number");
  if (name == "seed") seed = *count;
  else if (*count == 0) return refuse(setting, "counts from 1");
  else if (name == "oom") device.failAllocation = *count;
  else if (name == "launch") device.failLaunch = *count;
  else if (name == "lost") device.loseAtLaunch = *count;
  else return refuse(setting, "is not known (known: oom, launch, lost, pci, seed, green)");
  return std::nullopt;
}

std::uint64_t mixed(std::uint64_t x) {  // Source: splitmix64, Vigna 2015
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

Result<MachineConfig> parseConfig(std::string_view text) {
  MachineConfig machine;
  std::vector<DeviceConfig>& devices = machine.devices;
  std::vector<std::string_view> parts = split(text, ';');
  for (std::string_view group : split(parts[0], ',')) {
    if (auto refusal = addGroup(group, devices)) return *refusal;
  }
  // A PCI domain that no machine uses, so that nobody takes an emulated device for a real one.
  for (std::size_t i = 0; i < devices.size(); ++i) {
    devices[i].pciDomain = 0xe000;
    devices[i].pciBus = static_cast<std::uint32_t>(i + 1);
  }
  std::uint64_t seed = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (auto refusal = apply(parts[i], machine, seed)) return *refusal;
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    std::uint64_t first = mixed(seed * kMostDevices + i + 1), second = mixed(first);
    std::memcpy(devices[i].uuid, "EMU-", 4);
    std::memcpy(devices[i].uuid + 4, &first, 8);
    std::memcpy(devices[i].uuid + 12, &second, 4);
  }
  return machine;
}

}  // namespace alnilam::gpu::emulator
