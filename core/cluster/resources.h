#pragma once
// What a task asks for and what a node has, exactly.
//
// Amounts of processors are fixed-point, 1/10,000 of one, because 0.1 + 0.2 must be 0.3 after a
// million allocations; memory is in bytes.  Nothing here is floating point except the two doors
// through which people's numbers come in (`Amount::from`) and go out (`Amount::asDouble`).
//
// A set is an amount of each kind: cpus, gpus, memory, gpuMemory, and named ones ("license"),
// which only have to match by name.  Named amounts are kept sorted by name and never zero.
//
// Errors: subtracting more than there is, is a bug, never a negative amount.

#include "core/base/error.h"
#include "core/base/units.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace alnilam {

struct Amount {
  static constexpr std::int64_t kPerUnit = 10'000;
  static constexpr std::int64_t kMaxUnits = 1'000'000;  // a million processors of one kind a node

  std::int64_t parts = 0;  // 1/10,000; never negative

  // The nearest amount; refuses (invalid, naming `what` and the value) NaN, infinities, negative
  // numbers, more than kMaxUnits, and what is above zero and rounds to zero.
  static Result<Amount> from(double units, std::string_view what);
  static constexpr Amount whole(std::int64_t units) { return {units * kPerUnit}; }

  double asDouble() const { return static_cast<double>(parts) / kPerUnit; }
  constexpr auto operator<=>(const Amount&) const = default;
};

// "1", "0.25", "2.5": the shortest text that reads back as the same amount.
std::string show(Amount amount);

// "256MiB", "6GiB", "1000B": the largest binary unit that divides it, else with one decimal.
std::string showBytes(Bytes bytes);

// Reads "4GiB", "512MiB", "1.5KiB", "100" (bytes).  Refuses anything else, naming the text.
Result<Bytes> parseBytes(std::string_view text);

struct NamedAmount {
  std::string name;
  Amount amount;
  auto operator<=>(const NamedAmount&) const = default;
};

struct ResourceSet {
  Amount cpus;
  Amount gpus;
  Bytes memory = 0;     // bytes of host memory
  Bytes gpuMemory = 0;  // bytes of device memory, the sum over the devices of the task
  std::vector<NamedAmount> named;

  bool operator==(const ResourceSet&) const = default;

  // Whether `need` could be taken out of this set.  O(named).
  bool covers(const ResourceSet& need) const;

  // How many times `need` fits, at most `most`.  A set that asks for nothing fits `most` times.
  std::uint64_t timesCovers(const ResourceSet& need, std::uint64_t most) const;

  void add(const ResourceSet& more);
  void subtract(const ResourceSet& less);  // a bug unless covers(less)

  // The first resource of `need` that this set lacks: "gpus", "memory", or a named one; none if it
  // covers.
  std::optional<std::string> firstLack(const ResourceSet& need) const;

  // Refuses (invalid, naming the resource and the value) what no honest peer sends: amounts below
  // zero or above Amount::kMaxUnits, more than kMaxBytes, named ones that are unsorted, doubled,
  // zero, or without a name.  Whoever takes a set from outside calls this first; after it, no sum
  // of two sets overflows.
  Result<bool> check() const;

  static constexpr Bytes kMaxBytes = Bytes{1} << 62;
  static constexpr std::size_t kMaxNamed = 64;
  static constexpr std::size_t kMaxName = 256;  // bytes
};

// "cpu=2,gpu=0.5,gpu.memory=6GiB,memory=4GiB,license=1"; zero amounts are left out; "nothing".
std::string show(const ResourceSet& set);

}  // namespace alnilam
