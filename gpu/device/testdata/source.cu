// Has no PTX beside it: its test embeds the source, which NVRTC compiles at run time.

extern "C" __global__ void triple(int* values, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] *= 3;
}
