#include "core/graph/job.h"

#include <algorithm>
#include <charconv>

namespace alnilam {
namespace {

std::uint64_t partsOf(Amount amount) { return static_cast<std::uint64_t>(amount.parts); }

std::uint64_t namedIn(const ResourceSet& set, const std::string& name) {
  for (const NamedAmount& one : set.named) {
    if (one.name == name) return partsOf(one.amount);
  }
  return 0;
}

// Calls `see(name, most, held, need)` for each resource that the quota bounds and `need` asks for.
template <typename See>
void eachBound(const Quota& quota, const ResourceSet& held, const ResourceSet& need, See&& see) {
  auto amount = [&](const char* name, std::optional<Amount> most, Amount has, Amount wants) {
    if (most && wants.parts != 0) see(name, partsOf(*most), partsOf(has), partsOf(wants));
  };
  auto bytes = [&](const char* name, std::optional<Bytes> most, Bytes has, Bytes wants) {
    if (most && wants != 0) see(name, *most, has, wants);
  };
  amount("cpus", quota.cpus, held.cpus, need.cpus);
  amount("gpus", quota.gpus, held.gpus, need.gpus);
  bytes("memory", quota.memory, held.memory, need.memory);
  bytes("gpuMemory", quota.gpuMemory, held.gpuMemory, need.gpuMemory);
  for (const NamedAmount& one : quota.named) {
    std::uint64_t wants = namedIn(need, one.name);
    if (wants != 0) see(one.name.c_str(), partsOf(one.amount), namedIn(held, one.name), wants);
  }
}

Refusal invalid(std::string why) { return {RefusalCode::invalid, std::move(why)}; }

Result<Amount> amountOf(std::string_view text, std::string_view what) {
  double units = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), units);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return invalid(std::string(what) + " is not a number: \"" + std::string(text) + "\"");
  }
  return Amount::from(units, what);
}

}  // namespace

std::uint64_t Quota::timesCovers(const ResourceSet& held, const ResourceSet& need,
                                 std::uint64_t most) const {
  eachBound(*this, held, need, [&](const char*, auto bound, auto has, auto wants) {
    most = std::min(most, (bound - std::min(bound, has)) / wants);
  });
  return most;
}

std::optional<std::string> Quota::firstLack(const ResourceSet& held,
                                            const ResourceSet& need) const {
  std::optional<std::string> lack;
  eachBound(*this, held, need, [&](const char* name, auto bound, auto has, auto wants) {
    if (!lack && bound - std::min(bound, has) < wants) lack = name;
  });
  return lack;
}

Result<bool> Quota::check() const {
  ResourceSet all{cpus.value_or(Amount{}), gpus.value_or(Amount{}), memory.value_or(0),
                  gpuMemory.value_or(0), {}};
  if (auto checked = all.check(); !checked) return checked;
  if (named.size() > ResourceSet::kMaxNamed) {
    return invalid("a quota names " + std::to_string(named.size()) + " resources, at most " +
                   std::to_string(ResourceSet::kMaxNamed) + " are allowed");
  }
  for (std::size_t i = 0; i < named.size(); ++i) {
    const NamedAmount& one = named[i];
    if (one.name.empty() || one.name.size() > ResourceSet::kMaxName) {
      return invalid("a resource that a quota names has a name of " +
                     std::to_string(one.name.size()) + " bytes");
    }
    if (one.amount.parts < 0 || one.amount > Amount::whole(Amount::kMaxUnits)) {
      return invalid("the quota of " + one.name + " is out of range: " + show(one.amount));
    }
    if (i > 0 && named[i - 1].name >= one.name) {
      return invalid("a quota names " + one.name + " twice, or is not sorted");
    }
  }
  return true;
}

Result<Quota> Quota::parse(std::string_view text) {
  Quota quota;
  while (!text.empty()) {
    std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    std::size_t split = part.find('=');
    if (split == part.npos || split == 0) {
      return invalid("a quota is written as cpu=8,memory=64GiB, not \"" + std::string(part) +
                     "\"");
    }
    std::string name(part.substr(0, split));
    std::string_view value = part.substr(split + 1);
    if (name == "memory" || name == "gpu.memory") {
      Result<Bytes> bytes = parseBytes(value);
      if (!bytes) return bytes.error();
      (name == "memory" ? quota.memory : quota.gpuMemory) = bytes.value();
      continue;
    }
    Result<Amount> amount = amountOf(value, name);
    if (!amount) return amount.error();
    if (name == "cpu") quota.cpus = amount.value();
    else if (name == "gpu") quota.gpus = amount.value();
    else quota.named.push_back({std::move(name), amount.value()});
  }
  std::sort(quota.named.begin(), quota.named.end());
  if (auto checked = quota.check(); !checked) return checked.error();
  return quota;
}

std::string show(const Quota& quota) {
  std::string text;
  auto say = [&](const std::string& name, const std::string& value) {
    text += (text.empty() ? "" : ",") + name + "=" + value;
  };
  if (quota.cpus) say("cpu", show(*quota.cpus));
  if (quota.gpus) say("gpu", show(*quota.gpus));
  if (quota.gpuMemory) say("gpu.memory", showBytes(*quota.gpuMemory));
  if (quota.memory) say("memory", showBytes(*quota.memory));
  for (const NamedAmount& one : quota.named) say(one.name, show(one.amount));
  return text.empty() ? "nothing" : text;
}

Result<bool> JobShare::check() const {
  if (weight == 0 || weight > kMaxWeight) {
    return invalid("a job's weight is 1 to " + std::to_string(kMaxWeight) + ", not " +
                   std::to_string(weight));
  }
  return quota.check();
}

Result<std::uint32_t> parseWeight(std::string_view text) {
  JobShare share;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share.weight);
  bool isWhole = error == std::errc{} && end == text.data() + text.size();
  if (!isWhole || !share.check()) {
    return invalid("a job's weight is 1 to " + std::to_string(JobShare::kMaxWeight) + ", not \"" +
                   std::string(text) + "\"");
  }
  return share.weight;
}

}  // namespace alnilam
