#include "gpu/emulator/config.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace alnilam::gpu::emulator {
namespace {

struct Model {
  std::string_view name;
  int major, minor, multiprocessors, copyEngines;
  double hostRate, memoryRate;  // bytes a nanosecond
  int migMultiprocessors;       // of one slice of seven; 0: can't be partitioned
};
// Source: vendor's data sheets; host rates are what PCIe 3, 4 and 5 carry of their 16 lanes.
const Model kModels[] = {
    {"T4", 7, 5, 40, 3, 12, 320, 0},      {"A100", 8, 0, 108, 3, 25, 1935, 14},
    {"A10", 8, 6, 72, 2, 25, 600, 0},     {"L4", 8, 9, 58, 2, 25, 300, 0},
    {"L40S", 8, 9, 142, 2, 25, 864, 0},   {"H100", 9, 0, 132, 3, 50, 3350, 16},
    {"H200", 9, 0, 132, 3, 50, 4800, 16}, {"B200", 10, 0, 148, 3, 50, 8000, 18},
    {"RTX5090", 12, 0, 170, 2, 50, 1792, 0},
};
constexpr double kNvlinkRate = 300;  // where a link gives none: half of what an A100 has in all
constexpr std::uint32_t kMigSlices = 7;

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

// "25GB/s"
std::optional<double> rateOf(std::string_view text) {
  constexpr std::string_view kUnit = "GB/s";
  if (text.size() <= kUnit.size() || text.substr(text.size() - kUnit.size()) != kUnit) {
    return std::nullopt;
  }
  auto rate = number<std::uint32_t>(text.substr(0, text.size() - kUnit.size()));
  if (!rate || *rate == 0 || *rate > 100'000) return std::nullopt;
  return *rate;
}

// Makes `device` the instance of `model` that a profile such as "1g.10gb" names.
std::optional<Refusal> slice(std::string_view group, std::string_view profile, const Model& model,
                             std::uint32_t count, DeviceConfig& device) {
  auto slices = number<std::uint32_t>(profile.substr(0, profile.find("g.")));
  bool named = profile.find("g.") != std::string_view::npos && profile.ends_with("gb");
  if (!named || !slices || *slices == 0 || *slices > kMigSlices) {
    return refuse(group, "has no MIG profile such as 1g.10gb");
  }
  if (model.migMultiprocessors == 0) return refuse(group, "is a model that can't be partitioned");
  if (count * *slices > kMigSlices) return refuse(group, "has more than the 7 slices of one GPU");
  device.name += " MIG " + std::string(profile);
  device.multiprocessors = static_cast<int>(*slices) * model.migMultiprocessors;
  device.copyEngines = 1;
  double share = *slices / static_cast<double>(kMigSlices);
  device.memoryRate *= share;
  device.isMig = true;
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
    std::string_view wanted = rest.substr(0, colon), profile;
    if (std::size_t mig = wanted.find("-MIG-"); mig != std::string_view::npos) {
      profile = wanted.substr(mig + 5);
      wanted = wanted.substr(0, mig);
    }
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
    device.hostRate = found->hostRate;
    device.memoryRate = found->memoryRate;
    if (wanted.size() != colon) {
      if (auto refusal = slice(group, profile, *found, *count, device)) return refusal;
    }
  }
  auto memory = bytesOf(rest);
  if (!memory) return refuse(group, "does not end in a size of at most 8TiB, such as 4GiB");
  if (*memory < (1u << 20)) return refuse(group, "gives a device less than 1MiB");
  device.memory = *memory;
  // A PCI domain that no machine uses, so that nobody takes an emulated device for a real one.
  device.pciDomain = 0xe000;
  device.pciBus = static_cast<std::uint32_t>(devices.size() + 1);
  for (std::uint32_t i = 0; i < *count; ++i) {
    devices.push_back(device);
    if (!device.isMig) ++device.pciBus;
  }
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

// A link of a class whose rate nobody gave.  Without one, copies go to the host and from there.
Link plainLink(LinkClass is, const DeviceConfig& from, const DeviceConfig& to) {
  double byHost = std::min(from.hostRate, to.hostRate);
  if (is == LinkClass::nvlink) return {is, kNvlinkRate};
  return {is, is == LinkClass::pcie ? byHost : byHost / 2};
}

void linkAll(MachineConfig& machine) {
  for (const DeviceConfig& from : machine.devices) {
    for (const DeviceConfig& to : machine.devices) {
      bool apart = from.isMig || to.isMig;
      machine.links.push_back(plainLink(apart ? LinkClass::none : LinkClass::pcie, from, to));
    }
  }
}

// "nvlink:450GB/s@0-1"
std::optional<Refusal> applyLink(std::string_view text, MachineConfig& machine) {
  std::size_t at = text.find('@'), n = machine.devices.size();
  if (at == std::string_view::npos) return refuse(text, "is not CLASS@DEVICE-DEVICE");
  std::string_view name = text.substr(0, at), pair = text.substr(at + 1);
  std::optional<double> rate;
  if (std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    rate = rateOf(name.substr(colon + 1));
    if (!rate) return refuse(text, "has no rate such as 25GB/s");
    name = name.substr(0, colon);
  }
  static const std::pair<std::string_view, LinkClass> kClasses[] = {
      {"nvlink", LinkClass::nvlink}, {"pcie", LinkClass::pcie}, {"none", LinkClass::none}};
  std::optional<LinkClass> is;
  for (auto& [known, value] : kClasses) {
    if (known == name) is = value;
  }
  if (!is) return refuse(text, "is no link (known: nvlink, pcie, none)");
  auto set = [&](std::size_t i, std::size_t j) {
    Link link = plainLink(*is, machine.devices[i], machine.devices[j]);
    machine.links[i * n + j] = {*is, rate.value_or(link.rate)};
  };
  if (pair == "all") {
    for (std::size_t i = 0; i < n * n; ++i) set(i / n, i % n);
    return std::nullopt;
  }
  std::size_t dash = pair.find('-');
  auto from = number<std::size_t>(pair.substr(0, dash));
  auto to = number<std::size_t>(dash == std::string_view::npos ? "" : pair.substr(dash + 1));
  if (!from || !to || *from >= n || *to >= n || *from == *to) {
    return refuse(text, "names no pair of devices");
  }
  set(*from, *to);
  set(*to, *from);
  return std::nullopt;
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
  if (name == "race") {
    auto mode = raceModeOf(value);
    if (!mode) return refuse(setting, "is none of on, count, off");
    machine.race = *mode;
    return std::nullopt;
  }
  if (name == "trace") {
    if (value.empty()) return refuse(setting, "names no file");
    machine.trace = value;
    return std::nullopt;
  }
  std::optional<std::size_t> which;
  if (std::size_t at = value.find('@'); at != std::string_view::npos) {
    auto index = number<std::size_t>(value.substr(at + 1));
    if (!index || *index >= devices.size()) return refuse(setting, "names no device");
    which = *index;
    value = value.substr(0, at);
  }
  if (name == "copy") {
    auto rate = rateOf(value);
    if (!rate) return refuse(setting, "has no rate such as 25GB/s");
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (which.value_or(i) == i) devices[i].hostRate = *rate;
    }
    return std::nullopt;
  }
  DeviceConfig& device = devices[which.value_or(0)];
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
  else {
    return refuse(setting, "is not known (known: oom, launch, lost, pci, copy, links, seed, green, "
                           "trace, race)");
  }
  return std::nullopt;
}

std::uint64_t mixed(std::uint64_t x) {  // Source: splitmix64, Vigna 2015
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

std::optional<RaceMode> raceModeOf(std::string_view text) {
  if (text == "on") return RaceMode::on;
  if (text == "count") return RaceMode::count;
  if (text == "off") return RaceMode::off;
  return std::nullopt;
}

Result<MachineConfig> parseConfig(std::string_view text) {
  MachineConfig machine;
  std::vector<DeviceConfig>& devices = machine.devices;
  std::vector<std::string_view> parts = split(text, ';');
  for (std::string_view group : split(parts[0], ',')) {
    if (auto refusal = addGroup(group, devices)) return *refusal;
  }
  std::uint64_t seed = 0;
  // Links last: they start from what the devices' rates are.
  constexpr std::string_view kLinks = "links=";
  std::vector<std::string_view> links;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].starts_with(kLinks)) {
      auto more = split(parts[i].substr(kLinks.size()), ',');
      links.insert(links.end(), more.begin(), more.end());
    } else if (auto refusal = apply(parts[i], machine, seed)) {
      return *refusal;
    }
  }
  linkAll(machine);
  for (std::string_view link : links) {
    if (auto refusal = applyLink(link, machine)) return *refusal;
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
