#include "gpu/discovery/stand_in.h"

#include "gpu/discovery/machine.h"

#include <cctype>
#include <optional>
#include <string_view>

namespace alnilam::gpu {
namespace {

constexpr std::string_view kMatch = "match";

struct Model {
  std::string_view name;  // as the emulator calls it, and as it occurs in the vendor's names
  Bytes memory;           // that it is sold with, where there is one size only
};
// Longer names first: "A100" also begins with "A10".  Source: vendor's data sheets.
const Model kModels[] = {
    {"A100", 0},      {"A10", 24_GiB}, {"L40S", 48_GiB}, {"L4", 24_GiB},
    {"H100", 80_GiB}, {"H200", 141_GiB}, {"B200", 180_GiB}, {"T4", 16_GiB},
};

Refusal invalid(std::string why) {
  return {RefusalCode::invalid, "--emulate-gpus=match: " + std::move(why)};
}

// The model's name as a word: "Tesla T4" has T4, "T400" has not.
bool isNamed(std::string_view text, std::string_view model) {
  std::size_t at = text.find(model);
  if (at == std::string_view::npos) return false;
  auto isWord = [&](std::size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  return (at == 0 || !isWord(at - 1)) && !isWord(at + model.size());
}

const Model* modelOf(const Gpu& gpu) {
  for (const Model& model : kModels) {
    if (isNamed(gpu.model, model.name)) return &model;
  }
  return nullptr;
}

// "32GB" in a model's name, as the vendor counts: in GiB.
Bytes memoryInName(std::string_view name) {
  constexpr std::string_view kUnit = "GB";
  for (std::size_t at = name.find(kUnit); at != name.npos; at = name.find(kUnit, at + 1)) {
    Bytes number = 0;
    Bytes place = 1;
    for (std::size_t i = at; i > 0 && std::isdigit(static_cast<unsigned char>(name[i - 1])); --i) {
      number += place * static_cast<Bytes>(name[i - 1] - '0');
      place *= 10;
      if (place > 100'000) break;
    }
    if (number != 0) return number * 1_GiB;
  }
  return 0;
}

std::string plainBytes(Bytes bytes) { return std::to_string(bytes / 1024) + "KiB"; }

std::string linksOf(const Topology& machine) {
  std::size_t n = machine.gpus.size();
  std::string text = "links=none@all";
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const GpuLink& link = machine.links[i * n + j];
      if (link.kind == LinkClass::host) continue;
      text += link.kind == LinkClass::nvlink ? ",nvlink" : ",pcie";
      std::uint32_t gigabytes = (link.megabytesPerSecond + 500) / 1000;
      if (gigabytes != 0) text += ":" + std::to_string(gigabytes) + "GB/s";
      text += "@" + std::to_string(i) + "-" + std::to_string(j);
    }
  }
  return text;
}

}  // namespace

Result<std::string> matchMachine(const Topology& machine, const std::string& options) {
  if (machine.gpus.empty()) return invalid(machine.source + " has no GPU");
  std::string settings = options;
  std::optional<Bytes> each;
  if (settings.starts_with(':')) {
    std::size_t end = std::min(settings.find(';'), settings.size());
    auto size = parseBytes(settings.substr(1, end - 1));
    if (!size) return size.error();
    each = size.value();
    settings.erase(0, end);
  }
  if (!settings.empty() && settings.front() != ';') {
    return invalid("\"" + settings + "\" is neither :SIZE nor ;SETTING");
  }

  std::string devices, addresses;
  for (std::size_t i = 0; i < machine.gpus.size(); ++i) {
    const Gpu& gpu = machine.gpus[i];
    const Model* model = modelOf(gpu);
    Bytes memory = each.value_or(gpu.memory);
    if (memory == 0) memory = memoryInName(gpu.model);
    if (memory == 0 && model) memory = model->memory;
    if (memory == 0) {
      return invalid("nobody knows the memory of GPU " + std::to_string(i) + ", a " + gpu.model +
                     "; say it, for instance match:16GiB");
    }
    devices += (devices.empty() ? "" : ",") + std::string("1x");
    if (model) devices += std::string(model->name) + ":";
    devices += plainBytes(memory);
    addresses += ";pci=" + gpu.pciAddress + "@" + std::to_string(i);
  }
  return devices + addresses + ";" + linksOf(machine) + settings;
}

Result<std::string> matchEmulation(const std::string& emulate, const Source& source) {
  if (!emulate.starts_with(kMatch)) return emulate;
  if (source.kind == Source::Kind::live) {
    return invalid("there is no --topology whose GPUs could be stood in for");
  }
  auto machine = readMachine(source);
  if (!machine) return machine.error();
  return matchMachine(machine.value(), emulate.substr(kMatch.size()));
}

}  // namespace alnilam::gpu
