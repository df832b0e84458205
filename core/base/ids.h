#pragma once
// Names for things, as numbers that cannot be mixed up.
//
// A task and the object it returns carry the same number: a task has one result, so a ref to the
// result is enough to speak of both.  Values that a program `put`s draw from the same counter.
// The number is drawn by the program that submits, densely from 1 for each job, so that submitting
// needs no round trip and every table indexed by it is a flat array.
//
//   TaskId / ObjectId   63........32 31........0
//                       job          index in the job, from 1
//   JobId               31....24 23........0
//                       cell     number in the cell, from 1
//
// Ids carry the cell because no head may assume that it is the only one (DESIGN 12).
//
// Zero is never a valid id: it means "none".

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace alnilam {

template <typename Tag, typename Rep>
struct Id {
  Rep value{};

  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
};

using JobId = Id<struct JobTag, std::uint32_t>;
using NodeId = Id<struct NodeTag, std::uint32_t>;            // dense from 1, given by the head
using Incarnation = Id<struct IncarnationTag, std::uint64_t>;  // grows with every start of a node
using Epoch = Id<struct EpochTag, std::uint64_t>;            // grows with every start of a head
using ExecutorId = Id<struct ExecutorTag, std::uint32_t>;    // one node's, never used again
using SlotId = Id<struct SlotTag, std::uint32_t>;            // one node's, never used again
using Attempt = Id<struct AttemptTag, std::uint32_t>;        // from 1, one more with each try

// A class of tasks within its job: tasks that ask the same.  Dense from 0; only with a JobId.
using ClassIndex = std::uint32_t;

struct ObjectId {
  std::uint64_t value{};

  static constexpr ObjectId make(JobId job, std::uint32_t index) {
    return {(std::uint64_t{job.value} << 32) | index};
  }
  constexpr JobId job() const { return {static_cast<std::uint32_t>(value >> 32)}; }
  constexpr std::uint32_t index() const { return static_cast<std::uint32_t>(value); }
  constexpr auto operator<=>(const ObjectId&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
};

// A task is spoken of by the object it returns.
using TaskId = ObjectId;

inline constexpr std::uint32_t kCellShift = 24;

// "3", or "2:3" in another cell than the first.  What users see and type.
inline std::string show(JobId id) {
  std::uint32_t cell = id.value >> kCellShift, number = id.value & ((1u << kCellShift) - 1);
  return (cell > 1 ? std::to_string(cell) + ":" : "") + std::to_string(number);
}

// "3.17": job 3, index 17.
inline std::string show(ObjectId id) { return show(id.job()) + "." + std::to_string(id.index()); }

}  // namespace alnilam
