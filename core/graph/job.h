#pragma once
// What a program may ask of the cluster as a whole: its part of it, and what it must never exceed.
//
// A weight says how large a job's part is to be when several jobs wait for the same: one with twice
// the weight of another gets twice as much of what both want (core/placement/share.h).  A quota is
// a hard bound: what the job's tasks hold at a time never exceeds it, though all else be idle.
//
// Errors: parse and check refuse (invalid), naming the resource and the value.

#include "core/cluster/resources.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam {

// The most that may be held at a time.  What is not given is not bounded; 0 allows none of it.
struct Quota {
  std::optional<Amount> cpus{};
  std::optional<Amount> gpus{};
  std::optional<Bytes> memory{};
  std::optional<Bytes> gpuMemory{};
  std::vector<NamedAmount> named{};  // sorted by name

  bool operator==(const Quota&) const = default;

  bool isBounded() const { return *this != Quota{}; }

  // How many times `need` may be held beside `held`, at most `most`.
  std::uint64_t timesCovers(const ResourceSet& held, const ResourceSet& need,
                            std::uint64_t most) const;

  // The first resource of which `need` beside `held` is more than allowed; none if all is well.
  std::optional<std::string> firstLack(const ResourceSet& held, const ResourceSet& need) const;

  Result<bool> check() const;

  // Reads "cpu=8,gpu=2,memory=64GiB,gpu.memory=40GiB,license=1"; an empty text bounds nothing.
  static Result<Quota> parse(std::string_view text);
};

std::string show(const Quota& quota);  // as parse reads it; "nothing" if it bounds nothing

struct JobShare {
  std::uint32_t weight = kDefaultWeight;
  Quota quota{};

  bool operator==(const JobShare&) const = default;

  Result<bool> check() const;

  // As the weights of control groups: a hundred is what everybody has.
  static constexpr std::uint32_t kDefaultWeight = 100;
  static constexpr std::uint32_t kMaxWeight = 10'000;
};

// Reads "250".
Result<std::uint32_t> parseWeight(std::string_view text);

}  // namespace alnilam
