#pragma once
// Expressions over three integers of one type, compiled twice: by nvcc into random.ptx, which the
// emulator runs, and by the host's compiler, whose results it must equal bit for bit.
//
// All of it is defined behaviour: arithmetic is done in an unsigned type where it may wrap, shift
// counts are reduced, divisors are odd.

#ifdef __CUDACC__
#define ALNILAM_BOTH __device__ __forceinline__
#else
#define ALNILAM_BOTH inline
#endif

constexpr int kRandomResults = 20;

template <typename T>
struct Wrapping;  // the unsigned type in which T's arithmetic is done
template <>
struct Wrapping<int> { using Type = unsigned; };
template <>
struct Wrapping<unsigned> { using Type = unsigned; };
template <>
struct Wrapping<long long> { using Type = unsigned long long; };
template <>
struct Wrapping<unsigned long long> { using Type = unsigned long long; };
template <>
struct Wrapping<short> { using Type = unsigned; };
template <>
struct Wrapping<unsigned short> { using Type = unsigned; };
template <>
struct Wrapping<signed char> { using Type = unsigned; };
template <>
struct Wrapping<unsigned char> { using Type = unsigned; };

template <typename T>
ALNILAM_BOTH void randomOps(T a, T b, T c, T* out) {
  using U = typename Wrapping<T>::Type;
  constexpr U kBits = sizeof(T) * 8;
  U x = static_cast<U>(a), y = static_cast<U>(b), z = static_cast<U>(c);
  U count = z & (kBits - 1);
  T divisor = static_cast<T>((b & 0x3f) | 1);
  out[0] = static_cast<T>(x + y);
  out[1] = static_cast<T>(x - y);
  out[2] = static_cast<T>(x * y);
  out[3] = static_cast<T>(x * y + z);
  out[4] = static_cast<T>(a / divisor);
  out[5] = static_cast<T>(a % divisor);
  out[6] = static_cast<T>(x & y);
  out[7] = static_cast<T>(x | y);
  out[8] = static_cast<T>(x ^ ~y);
  out[9] = static_cast<T>(x << count);
  out[10] = static_cast<T>(a >> count);
  out[11] = a < b ? a : b;
  out[12] = a > b ? a : b;
  out[13] = static_cast<T>(a == b ? z : x);
  out[14] = static_cast<T>((a < c) + 2 * (b <= c) + 4 * (a != c) + 8 * (b >= a));
  out[15] = static_cast<T>(a < 0 ? U(0) - x : x);
  out[16] = static_cast<T>((x & y) | (~x & z));
  out[17] = static_cast<T>((x & y) ^ (x & z) ^ (y & z));
  out[18] = static_cast<T>((x << count) | (x >> ((kBits - count) & (kBits - 1))));
  out[19] = static_cast<T>((x ^ z) * static_cast<U>(0x9e3779b97f4a7c15ull) + (y >> 3));
}
