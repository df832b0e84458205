// C = C + A B for tiles that lie in memory whole, row after row.
//
// A block of 16 by 16 threads makes 16 by 16 elements of C.  It walks along A's row of blocks and
// B's column of blocks, and brings one of each into shared memory at a step, so that each element
// is read from memory once for 16 products.  What sticks out of a tile counts as zero.
//
// A is rows x inner, B is inner x columns, C is rows x columns.  Grid: x over C's columns, y over
// its rows, 16 by 16 threads.

namespace {

constexpr unsigned kSide = 16;

}  // namespace

extern "C" __global__ void multiplyAdd(const float* a, const float* b, float* c, unsigned rows,
                                       unsigned inner, unsigned columns) {
  __shared__ float left[kSide][kSide];
  __shared__ float right[kSide][kSide];
  unsigned x = threadIdx.x, y = threadIdx.y;
  unsigned row = blockIdx.y * kSide + y, column = blockIdx.x * kSide + x;
  float sum = 0;
  for (unsigned step = 0; step < inner; step += kSide) {
    left[y][x] = row < rows && step + x < inner ? a[row * inner + step + x] : 0.f;
    right[y][x] = step + y < inner && column < columns ? b[(step + y) * columns + column] : 0.f;
    __syncthreads();
#pragma unroll
    for (unsigned k = 0; k < kSide; ++k) sum += left[y][k] * right[k][x];
    __syncthreads();
  }
  if (row < rows && column < columns) c[row * columns + column] += sum;
}
