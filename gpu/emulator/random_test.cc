// Integer and conversion instructions of every width against the host's compiler, on random and on
// awkward values.  ALNILAM_SEED=123 runs the same values again.

#include "gpu/emulator/emulator_fixture_test.h"
#include "gpu/emulator/testdata/random_ops.h"

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

namespace alnilam::gpu {
namespace {

unsigned long long seed() {
  const char* given = std::getenv("ALNILAM_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

constexpr std::size_t kCount = 3001;  // not a whole number of warps

// Values of T: a third of them near its limits, zero and powers of two.
template <typename T>
std::vector<T> awkwardValues(unsigned long long from) {
  std::mt19937_64 generator(from);
  std::vector<T> values(kCount);
  for (T& value : values) {
    unsigned long long bits = generator();
    if (generator() % 3 == 0) bits = (1ull << (generator() % 64)) - generator() % 3;
    value = static_cast<T>(bits);
  }
  return values;
}

template <typename T>
void compareWithHost(const char* kernel) {
  SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed()));
  Emulated gpu;
  Module module = gpu.loadFile("random.ptx");
  auto a = awkwardValues<T>(seed()), b = awkwardValues<T>(seed() + 1),
       c = awkwardValues<T>(seed() + 2);
  CUdeviceptr da = gpu.upload(a), db = gpu.upload(b), dc = gpu.upload(c);
  CUdeviceptr out = gpu.upload(std::vector<T>(kCount * kRandomResults));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, kernel), {24, 1, 128}, da, db, dc, out,
                static_cast<int>(kCount)),
            CUDA_SUCCESS)
      << gpu.said();
  auto got = gpu.download<T>(out, kCount * kRandomResults);
  for (std::size_t i = 0; i < kCount; ++i) {
    T want[kRandomResults];
    randomOps(a[i], b[i], c[i], want);
    for (int k = 0; k < kRandomResults; ++k) {
      ASSERT_EQ(got[i * kRandomResults + static_cast<std::size_t>(k)], want[k])
          << "result " << k << " of " << +a[i] << ", " << +b[i] << ", " << +c[i];
    }
  }
}

TEST(Random, IntegersOf8Bits) {
  compareWithHost<signed char>("randomS8");
  compareWithHost<unsigned char>("randomU8");
}
TEST(Random, IntegersOf16Bits) {
  compareWithHost<short>("randomS16");
  compareWithHost<unsigned short>("randomU16");
}
TEST(Random, IntegersOf32Bits) {
  compareWithHost<int>("randomS32");
  compareWithHost<unsigned>("randomU32");
}
TEST(Random, IntegersOf64Bits) {
  compareWithHost<long long>("randomS64");
  compareWithHost<unsigned long long>("randomU64");
}

unsigned extracted(unsigned a, unsigned b, unsigned c, bool isSigned) {
  unsigned position = b & 0xff, length = c & 0xff, result = 0;
  unsigned last = std::min(position + length - 1, 31u);
  bool sign = isSigned && length != 0 && ((a >> last) & 1);
  for (unsigned i = 0; i < 32; ++i) {
    bool bit = i < length && position + i <= 31 ? (a >> (position + i)) & 1 : sign;
    result |= static_cast<unsigned>(bit) << i;
  }
  return result;
}

TEST(Random, BitInstructionsThatCppHasNoOperatorFor) {
  SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed()));
  Emulated gpu;
  Module module = gpu.loadFile("random.ptx");
  auto a = awkwardValues<unsigned>(seed()), b = awkwardValues<unsigned>(seed() + 1);
  auto c = awkwardValues<unsigned>(seed() + 2);
  for (std::size_t i = 0; i < kCount; i += 2) {
    b[i] &= 63;
    c[i] &= 63;
  }
  CUdeviceptr da = gpu.upload(a), db = gpu.upload(b), dc = gpu.upload(c);
  CUdeviceptr out = gpu.upload(std::vector<unsigned>(kCount * 16));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "bitOps"), {24, 1, 128}, da, db, dc, out,
                static_cast<int>(kCount)),
            CUDA_SUCCESS);
  auto got = gpu.download<unsigned>(out, kCount * 16);
  for (std::size_t i = 0; i < kCount; ++i) {
    unsigned x = a[i], y = b[i], z = c[i];
    SCOPED_TRACE(testing::Message() << x << " " << y << " " << z);
    const unsigned* o = &got[i * 16];
    unsigned reversed = 0, permuted = 0, inserted = y;
    for (unsigned k = 0; k < 32; ++k) reversed |= ((x >> k) & 1) << (31 - k);
    unsigned long long both = (static_cast<unsigned long long>(y) << 32) | x;
    for (unsigned k = 0; k < 4; ++k) {
      // __byte_perm looks at three bits of each selector only.
      permuted |= static_cast<unsigned>((both >> (8 * ((z >> (4 * k)) & 7))) & 0xff) << (8 * k);
    }
    for (unsigned k = 0; k < (y >> 27) && (z & 63) + k < 32; ++k) {
      unsigned bit = 1u << ((z & 63) + k);
      inserted = (x >> k) & 1 ? inserted | bit : inserted & ~bit;
    }
    int sx = static_cast<int>(x), sy = static_cast<int>(y);
    auto distance = [](long long p, long long q) {
      return static_cast<unsigned>(p < q ? q - p : p - q);
    };
    auto low24 = [](unsigned v) { return static_cast<long long>(static_cast<int>(v << 8) >> 8); };
    EXPECT_EQ(o[0], static_cast<unsigned>(std::popcount(x)));
    EXPECT_EQ(o[1], static_cast<unsigned>(std::countl_zero(x)));
    EXPECT_EQ(o[2], reversed);
    EXPECT_EQ(o[3], permuted);
    EXPECT_EQ(o[4], static_cast<unsigned>((static_cast<unsigned long long>(x) * y) >> 32));
    EXPECT_EQ(o[5], static_cast<unsigned>((static_cast<long long>(sx) * sy) >> 32));
    EXPECT_EQ(o[6], static_cast<unsigned>((both << (z & 31)) >> 32));
    EXPECT_EQ(o[7], static_cast<unsigned>(both >> (z & 31)));
    EXPECT_EQ(o[8], extracted(x, y, z, false));
    EXPECT_EQ(o[9], extracted(x, y, z, true));
    EXPECT_EQ(o[10], inserted);
    EXPECT_EQ(o[11], z + distance(sx, sy));
    EXPECT_EQ(o[12], z + distance(x, y));
    EXPECT_EQ(o[13], (z & 63) > 31 ? 0 : x << (z & 31));
    EXPECT_EQ(o[14], static_cast<unsigned>(sx >> std::min(z & 63, 31u)));
    EXPECT_EQ(o[15], static_cast<unsigned>(low24(x) * low24(y)));
    if (HasFailure()) return;
  }
}

struct InMode {
  explicit InMode(int mode) { std::fesetround(mode); }
  ~InMode() { std::fesetround(FE_TONEAREST); }
};
template <typename T>
T clamped(double value) {
  if (std::isnan(value)) return 0;
  double least = static_cast<double>(std::numeric_limits<T>::min());
  double past = std::ldexp(1.0, std::numeric_limits<T>::digits);
  return value >= past    ? std::numeric_limits<T>::max()
         : value <= least ? std::numeric_limits<T>::min()
                          : static_cast<T>(value);
}

TEST(Random, ConversionsAndRoundings) {
  SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed()));
  Emulated gpu;
  Module module = gpu.loadFile("random.ptx");
  std::mt19937_64 generator(seed());
  std::vector<float> f(kCount);
  std::vector<double> d(kCount);
  auto s = awkwardValues<int>(seed() + 1);
  for (std::size_t i = 0; i < kCount; ++i) {
    double sign = generator() & 1 ? -1 : 1;
    double unit = static_cast<double>(generator() >> 11) * 0x1p-53;
    d[i] = sign * std::ldexp(1 + unit, static_cast<int>(generator() % 72) - 4);
    f[i] = static_cast<float>(d[i]);
    if (i % 50 == 0) f[i] = static_cast<float>(static_cast<int>(generator() % 9) - 4) / 2;
  }
  f[0] = std::numeric_limits<float>::quiet_NaN();
  f[1] = std::numeric_limits<float>::infinity();
  f[2] = -f[1];
  CUdeviceptr df = gpu.upload(f), dd = gpu.upload(d), ds = gpu.upload(s);
  CUdeviceptr out32 = gpu.upload(std::vector<unsigned>(kCount * 16));
  CUdeviceptr out64 = gpu.upload(std::vector<unsigned long long>(kCount * 16));
  ASSERT_EQ(run(gpu.driver(), gpu.find(module, "convert"), {24, 1, 128}, df, dd, ds, out32, out64,
                static_cast<int>(kCount)),
            CUDA_SUCCESS);
  auto got32 = gpu.download<unsigned>(out32, kCount * 16);
  auto got64 = gpu.download<unsigned long long>(out64, kCount * 16);
  using Word = unsigned long long;
  auto bits = [](auto value) {
    if constexpr (sizeof value == 8) return std::bit_cast<Word>(value);
    else return std::bit_cast<unsigned>(value);
  };
  for (std::size_t i = 0; i < kCount; ++i) {
    SCOPED_TRACE(testing::Message() << i << ": " << f[i] << " " << d[i] << " " << s[i]);
    const unsigned* o = &got32[i * 16];
    const Word* p = &got64[i * 16];
    volatile float x = f[i], third = 1.0f / 3;
    volatile double y = d[i], thirdDouble = 1.0 / 3;
    volatile int n = s[i];
    EXPECT_EQ(o[0], static_cast<unsigned>(clamped<int>(std::nearbyint(x))));
    EXPECT_EQ(o[1], static_cast<unsigned>(clamped<int>(std::trunc(x))));
    EXPECT_EQ(o[2], static_cast<unsigned>(clamped<int>(std::ceil(x))));
    EXPECT_EQ(o[3], static_cast<unsigned>(clamped<int>(std::floor(x))));
    EXPECT_EQ(o[4], clamped<unsigned>(std::trunc(x)));
    EXPECT_EQ(o[5], bits(static_cast<float>(n)));
    volatile float toZero, up, narrow, sum, product;
    volatile double sumUp, productDown;
    {
      InMode mode(FE_TOWARDZERO);
      toZero = static_cast<float>(n);
      narrow = static_cast<float>(y);
      sum = x + third;
    }
    EXPECT_EQ(o[6], bits(float(toZero)));
    {
      InMode mode(FE_UPWARD);
      up = static_cast<float>(static_cast<unsigned>(n));
      product = x * third;
      sumUp = y + thirdDouble;
    }
    EXPECT_EQ(o[7], bits(float(up)));
    EXPECT_EQ(o[8], bits(static_cast<float>(y)));
    EXPECT_EQ(o[9], bits(float(narrow)));
    EXPECT_EQ(o[10], static_cast<unsigned>(clamped<int>(std::trunc(y))));
    EXPECT_EQ(o[11], static_cast<unsigned>(static_cast<signed char>(n)));
    EXPECT_EQ(o[12], static_cast<unsigned short>(n));
    if (!std::isnan(f[i])) {
      EXPECT_EQ(o[13], bits(float(sum)));
      EXPECT_EQ(o[14], bits(float(product)));
      EXPECT_EQ(o[15], bits(x / 7.0f));
      EXPECT_EQ(p[0], bits(static_cast<double>(x)));
    }
    EXPECT_EQ(p[1], static_cast<Word>(clamped<long long>(std::trunc(y))));
    EXPECT_EQ(p[2], clamped<Word>(std::nearbyint(y)));
    EXPECT_EQ(p[3], bits(static_cast<double>(n * 0x12345678ll)));
    EXPECT_EQ(p[4], static_cast<Word>(clamped<long long>(std::trunc(x))));
    EXPECT_EQ(p[5], bits(double(sumUp)));
    {
      InMode mode(FE_DOWNWARD);
      productDown = y * thirdDouble;
    }
    EXPECT_EQ(p[6], bits(double(productDown)));
    EXPECT_EQ(p[7], bits(1.0 / y));
    EXPECT_EQ(p[8], bits(std::nearbyint(y)));
    EXPECT_EQ(p[9], bits(std::trunc(y)));
    EXPECT_EQ(p[10], static_cast<Word>((static_cast<unsigned __int128>(p[1]) * p[3]) >> 64));
    EXPECT_EQ(p[11], static_cast<Word>((static_cast<__int128>(static_cast<long long>(p[1])) *
                                        static_cast<long long>(p[3])) >>
                                       64));
    EXPECT_EQ(p[12], static_cast<Word>(std::popcount(p[3])));
    EXPECT_EQ(p[13], static_cast<Word>(std::countl_zero(p[3])));
    EXPECT_EQ(p[15], bits(std::sqrt(std::fabs(y))));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace alnilam::gpu
