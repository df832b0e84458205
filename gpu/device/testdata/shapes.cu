// Kernels whose parameters and shared memory the launch tests get wrong.

struct Line {
  double slope;
  float offset;
};

extern "C" __global__ void bend(float* values, unsigned char last, Line line) {
  unsigned i = threadIdx.x;
  if (i <= last) values[i] = static_cast<float>(line.slope) * values[i] + line.offset;
}

// Turns the block's values around, in shared memory that the launch brings.
extern "C" __global__ void reverse(int* values) {
  extern __shared__ int room[];
  room[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}

// At most 64 threads a block, by its author's word, and 1 KiB of shared memory of its own.
extern "C" __global__ void __launch_bounds__(64) narrow(int* values) {
  __shared__ int own[256];
  own[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = own[threadIdx.x ^ 1];
}
