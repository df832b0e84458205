// Kernels over one-dimensional data: each is a common shape of real code, small enough to check.

extern "C" __global__ void saxpy(float a, const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

// Adds all of `in` into *out: a tree in shared memory for each block, one atomic a block.
extern "C" __global__ void blockSum(const int* in, int* out, int n) {
  extern __shared__ int part[];
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += in[i];
  }
  part[threadIdx.x] = sum;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(out, part[0]);
}

// The same by warp shuffles, in floating point.
extern "C" __global__ void warpSum(const float* in, float* out, int n) {
  __shared__ float warps[32];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    sum += in[i];
  }
  for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(~0u, sum, offset);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (lane == 0) warps[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    sum = lane < blockDim.x / 32 ? warps[lane] : 0;
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
    if (lane == 0) atomicAdd(out, sum);
  }
}

// Inclusive prefix sums within each block; `totals`, if given, gets each block's sum.
extern "C" __global__ void scanBlock(const int* in, int* out, int* totals, int n) {
  __shared__ int warps[32];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int value = i < n ? in[i] : 0;
  for (int offset = 1; offset < 32; offset *= 2) {
    int below = __shfl_up_sync(~0u, value, offset);
    if (lane >= offset) value += below;
  }
  if (lane == 31) warps[warp] = value;
  __syncthreads();
  if (warp == 0) {
    int sum = lane < blockDim.x / 32 ? warps[lane] : 0;
    for (int offset = 1; offset < 32; offset *= 2) {
      int below = __shfl_up_sync(~0u, sum, offset);
      if (lane >= offset) sum += below;
    }
    warps[lane] = sum;
  }
  __syncthreads();
  if (warp > 0) value += warps[warp - 1];
  if (i < n) out[i] = value;
  if (totals && threadIdx.x == blockDim.x - 1) totals[blockIdx.x] = value;
}

// Counts bytes by value: private counters in shared memory, then added to the global ones.
extern "C" __global__ void histogram(const unsigned char* in, unsigned* bins, int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&local[in[i]], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    if (local[i]) atomicAdd(&bins[i], local[i]);
  }
}

// Gaussian error linear unit, by tanh and by erf.
extern "C" __global__ void geluTanh(const float* in, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float x = in[i];
  out[i] = 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
}
extern "C" __global__ void geluErf(const float* in, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] * normcdff(in[i]);
}

// The distinct functions of libdevice that user code calls most, in float and in double.
extern "C" __global__ void mathFloat(const float* in, float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float x = in[i];
  float* o = out + i * 16;
  o[0] = sqrtf(fabsf(x));
  o[1] = rsqrtf(fabsf(x) + 1);
  o[2] = expf(x);
  o[3] = logf(fabsf(x) + 1e-3f);
  o[4] = sinf(x);
  o[5] = cosf(x);
  o[6] = powf(fabsf(x) + 0.5f, 1.7f);
  o[7] = floorf(x);
  o[8] = ceilf(x);
  o[9] = rintf(x);
  o[10] = truncf(x);
  o[11] = fmodf(x, 3.0f);
  o[12] = x / 3.0f;
  o[13] = __expf(x);
  o[14] = __sinf(x);
  o[15] = fminf(fmaxf(x, -1.0f), 1.0f);
}
extern "C" __global__ void mathDouble(const double* in, double* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double x = in[i];
  double* o = out + i * 8;
  o[0] = sqrt(fabs(x));
  o[1] = exp(x);
  o[2] = log(fabs(x) + 1e-3);
  o[3] = sin(x);
  o[4] = x / 3.0;
  o[5] = floor(x);
  o[6] = 1.0 / (fabs(x) + 1.0);
  o[7] = fma(x, x, 1.0);
}
