#include "core/cluster/resources.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace alnilam {
namespace {

struct Unit {
  std::string_view suffix;
  Bytes bytes;
};
constexpr std::array<Unit, 5> kUnits = {{{"PiB", 1_TiB * 1024},
                                         {"TiB", 1_TiB},
                                         {"GiB", 1_GiB},
                                         {"MiB", 1_MiB},
                                         {"KiB", 1_KiB}}};

std::string showDouble(double value) {
  std::array<char, 32> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

Refusal refuse(std::string_view what, std::string_view why, std::string_view value) {
  return {RefusalCode::invalid,
          std::string(what) + " " + std::string(why) + ": " + std::string(value)};
}

// What `set` has of a named resource; `at` walks on, so that a sorted list of questions costs one
// pass over both.
Amount amountOf(const ResourceSet& set, const std::string& name, std::size_t& at) {
  while (at < set.named.size() && set.named[at].name < name) ++at;
  if (at < set.named.size() && set.named[at].name == name) return set.named[at].amount;
  return {};
}

}  // namespace

Result<Amount> Amount::from(double units, std::string_view what) {
  if (!std::isfinite(units)) return refuse(what, "is not a number", showDouble(units));
  if (units < 0) return refuse(what, "is negative", showDouble(units));
  if (units > static_cast<double>(kMaxUnits)) {
    return refuse(what, "is more than " + std::to_string(kMaxUnits), showDouble(units));
  }
  auto parts = static_cast<std::int64_t>(std::llround(units * kPerUnit));
  if (parts == 0 && units > 0) {
    return refuse(what, "is less than the smallest share, 0.0001", showDouble(units));
  }
  return Amount{parts};
}

std::string show(Amount amount) {
  constexpr auto kUnit = static_cast<std::uint64_t>(Amount::kPerUnit);
  auto parts = static_cast<std::uint64_t>(amount.parts);
  std::string sign;
  if (amount.parts < 0) {  // only ever in a refusal of what came from outside
    sign = "-";
    parts = 0 - parts;
  }
  std::string text = sign + std::to_string(parts / kUnit);
  if (parts % kUnit == 0) return text;
  std::string digits = std::to_string(kUnit + parts % kUnit).substr(1);
  digits.erase(digits.find_last_not_of('0') + 1);
  return text + "." + digits;
}

std::string showBytes(Bytes bytes) {
  constexpr Bytes kLegible = 9999;  // "1025MiB" reads well, "1048577KiB" does not
  for (const Unit& unit : kUnits) {
    if (bytes >= unit.bytes && bytes % unit.bytes == 0 && bytes / unit.bytes <= kLegible) {
      return std::to_string(bytes / unit.bytes) + std::string(unit.suffix);
    }
  }
  for (const Unit& unit : kUnits) {
    if (bytes < unit.bytes) continue;
    Bytes rest = bytes % unit.bytes;
    Bytes tenths = bytes / unit.bytes * 10 + (rest * 10 + unit.bytes / 2) / unit.bytes;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) +
           std::string(unit.suffix);
  }
  return std::to_string(bytes) + "B";
}

Result<Bytes> parseBytes(std::string_view text) {
  auto refusal = [&] {
    return refuse("a size", "is a number with KiB, MiB, GiB or TiB, such as 4GiB, not",
                  "\"" + std::string(text.substr(0, 64)) + "\"");
  };
  Bytes unit = 1;
  std::string_view number = text;
  for (const Unit& known : kUnits) {
    if (number.ends_with(known.suffix)) {
      unit = known.bytes;
      number.remove_suffix(known.suffix.size());
      break;
    }
  }
  if (unit == 1 && number.ends_with("B")) number.remove_suffix(1);

  Bytes whole = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole);
  if (error != std::errc{}) return refusal();
  std::string_view rest = number.substr(static_cast<std::size_t>(end - number.data()));

  // At most nine decimals, so that nothing below overflows.
  constexpr std::size_t kDecimals = 9;
  Bytes fraction = 0;
  Bytes scale = 1;
  if (!rest.empty()) {
    rest.remove_prefix(1);
    if (*end != '.' || rest.empty() || rest.size() > kDecimals || unit == 1) return refusal();
    for (char digit : rest) {
      if (digit < '0' || digit > '9') return refusal();
      fraction = fraction * 10 + static_cast<Bytes>(digit - '0');
      scale *= 10;
    }
  }
  unsigned __int128 bytes = static_cast<unsigned __int128>(whole) * unit +
                            (static_cast<unsigned __int128>(fraction) * unit + scale / 2) / scale;
  if (bytes > std::numeric_limits<Bytes>::max()) return refusal();
  return static_cast<Bytes>(bytes);
}

bool ResourceSet::covers(const ResourceSet& need) const {
  if (cpus < need.cpus || gpus < need.gpus || memory < need.memory || gpuMemory < need.gpuMemory) {
    return false;
  }
  std::size_t at = 0;
  return std::all_of(need.named.begin(), need.named.end(), [&](const NamedAmount& wanted) {
    return amountOf(*this, wanted.name, at) >= wanted.amount;
  });
}

std::uint64_t ResourceSet::timesCovers(const ResourceSet& need, std::uint64_t most) const {
  std::uint64_t times = most;
  auto bound = [&](std::uint64_t have, std::uint64_t wanted) {
    if (wanted != 0) times = std::min(times, have / wanted);
  };
  auto boundAmount = [&](Amount have, Amount wanted) {
    bound(static_cast<std::uint64_t>(have.parts), static_cast<std::uint64_t>(wanted.parts));
  };
  boundAmount(cpus, need.cpus);
  boundAmount(gpus, need.gpus);
  bound(memory, need.memory);
  bound(gpuMemory, need.gpuMemory);
  std::size_t at = 0;
  for (const NamedAmount& wanted : need.named) {
    boundAmount(amountOf(*this, wanted.name, at), wanted.amount);
  }
  return times;
}

void ResourceSet::add(const ResourceSet& more) {
  cpus.parts += more.cpus.parts;
  gpus.parts += more.gpus.parts;
  ALNILAM_ASSERT(memory + more.memory >= memory);
  memory += more.memory;
  ALNILAM_ASSERT(gpuMemory + more.gpuMemory >= gpuMemory);
  gpuMemory += more.gpuMemory;
  auto at = named.begin();
  for (const NamedAmount& extra : more.named) {
    while (at != named.end() && at->name < extra.name) ++at;
    if (at != named.end() && at->name == extra.name) at->amount.parts += extra.amount.parts;
    else at = named.insert(at, extra);
  }
}

void ResourceSet::subtract(const ResourceSet& less) {
  ALNILAM_ASSERT(covers(less));
  cpus.parts -= less.cpus.parts;
  gpus.parts -= less.gpus.parts;
  memory -= less.memory;
  gpuMemory -= less.gpuMemory;
  if (less.named.empty()) return;
  auto at = named.begin();
  for (const NamedAmount& gone : less.named) {
    while (at != named.end() && at->name < gone.name) ++at;
    if (at == named.end()) break;  // the rest of `less` asks for nothing
    if (at->name == gone.name) at->amount.parts -= gone.amount.parts;
  }
  std::erase_if(named, [](const NamedAmount& one) { return one.amount.parts == 0; });
}

std::optional<std::string> ResourceSet::firstLack(const ResourceSet& need) const {
  if (cpus < need.cpus) return "cpus";
  if (gpus < need.gpus) return "gpus";
  if (memory < need.memory) return "memory";
  if (gpuMemory < need.gpuMemory) return "gpuMemory";
  std::size_t at = 0;
  for (const NamedAmount& wanted : need.named) {
    if (amountOf(*this, wanted.name, at) < wanted.amount) return wanted.name;
  }
  return std::nullopt;
}

Result<bool> ResourceSet::check() const {
  auto bad = [](Amount amount) {
    return amount.parts < 0 || amount.parts > Amount::kMaxUnits * Amount::kPerUnit;
  };
  auto refusal = [](std::string_view what, const std::string& value) {
    return refuse(what, "is out of range", value);
  };
  if (bad(cpus)) return refusal("cpus", show(cpus));
  if (bad(gpus)) return refusal("gpus", show(gpus));
  if (memory > kMaxBytes) return refusal("memory", showBytes(memory));
  if (gpuMemory > kMaxBytes) return refusal("gpuMemory", showBytes(gpuMemory));
  if (named.size() > kMaxNamed) return refusal("named resources", std::to_string(named.size()));
  for (std::size_t i = 0; i < named.size(); ++i) {
    const NamedAmount& one = named[i];
    if (one.name.empty() || one.name.size() > kMaxName) {
      return refuse("a resource's name", "is empty or too long", one.name.substr(0, kMaxName));
    }
    if (bad(one.amount) || one.amount.parts == 0) return refusal(one.name, show(one.amount));
    if (i > 0 && !(named[i - 1].name < one.name)) {
      return refuse("named resources", "are not sorted or name one twice", one.name);
    }
  }
  return true;
}

std::string show(const ResourceSet& set) {
  std::string text;
  auto item = [&](std::string_view name, const std::string& value) {
    if (!text.empty()) text += ",";
    text += name;
    text += "=";
    text += value;
  };
  if (set.cpus.parts != 0) item("cpu", show(set.cpus));
  if (set.gpus.parts != 0) item("gpu", show(set.gpus));
  if (set.gpuMemory != 0) item("gpu.memory", showBytes(set.gpuMemory));
  if (set.memory != 0) item("memory", showBytes(set.memory));
  for (const NamedAmount& one : set.named) item(one.name, show(one.amount));
  return text.empty() ? "nothing" : text;
}

}  // namespace alnilam
