// What threads of a block do together: named and partial barriers, reductions at barriers, matches,
// reductions of warps, atomics of every kind, half precision.

#include <cuda_fp16.h>

// Half of the block produces, the other half consumes, in turns, by two named barriers: producers
// only arrive at "full", consumers only arrive at "empty".  64 threads.
extern "C" __global__ void pipeline(const int* in, int* out, int rounds) {
  __shared__ int slot[32];
  int lane = threadIdx.x % 32;
  bool produces = threadIdx.x < 32;
  for (int r = 0; r < rounds; ++r) {
    if (produces) {
      if (r > 0) asm volatile("barrier.sync 2, 64;" ::: "memory");
      slot[lane] = in[r * 32 + lane] * 3;
      asm volatile("barrier.arrive 1, 64;" ::: "memory");
    } else {
      asm volatile("barrier.sync 1, 64;" ::: "memory");
      out[r * 32 + lane] = slot[31 - lane];
      if (r + 1 < rounds) asm volatile("barrier.arrive 2, 64;" ::: "memory");
    }
  }
}

// Each group of 32 threads waits for itself only, as often as its number says.
extern "C" __global__ void partial(int* out) {
  __shared__ int turn[8];
  int group = threadIdx.x / 32;
  if (threadIdx.x % 32 == 0) turn[group] = 0;
  for (int i = 0; i <= group; ++i) {
    asm volatile("bar.sync %0, 32;" ::"r"(group + 1) : "memory");
    if (threadIdx.x % 32 == 0) turn[group] += group;
    asm volatile("bar.sync %0, 32;" ::"r"(group + 1) : "memory");
  }
  __syncthreads();
  out[threadIdx.x] = turn[7 - group];
}

// Reductions of a predicate at the barrier.
extern "C" __global__ void barrierReductions(const int* in, int* out) {
  int value = in[blockIdx.x * blockDim.x + threadIdx.x];
  int count = __syncthreads_count(value > 10);
  int all = __syncthreads_and(value > 0);
  int any = __syncthreads_or(value > 90);
  if (threadIdx.x == 0) {
    out[blockIdx.x * 3] = count;
    out[blockIdx.x * 3 + 1] = all != 0;
    out[blockIdx.x * 3 + 2] = any != 0;
  }
}

// Which lanes hold the same value, for the whole warp and for the even lanes alone.
extern "C" __global__ void matches(const int* in, const long long* wide, unsigned* out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int same = 0;
  unsigned* o = out + i * 4;
  o[0] = __match_any_sync(~0u, in[i]);
  o[1] = __match_any_sync(~0u, wide[i]);
  o[2] = __match_all_sync(~0u, in[i] / 100, &same);
  o[3] = threadIdx.x % 2 == 0 ? __match_any_sync(0x55555555u, in[i]) : same;
}

// Reductions over a warp in one instruction where there are such, by shuffles where there aren't.
template <typename T, typename F>
__device__ T byShuffles(T value, F join) {
  for (int offset = 16; offset > 0; offset /= 2) {
    value = join(value, __shfl_xor_sync(~0u, value, offset));
  }
  return value;
}
extern "C" __global__ void warpReductions(const unsigned* in, unsigned* out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned x = in[i], *o = out + i * 6;
#if __CUDA_ARCH__ >= 800
  o[0] = __reduce_add_sync(~0u, x);
  o[1] = __reduce_min_sync(~0u, x);
  o[2] = __reduce_max_sync(~0u, static_cast<int>(x));
  o[3] = __reduce_and_sync(~0u, x);
  o[4] = __reduce_or_sync(~0u, x);
  o[5] = __reduce_xor_sync(~0u, x);
#else
  o[0] = byShuffles(x, [](unsigned a, unsigned b) { return a + b; });
  o[1] = byShuffles(x, [](unsigned a, unsigned b) { return min(a, b); });
  o[2] = byShuffles(static_cast<int>(x), [](int a, int b) { return max(a, b); });
  o[3] = byShuffles(x, [](unsigned a, unsigned b) { return a & b; });
  o[4] = byShuffles(x, [](unsigned a, unsigned b) { return a | b; });
  o[5] = byShuffles(x, [](unsigned a, unsigned b) { return a ^ b; });
#endif
}

// One word for each atomic operation, by all threads at once: results that don't depend on order.
extern "C" __global__ void atomics(int* s, unsigned* u, unsigned long long* l, float* f,
                                   double* d) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&s[0], i);
  atomicSub(&s[1], i);
  atomicMin(&s[2], -i);
  atomicMax(&s[3], i);
  atomicAnd(&u[0], ~(1u << (i % 31)));
  atomicOr(&u[1], 1u << (i % 30));
  atomicXor(&u[2], static_cast<unsigned>(i) * 2654435761u);
  atomicInc(&u[3], 99);
  atomicDec(&u[4], 99);
  atomicAdd(&l[0], static_cast<unsigned long long>(i) << 20);
  atomicMax(&l[1], static_cast<unsigned long long>(i) << 33);
  unsigned long long old = l[2], seen;
  do {
    seen = old;
    old = atomicCAS(&l[2], seen, seen + 3);
  } while (old != seen);
  atomicAdd(&f[0], 0.5f);
  atomicAdd(&d[0], 0.25);
  atomicExch(&u[5], 7u);
  __shared__ int shared;
  if (threadIdx.x == 0) shared = 0;
  __syncthreads();
  atomicAdd(&shared, i);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(&s[4], shared);
}

// y = a * x + y in half precision, two at a time and one at a time; odd ones take twice as much.
extern "C" __global__ void saxpyHalf(float a, const __half* x, __half* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (2 * i + 1 < n) {
    auto* x2 = reinterpret_cast<const __half2*>(x);
    auto* y2 = reinterpret_cast<__half2*>(y);
    __half2 twice = __floats2half2_rn(a, 2 * a);
    y2[i] = __hfma2(twice, x2[i], y2[i]);
  } else if (2 * i < n) {
    y[2 * i] = __hadd(__hmul(__float2half(a), x[2 * i]), y[2 * i]);
  }
}
extern "C" __global__ void halfOps(const __half* in, __half* out, int* bits, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  __half x = in[i], y = in[(i + 1) % n];
  __half* o = out + i * 8;
  o[0] = __hadd(x, y);
  o[1] = __hsub(x, y);
  o[2] = __hmul(x, y);
  o[3] = __hneg(x);
  o[4] = __habs(x);
  o[5] = __hlt(x, y) ? x : y;
  o[6] = __float2half(__half2float(x) * 0.5f);
  o[7] = __int2half_rn(i);
  bits[i] = __half2int_rz(x);
}

extern "C" __global__ void threeDimensional(int* out, int width, int height, int depth) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  int z = blockIdx.z * blockDim.z + threadIdx.z;
  if (x >= width || y >= height || z >= depth) return;
  out[(z * height + y) * width + x] = x + 100 * y + 10000 * z;
}


// Conversions that make zeros of subnormal numbers.
extern "C" __global__ void flushes(const float* in, const double* wide, float* out, double* outWide,
                                   int* ints, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  asm("cvt.rn.ftz.f32.f64 %0, %1;" : "=f"(out[i]) : "d"(wide[i]));
  asm("cvt.ftz.f64.f32 %0, %1;" : "=d"(outWide[i]) : "f"(in[i]));
  asm("cvt.rpi.ftz.s32.f32 %0, %1;" : "=r"(ints[i]) : "f"(in[i]));
}
