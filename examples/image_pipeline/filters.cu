// The two filters on a GPU: a Gaussian blur of RGB pixels and Sobel's edges of gray ones.
//
// Integers throughout, so that the CPU's results (filters.cc) are the same bits: weights are
// 65536ths that add up to 65536; between the two passes of the blur a sample has 8 bits before and
// 8 behind the point.  Beyond an edge the image goes on with its last row or column.
//
// An image is rows of samples from the top, three a pixel for RGB, one for gray.  Each thread makes
// one sample.  Grid: x over a row's samples, y over rows; any block.

namespace {

struct Place {
  unsigned x, y;  // in samples and rows
};

__device__ Place place() {
  return {blockIdx.x * blockDim.x + threadIdx.x, blockIdx.y * blockDim.y + threadIdx.y};
}

__device__ unsigned clamped(int at, unsigned size) {
  return at < 0 ? 0 : at < static_cast<int>(size) ? static_cast<unsigned>(at) : size - 1;
}

}  // namespace

// Along rows.  `weights` are 2 * radius + 1.
extern "C" __global__ void blurRows(const unsigned char* rgb, unsigned width, unsigned height,
                                    const unsigned* weights, unsigned radius,
                                    unsigned short* between) {
  Place at = place();
  if (at.x >= 3 * width || at.y >= height) return;
  const unsigned char* row = rgb + 3ull * width * at.y;
  int pixel = static_cast<int>(at.x / 3), channel = static_cast<int>(at.x % 3);
  unsigned sum = 0;
  for (int k = -static_cast<int>(radius); k <= static_cast<int>(radius); ++k) {
    sum += weights[k + static_cast<int>(radius)] * row[3 * clamped(pixel + k, width) + channel];
  }
  between[3ull * width * at.y + at.x] = static_cast<unsigned short>((sum + 128) >> 8);
}

// Along columns, and back to 8 bits.
extern "C" __global__ void blurColumns(const unsigned short* between, unsigned width,
                                       unsigned height, const unsigned* weights, unsigned radius,
                                       unsigned char* rgb) {
  Place at = place();
  if (at.x >= 3 * width || at.y >= height) return;
  unsigned sum = 0;
  for (int k = -static_cast<int>(radius); k <= static_cast<int>(radius); ++k) {
    unsigned y = clamped(static_cast<int>(at.y) + k, height);
    sum += weights[k + static_cast<int>(radius)] * between[3ull * width * y + at.x];
  }
  rgb[3ull * width * at.y + at.x] = static_cast<unsigned char>((sum + (1u << 23)) >> 24);
}

// The luma of ITU-R BT.601 in 256ths.
extern "C" __global__ void toGray(const unsigned char* rgb, unsigned width, unsigned height,
                                  unsigned char* gray) {
  Place at = place();
  if (at.x >= width || at.y >= height) return;
  const unsigned char* pixel = rgb + 3ull * (1ull * width * at.y + at.x);
  gray[1ull * width * at.y + at.x] =
      static_cast<unsigned char>((77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128) >> 8);
}

// Half the sum of both slopes' sizes, at most 255.
extern "C" __global__ void sobel(const unsigned char* gray, unsigned width, unsigned height,
                                 unsigned char* edges) {
  Place at = place();
  if (at.x >= width || at.y >= height) return;
  int around[3][3];
  for (int dy = -1; dy <= 1; ++dy) {
    const unsigned char* row = gray + 1ull * width * clamped(static_cast<int>(at.y) + dy, height);
    for (int dx = -1; dx <= 1; ++dx) {
      around[dy + 1][dx + 1] = row[clamped(static_cast<int>(at.x) + dx, width)];
    }
  }
  int across = around[0][2] + 2 * around[1][2] + around[2][2] - around[0][0] - 2 * around[1][0] -
               around[2][0];
  int down = around[2][0] + 2 * around[2][1] + around[2][2] - around[0][0] - 2 * around[0][1] -
             around[0][2];
  int size = (abs(across) + abs(down)) / 2;
  edges[1ull * width * at.y + at.x] = static_cast<unsigned char>(size < 255 ? size : 255);
}
