// Kernels over matrices, row-major.

constexpr int kTile = 16;

// C = A * B; A is m*k, B is k*n.  Blocks of kTile x kTile threads.
extern "C" __global__ void gemm(const float* a, const float* b, float* c, int m, int n, int k) {
  __shared__ float as[kTile][kTile];
  __shared__ float bs[kTile][kTile];
  int row = blockIdx.y * kTile + threadIdx.y;
  int column = blockIdx.x * kTile + threadIdx.x;
  float sum = 0;
  for (int base = 0; base < k; base += kTile) {
    int ak = base + threadIdx.x, bk = base + threadIdx.y;
    as[threadIdx.y][threadIdx.x] = row < m && ak < k ? a[row * k + ak] : 0;
    bs[threadIdx.y][threadIdx.x] = bk < k && column < n ? b[bk * n + column] : 0;
    __syncthreads();
    for (int i = 0; i < kTile; ++i) sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

// out (width*height) is in (height*width) transposed.  Blocks of 32 x 8 threads.
extern "C" __global__ void transpose(const float* in, float* out, int height, int width) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x;
  for (int j = 0; j < 32; j += 8) {
    int y = blockIdx.y * 32 + threadIdx.y + j;
    if (x < width && y < height) tile[threadIdx.y + j][threadIdx.x] = in[y * width + x];
  }
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x;
  for (int j = 0; j < 32; j += 8) {
    int y = blockIdx.x * 32 + threadIdx.y + j;
    if (x < height && y < width) out[y * height + x] = tile[threadIdx.x][threadIdx.y + j];
  }
}

__constant__ float kWeights[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};

// 3x3 convolution with clamped borders.
extern "C" __global__ void stencil(const float* in, float* out, int height, int width) {
  int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  if (x >= width || y >= height) return;
  float sum = 0;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      int sy = min(max(y + dy, 0), height - 1), sx = min(max(x + dx, 0), width - 1);
      sum += kWeights[(dy + 1) * 3 + dx + 1] * in[sy * width + sx];
    }
  }
  out[y * width + x] = sum / 16;
}

// For each pair (row of left, row of right) the number of equal values among `values`.
extern "C" __global__ void signatureEqual(const unsigned* left, const unsigned* right,
                                          unsigned short* equal, int leftCount, int rightCount,
                                          int values) {
  int r = blockIdx.x * blockDim.x + threadIdx.x, l = blockIdx.y * blockDim.y + threadIdx.y;
  if (l >= leftCount || r >= rightCount) return;
  int count = 0;
  for (int i = 0; i < values; ++i) count += left[l * values + i] == right[r * values + i];
  equal[l * rightCount + r] = count;
}

// For each pair the number of differing bits among `words` 64-bit words.
extern "C" __global__ void hamming(const unsigned long long* left, const unsigned long long* right,
                                   int* bits, int leftCount, int rightCount, int words) {
  int r = blockIdx.x * blockDim.x + threadIdx.x, l = blockIdx.y * blockDim.y + threadIdx.y;
  if (l >= leftCount || r >= rightCount) return;
  int count = 0;
  for (int i = 0; i < words; ++i) count += __popcll(left[l * words + i] ^ right[r * words + i]);
  bits[l * rightCount + r] = count;
}
