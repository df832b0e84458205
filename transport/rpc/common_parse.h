#pragma once
// The insides of common_codec.cc that other codecs build on: as `read`, but what is wrong is thrown
// as `Broken` (parts.h), to be caught at the outer codec's door.

#include "transport/rpc/common_codec.h"
#include "transport/rpc/parts.h"

#include <algorithm>
#include <vector>

namespace alnilam::rpc {

ResourceSet parse(schema::ResourceSet::Reader from);
Topology parse(schema::Topology::Reader from);
std::vector<WithdrawnGpu> parse(capnp::List<schema::WithdrawnGpu>::Reader from);
std::vector<DeviceMemoryUse> parse(capnp::List<schema::DeviceMemory>::Reader from);
TaskClass parse(schema::TaskClass::Reader from);
Failure parse(schema::Failure::Reader from);
NodeAddress parse(schema::NodeAddress::Reader from);

std::vector<FailurePtr> parseFailures(capnp::List<schema::Failure>::Reader from);

// Which states a list of values may hold.
enum class ValuesOf {
  puts,     // held or stored
  inputs,   // those, or pending: made where the task is assigned to
  answers,  // held, stored or failed
};
ObjectValues parse(capnp::List<schema::ObjectValue>::Reader from, ValuesOf kind,
                   const std::vector<FailurePtr>& failures);

// The failure at `index`; refused if there is none.
const FailurePtr& failureAt(const std::vector<FailurePtr>& failures, std::uint32_t index);

// Copies what Result has or throws its refusal as Broken.
template <typename T>
T orBreak(Result<T> result) {
  if (!result) throw Broken{result.error()};
  return std::move(result).value();
}

// A bounded list of structs, each by `take`.
template <typename T, typename List, typename Take>
std::vector<T> takeAll(List list, std::uint64_t most, const char* what, Take&& take) {
  atMost(list.size(), most, what);
  std::vector<T> out;
  out.reserve(std::min<std::size_t>(list.size(), kMostReserved));
  for (auto element : list) out.push_back(take(element));
  return out;
}

// Fills a list of structs, each by `fill`; leaves it null where there is nothing.
template <typename T, typename Init, typename Fill>
void fillAll(const std::vector<T>& from, Init&& init, Fill&& fill) {
  if (from.empty()) return;
  auto list = init(static_cast<unsigned>(from.size()));
  for (unsigned i = 0; i < from.size(); ++i) fill(from[i], list[i]);
}

}  // namespace alnilam::rpc
