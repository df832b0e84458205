#pragma once
// Bytes and times as types, so that a unit is never a guess.
//
// An Instant is the time since an origin that its owner chose (a process start, virtual zero); it
// means nothing in another process and never crosses the wire.

#include <chrono>
#include <cstdint>

namespace alnilam {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::nanoseconds;

using Bytes = std::uint64_t;

inline namespace literals {
constexpr Bytes operator""_KiB(unsigned long long n) { return n << 10; }
constexpr Bytes operator""_MiB(unsigned long long n) { return n << 20; }
constexpr Bytes operator""_GiB(unsigned long long n) { return n << 30; }
constexpr Bytes operator""_TiB(unsigned long long n) { return n << 40; }
}  // namespace literals

// Values up to this size travel inside messages; larger ones live in a node's store.
constexpr Bytes kInlineLimit = 64_KiB;

}  // namespace alnilam
