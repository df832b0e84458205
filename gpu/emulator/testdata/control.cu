// Divergence, calls, votes, vectors, local arrays: what makes control flow and layout hard.

// Collatz steps: each lane leaves the loop at its own time.
extern "C" __global__ void collatz(const unsigned* in, unsigned* steps, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned long long x = in[i];
  unsigned count = 0;
  while (x != 1) {
    if (x & 1) x = 3 * x + 1;
    else x >>= 1;
    if (++count == 10000) break;
  }
  steps[i] = count;
}

// A leader for each group of lanes that hold the same key counts them (warp-aggregated atomics).
extern "C" __global__ void countOdd(const int* in, int* odd, unsigned* ballots, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  bool is = i < n && (in[i] & 1);
  unsigned votes = __ballot_sync(~0u, is);
  if (threadIdx.x % 32 == 0) ballots[i / 32] = votes;
  if (is) {
    unsigned active = __activemask();
    int leader = __ffs(active) - 1;
    if (threadIdx.x % 32 == leader) atomicAdd(odd, __popc(active));
  }
  if (__all_sync(~0u, is)) atomicAdd(odd + 1, threadIdx.x % 32 == 0);
  if (__any_sync(~0u, is)) atomicAdd(odd + 2, threadIdx.x % 32 == 0);
}

__noinline__ __device__ int power(int base, int exponent) {
  int result = 1;
  for (; exponent > 0; --exponent) result *= base;
  return result;
}

struct Pair {
  int a;
  double b;
};
__noinline__ __device__ Pair makePair(int a, Pair other) { return {a + other.a, a * other.b}; }

extern "C" __global__ void calls(const int* in, double* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  Pair pair = makePair(power(in[i], i % 4), Pair{i, 0.5});
  out[i] = pair.a + pair.b;
}

// An array per thread, indexed by a value: local memory.
extern "C" __global__ void localSort(const int* in, int* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int a[8];
  for (int k = 0; k < 8; ++k) a[k] = in[i * 8 + k];
  for (int k = 1; k < 8; ++k) {
    int v = a[k], j = k - 1;
    while (j >= 0 && a[j] > v) {
      a[j + 1] = a[j];
      --j;
    }
    a[j + 1] = v;
  }
  for (int k = 0; k < 8; ++k) out[i * 8 + k] = a[k];
}

extern "C" __global__ void vectors(const float4* in, float4* out, const int2* ins, int2* outs,
                                   int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float4 v = in[i];
  out[i] = make_float4(v.w, v.z, v.y, v.x + 1);
  int2 w = ins[i];
  outs[i] = make_int2(w.y, -w.x);
}

struct Options {
  int scale;
  short shift;
  float weights[3];
  long long* counter;
};
// A structure by value.
extern "C" __global__ void structured(Options options, const float* in, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = in[i] * options.scale * options.weights[i % 3] + options.shift;
  atomicAdd(reinterpret_cast<unsigned long long*>(options.counter), 1ull);
}

__device__ int counters[4] = {0, 10, 20, 30};
__device__ unsigned lock;

extern "C" __global__ void globals() {
  atomicAdd(&counters[threadIdx.x % 4], 1);
  atomicMax(&counters[0], static_cast<int>(threadIdx.x));
}

// Every thread takes a lock in turn; lanes of a warp must not starve the one that holds it.
extern "C" __global__ void locked(int* sum) {
  bool done = false;
  while (!done) {
    if (atomicCAS(&lock, 0u, 1u) == 0u) {
      volatile int* shared = sum;
      *shared = *shared + 1;
      __threadfence();
      atomicExch(&lock, 0u);
      done = true;
    }
  }
}

extern "C" __global__ void switches(const int* in, int* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int x = in[i];
  switch (x % 7) {
    case 0: out[i] = x * 3; break;
    case 1: out[i] = x ^ 0x55; break;
    case 2: out[i] = x / 5; break;
    case 3: out[i] = x % 11; break;
    case 4: out[i] = __brev(x); break;
    case 5: out[i] = __clz(x); break;
    default: out[i] = -x; break;
  }
}

extern "C" __global__ void outOfBounds(int* out, long long index) { out[index] = 7; }
extern "C" __global__ void readNull(int* out) { out[0] = *reinterpret_cast<int*>(out[1] - out[1]); }
extern "C" __global__ void traps(int* out) {
  if (out[threadIdx.x] == 1) __trap();
}
extern "C" __global__ void empty() {}
extern "C" __global__ void spin(volatile int* flag, int rounds) {
  for (int i = 0; i < rounds; ++i) *flag += 1;
}
