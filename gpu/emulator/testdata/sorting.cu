// Kernels that make up larger algorithms: a scan over many blocks, a radix sort, histograms in
// every kind of memory.

constexpr int kDigits = 16;       // a pass of the sort looks at 4 bits
constexpr int kSortThreads = 128;

// Inclusive prefix sums of any length in one launch: each block waits for the sum of the one before
// (a chained scan).  `sums` holds a zeroed word a block, whose top bit says that it's there.
extern "C" __global__ void scanChained(const unsigned* in, unsigned* out, unsigned* sums, int n) {
  extern __shared__ unsigned part[];
  __shared__ unsigned before;
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  part[t] = i < n ? in[i] : 0;
  __syncthreads();
  for (int offset = 1; offset < blockDim.x; offset *= 2) {
    unsigned below = t >= offset ? part[t - offset] : 0;
    __syncthreads();
    part[t] += below;
    __syncthreads();
  }
  if (t == 0) {
    volatile unsigned* ready = sums;
    unsigned sum = 0;
    if (blockIdx.x > 0) {
      while (!((sum = ready[blockIdx.x - 1]) & 0x80000000u)) {}
      sum &= 0x7fffffffu;
    }
    before = sum;
    ready[blockIdx.x] = (sum + part[blockDim.x - 1]) | 0x80000000u;
  }
  __syncthreads();
  if (i < n) out[i] = before + part[t];
}

// One pass of a stable radix sort by bits shift..shift+3.  First: how often each digit is in each
// block; counts[digit * blocks + block].
extern "C" __global__ void radixCount(const unsigned* keys, unsigned* counts, int n, int shift) {
  __shared__ unsigned local[kDigits];
  if (threadIdx.x < kDigits) local[threadIdx.x] = 0;
  __syncthreads();
  int i = blockIdx.x * kSortThreads + threadIdx.x;
  if (i < n) atomicAdd(&local[(keys[i] >> shift) & (kDigits - 1)], 1u);
  __syncthreads();
  if (threadIdx.x < kDigits) counts[threadIdx.x * gridDim.x + blockIdx.x] = local[threadIdx.x];
}

// Then, with `starts` the exclusive prefix sums of counts: each key to its place.  The rank of a
// key within its block is by ballots within warps and counters between them.
extern "C" __global__ void radixScatter(const unsigned* keys, const unsigned* values,
                                        const unsigned* starts, unsigned* keysOut,
                                        unsigned* valuesOut, int n, int shift) {
  constexpr int kWarps = kSortThreads / 32;
  __shared__ unsigned counts[kWarps][kDigits];
  int t = threadIdx.x, lane = t % 32, warp = t / 32, i = blockIdx.x * kSortThreads + t;
  for (int d = t; d < kWarps * kDigits; d += kSortThreads) counts[d / kDigits][d % kDigits] = 0;
  __syncthreads();
  bool there = i < n;
  unsigned key = there ? keys[i] : 0, digit = (key >> shift) & (kDigits - 1);
  unsigned same = __ballot_sync(~0u, there);
  for (int bit = 0; bit < 4; ++bit) {
    unsigned ones = __ballot_sync(~0u, (digit >> bit) & 1);
    same &= (digit >> bit) & 1 ? ones : ~ones;
  }
  unsigned rank = __popc(same & ((1u << lane) - 1));
  if (there && rank == 0) counts[warp][digit] = __popc(same);
  __syncthreads();
  if (!there) return;
  unsigned to = starts[digit * gridDim.x + blockIdx.x] + rank;
  for (int w = 0; w < warp; ++w) to += counts[w][digit];
  keysOut[to] = key;
  valuesOut[to] = values[i];
}

// Bytes by value, straight into global memory: every thread contends.
extern "C" __global__ void histogramGlobal(const unsigned char* in, unsigned long long* bins,
                                           int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&bins[in[i]], 1ull);
  }
}

// As many bins as dynamic shared memory holds, beyond what a block has without asking.
extern "C" __global__ void histogramWide(const unsigned short* in, unsigned* bins, int binCount,
                                         int n) {
  extern __shared__ unsigned wide[];
  for (int b = threadIdx.x; b < binCount; b += blockDim.x) wide[b] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) atomicAdd(&wide[in[i] % binCount], 1u);
  __syncthreads();
  for (int b = threadIdx.x; b < binCount; b += blockDim.x) bins[b] = wide[b];
}

// Bitonic sort of one block's values in shared memory; blockDim.x is a power of two.
extern "C" __global__ void bitonicSort(float* values) {
  extern __shared__ float shared[];
  int t = threadIdx.x;
  shared[t] = values[blockIdx.x * blockDim.x + t];
  for (int size = 2; size <= blockDim.x; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      int other = t ^ stride;
      if (other > t) {
        bool up = (t & size) == 0;
        float a = shared[t], b = shared[other];
        if ((a > b) == up) {
          shared[t] = b;
          shared[other] = a;
        }
      }
    }
  }
  __syncthreads();
  values[blockIdx.x * blockDim.x + t] = shared[t];
}
