#pragma once
// IEEE half precision, to and from what the host computes with.
//
// Not every processor has instructions for it, and g++ knows no portable type, so it's done on the
// bits: to float exactly; from float or double rounded to nearest, ties to even, once.
//
// In a namespace of each instruction set's own, as everything that routines are made of.

#include <cmath>
#include <cstdint>

namespace alnilam::gpu::emulator::ALNILAM_LANES {

inline float floatOf(std::uint16_t half) {
  std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31, rest = half & 0x3ffu;
  if (exponent == 31) return __builtin_bit_cast(float, sign | 0x7f800000u | (rest << 13));
  if (exponent != 0) {
    return __builtin_bit_cast(float, sign | ((exponent + 112) << 23) | (rest << 13));
  }
  float magnitude = static_cast<float>(rest) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

inline std::uint16_t halfOf(double value) {
  std::uint64_t bits = __builtin_bit_cast(std::uint64_t, value);
  std::uint16_t sign = static_cast<std::uint16_t>((bits >> 48) & 0x8000u);
  double magnitude = __builtin_bit_cast(double, bits & 0x7fffffffffffffffull);
  if (magnitude != magnitude) return 0x7fff;
  if (magnitude >= 65520.0) return sign | 0x7c00;
  // Adding and subtracting this number rounds to the last bit that a half of this size has.
  int exponent = static_cast<int>((bits >> 52) & 2047) - 1023;
  if (exponent < -14) exponent = -14;
  double unit = __builtin_bit_cast(double, static_cast<std::uint64_t>(exponent - 10 + 1023) << 52);
  auto count = static_cast<std::uint32_t>(__builtin_rint(magnitude / unit));
  // count is 1024..2048 for a normal number and less for a subnormal one; a carry runs over into
  // the exponent as it should.
  std::uint32_t biased = static_cast<std::uint32_t>(exponent + 15);
  std::uint32_t packed = count < 1024 ? count : ((biased - 1) << 10) + count;
  return static_cast<std::uint16_t>(sign | packed);
}

}  // namespace alnilam::gpu::emulator::ALNILAM_LANES
