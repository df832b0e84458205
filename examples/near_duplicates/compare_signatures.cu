// Which rows of two blocks of a MinHash signature matrix agree in at least `needed` of 128 values.
//
// A thread decides one pair; 16 by 16 threads share two tiles of 16 rows, so that each row is read
// from memory once for 16 pairs.  The tiles' rows are 132 values apart: eight threads that read
// four values each then touch 32 different banks.  A pair that can no longer reach `needed` is left
// early, which never changes the answer; most pairs have nothing in common and end after one step.
//
// `left` and `right` are rows of 128 values, row-major, aligned to 16 bytes.  Bit j % 32 of
// agree[i * ((rightRows + 31) / 32) + j / 32] is set where row i of left agrees with row j of
// right; the caller clears `agree` before.  Grid: x over right's rows, y over left's, 16 by 16
// threads.

namespace {

constexpr unsigned kValues = 128;
constexpr unsigned kSide = 16;
constexpr unsigned kStride = kValues + 4;
constexpr unsigned kStep = 32;  // values between two looks at whether to go on

// Thread (x, y) brings the quarters x and x + 16 of row y; a quarter is four values.
__device__ void loadTile(const unsigned* rows, unsigned count, unsigned first, unsigned* tile) {
  if (first + threadIdx.y >= count) return;
  auto* from = reinterpret_cast<const uint4*>(&rows[(first + threadIdx.y) * kValues]);
  auto* to = reinterpret_cast<uint4*>(&tile[threadIdx.y * kStride]);
  to[threadIdx.x] = from[threadIdx.x];
  to[threadIdx.x + kSide] = from[threadIdx.x + kSide];
}

}  // namespace

extern "C" __global__ void compareSignatures(const unsigned* left, unsigned leftRows,
                                             const unsigned* right, unsigned rightRows,
                                             unsigned needed, unsigned* agree) {
  __shared__ __align__(16) unsigned leftTile[kSide * kStride];
  __shared__ __align__(16) unsigned rightTile[kSide * kStride];
  unsigned firstRight = blockIdx.x * kSide, firstLeft = blockIdx.y * kSide;
  loadTile(left, leftRows, firstLeft, leftTile);
  loadTile(right, rightRows, firstRight, rightTile);
  __syncthreads();

  unsigned i = firstLeft + threadIdx.y, j = firstRight + threadIdx.x;
  if (i >= leftRows || j >= rightRows) return;
  unsigned equal = 0;
  for (unsigned k = 0; k < kValues && equal + (kValues - k) >= needed; k += kStep) {
#pragma unroll
    for (unsigned at = 0; at < kStep; at += 4) {
      uint4 a = *reinterpret_cast<const uint4*>(&leftTile[threadIdx.y * kStride + k + at]);
      uint4 b = *reinterpret_cast<const uint4*>(&rightTile[threadIdx.x * kStride + k + at]);
      equal += (a.x == b.x) + (a.y == b.y) + (a.z == b.z) + (a.w == b.w);
    }
  }
  if (equal >= needed) atomicOr(&agree[i * ((rightRows + 31) / 32) + j / 32], 1u << (j % 32));
}
