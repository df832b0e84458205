// Integer and conversion instructions of every width, one result each, for a differential test: the
// same expressions are compiled by the host's compiler (random_test.cc).

#include "gpu/emulator/testdata/random_ops.h"

#define ALNILAM_KERNEL(Type, name)                                                          \
  extern "C" __global__ void name(const Type* a, const Type* b, const Type* c, Type* out,   \
                                  int n) {                                                  \
    int i = blockIdx.x * blockDim.x + threadIdx.x;                                          \
    if (i < n) randomOps(a[i], b[i], c[i], out + static_cast<long long>(i) * kRandomResults); \
  }

ALNILAM_KERNEL(int, randomS32)
ALNILAM_KERNEL(unsigned, randomU32)
ALNILAM_KERNEL(long long, randomS64)
ALNILAM_KERNEL(unsigned long long, randomU64)
ALNILAM_KERNEL(short, randomS16)
ALNILAM_KERNEL(unsigned short, randomU16)
ALNILAM_KERNEL(signed char, randomS8)
ALNILAM_KERNEL(unsigned char, randomU8)

// Instructions that C++ has no operator for; the test's references are written out by hand.
extern "C" __global__ void bitOps(const unsigned* a, const unsigned* b, const unsigned* c,
                                  unsigned* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned x = a[i], y = b[i], z = c[i];
  unsigned* o = out + i * 16;
  o[0] = __popc(x);
  o[1] = __clz(x);
  o[2] = __brev(x);
  o[3] = __byte_perm(x, y, z);
  o[4] = __umulhi(x, y);
  o[5] = __mulhi(static_cast<int>(x), static_cast<int>(y));
  o[6] = __funnelshift_l(x, y, z);
  o[7] = __funnelshift_r(x, y, z);
  asm("bfe.u32 %0, %1, %2, %3;" : "=r"(o[8]) : "r"(x), "r"(y), "r"(z));
  asm("bfe.s32 %0, %1, %2, %3;" : "=r"(o[9]) : "r"(x), "r"(y), "r"(z));
  asm("bfi.b32 %0, %1, %2, %3, %4;" : "=r"(o[10]) : "r"(x), "r"(y), "r"(z & 63), "r"(y >> 27));
  o[11] = __sad(static_cast<int>(x), static_cast<int>(y), z);
  o[12] = __usad(x, y, z);
  asm("shl.b32 %0, %1, %2;" : "=r"(o[13]) : "r"(x), "r"(z & 63));
  asm("shr.s32 %0, %1, %2;" : "=r"(o[14]) : "r"(x), "r"(z & 63));
  o[15] = __mul24(static_cast<int>(x), static_cast<int>(y));
}

extern "C" __global__ void convert(const float* f, const double* d, const int* s, unsigned* out32,
                                   unsigned long long* out64, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned* o = out32 + i * 16;
  unsigned long long* p = out64 + i * 16;
  o[0] = __float2int_rn(f[i]);
  o[1] = __float2int_rz(f[i]);
  o[2] = __float2int_ru(f[i]);
  o[3] = __float2int_rd(f[i]);
  o[4] = __float2uint_rz(f[i]);
  o[5] = __float_as_uint(__int2float_rn(s[i]));
  o[6] = __float_as_uint(__int2float_rz(s[i]));
  o[7] = __float_as_uint(__uint2float_ru(static_cast<unsigned>(s[i])));
  o[8] = __float_as_uint(__double2float_rn(d[i]));
  o[9] = __float_as_uint(__double2float_rz(d[i]));
  o[10] = __double2int_rz(d[i]);
  o[11] = static_cast<unsigned>(static_cast<signed char>(s[i]));
  o[12] = static_cast<unsigned>(static_cast<unsigned short>(s[i]));
  o[13] = __float_as_uint(__fadd_rz(f[i], 1.0f / 3));
  o[14] = __float_as_uint(__fmul_ru(f[i], 1.0f / 3));
  o[15] = __float_as_uint(__fdiv_rn(f[i], 7.0f));
  p[0] = __double_as_longlong(static_cast<double>(f[i]));
  p[1] = __double2ll_rz(d[i]);
  p[2] = __double2ull_rn(d[i]);
  p[3] = __double_as_longlong(__ll2double_rn(static_cast<long long>(s[i]) * 0x12345678ll));
  p[4] = __float2ll_rz(f[i]);
  p[5] = __double_as_longlong(__dadd_ru(d[i], 1.0 / 3));
  p[6] = __double_as_longlong(__dmul_rd(d[i], 1.0 / 3));
  p[7] = __double_as_longlong(__drcp_rn(d[i]));
  p[8] = __double_as_longlong(rint(d[i]));
  p[9] = __double_as_longlong(trunc(d[i]));
  p[10] = __umul64hi(p[1], p[3]);
  p[11] = __mul64hi(static_cast<long long>(p[1]), static_cast<long long>(p[3]));
  p[12] = __popcll(p[3]);
  p[13] = __clzll(p[3]);
  p[14] = __brevll(p[3]);
  p[15] = __double_as_longlong(__dsqrt_rn(fabs(d[i])));
}
