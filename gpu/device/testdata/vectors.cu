// Kernels of the device layer's tests: the smallest that show what a test is after.

extern "C" __global__ void scale(const float* in, float* out, unsigned count, float factor) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = in[i] * factor;
}

extern "C" __global__ void addTo(int* values, unsigned count, int amount) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] += amount;
}

// Writes where nothing is.
extern "C" __global__ void astray(int* values) {
  values[0x10000000000ull] = 1;
}
