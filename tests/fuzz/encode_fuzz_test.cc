// Goal: find bytes that make decode crash, read outside, take absurd memory, or answer with
// anything but a value or BadArgumentsError; and values that do not survive encoding.
// Method: random values of many types are encoded and decoded (must be equal), then their bytes are
// damaged and decoded again.  A value that damaged bytes decode to must survive in its turn.
// A failure prints its seed:  ALNILAM_SEED=123 ./encode_fuzz_test  runs it again.

#include "core/api/encode.h"
#include "core/api/errors.h"
#include "core/api/view.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <new>
#include <random>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace {

// The largest single allocation since it was last set to zero.
std::size_t largest = 0;

void* allocate(std::size_t size) {
  largest = std::max(largest, size);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace alnilam {
namespace {

using Prng = std::mt19937_64;

struct Sample {
  std::int32_t id = 0;
  bool good = false;
  double weight = 0;
  bool operator==(const Sample&) const = default;
};
struct Record {
  std::string name;
  std::vector<Sample> samples;
  std::map<std::string, std::vector<std::string>> tags;
  std::optional<Sample> best;
  std::variant<std::monostate, int, std::string> mark;
  std::array<std::string, 3> three;
  std::string rows[2];
  std::vector<bool> bits;
  std::chrono::seconds took{};
  bool operator==(const Record&) const = default;
};
struct Tree {
  std::string value;
  std::vector<Tree> children;
  std::unique_ptr<int> extra;
  bool operator==(const Tree& other) const {
    return value == other.value && children == other.children &&
           (extra ? other.extra && *extra == *other.extra : !other.extra);
  }
};

std::size_t below(Prng& prng, std::size_t n) { return prng() % n; }
std::size_t length(Prng& prng) { return below(prng, 10) == 0 ? below(prng, 900) : below(prng, 6); }

void make(Prng& prng, int& value) { value = static_cast<int>(prng()); }
void make(Prng& prng, float& value) { value = static_cast<float>(below(prng, 1000)); }
void make(Prng& prng, char& value) { value = static_cast<char>('a' + below(prng, 26)); }
void make(Prng& prng, bool& value) { value = prng() % 2 != 0; }
void make(Prng& prng, Sample& value) {
  value = {static_cast<int>(prng()), prng() % 2 != 0, static_cast<double>(below(prng, 99))};
}
void make(Prng& prng, std::string& value) {
  value.assign(length(prng), static_cast<char>(prng()));
}
void make(Prng& prng, std::vector<bool>& value) {
  for (std::size_t n = length(prng); n > 0; --n) value.push_back(prng() % 2 != 0);
}
void make(Prng& prng, Tree& value);
void make(Prng& prng, Record& value);
template <typename T>
void make(Prng& prng, std::vector<T>& value);
template <typename T>
void make(Prng& prng, std::deque<T>& value);
template <typename A, typename B>
void make(Prng& prng, std::pair<A, B>& value) {
  make(prng, const_cast<std::remove_const_t<A>&>(value.first));
  make(prng, value.second);
}
template <typename A, typename B>
void make(Prng& prng, std::tuple<A, B>& value) {
  make(prng, std::get<0>(value));
  make(prng, std::get<1>(value));
}
template <typename Set>
  requires requires { typename Set::key_type; }
void make(Prng& prng, Set& value) {
  for (std::size_t n = below(prng, 6); n > 0; --n) {
    typename Set::value_type element;
    make(prng, element);
    value.insert(element);
  }
}
template <typename T>
void make(Prng& prng, std::optional<T>& value) {
  if (prng() % 2 != 0) make(prng, value.emplace());
}
template <typename T>
void make(Prng& prng, std::vector<T>& value) {
  value.resize(std::is_arithmetic_v<T> ? length(prng) : below(prng, 5));
  for (T& element : value) make(prng, element);
}
template <typename T>
void make(Prng& prng, std::deque<T>& value) {
  value.resize(below(prng, 5));
  for (T& element : value) make(prng, element);
}
void make(Prng& prng, Record& value) {
  make(prng, value.name);
  make(prng, value.samples);
  make(prng, value.tags);
  make(prng, value.best);
  if (prng() % 2 != 0) value.mark = static_cast<int>(prng());
  else if (prng() % 2 != 0) make(prng, value.mark.emplace<std::string>());
  for (std::string& one : value.three) make(prng, one);
  for (std::string& one : value.rows) make(prng, one);
  make(prng, value.bits);
  value.took = std::chrono::seconds(below(prng, 1000));
}
void make(Prng& prng, Tree& value) {
  make(prng, value.value);
  if (prng() % 2 != 0) value.extra = std::make_unique<int>(static_cast<int>(prng()));
  for (std::size_t n = below(prng, 3); n > 0 && prng() % 2 != 0; --n) {
    make(prng, value.children.emplace_back());
  }
}

template <typename T>
std::vector<std::byte> bytesOf(const T& value) {
  std::vector<std::byte> bytes(encodedSize(value), std::byte{0xa5});
  encode(value, bytes);
  return bytes;
}

// One to four wounds of the kinds that links, disks and strangers make.
void damage(Prng& prng, std::vector<std::byte>& bytes) {
  for (std::size_t wounds = 1 + below(prng, 4); wounds > 0 && !bytes.empty(); --wounds) {
    std::size_t at = below(prng, bytes.size());
    if (prng() % 2 != 0) at = below(prng, std::min<std::size_t>(bytes.size(), 80));
    switch (below(prng, 6)) {
      case 0: bytes[at] ^= std::byte{1} << below(prng, 8); break;
      case 1: bytes[at] = static_cast<std::byte>(prng()); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(bytes.end(), below(prng, 70), static_cast<std::byte>(prng())); break;
      case 4:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    std::min<std::size_t>(9, bytes.size() - at), std::byte{0xff});
        break;
      case 5: {
        std::size_t from = below(prng, bytes.size());
        std::size_t n = std::min({std::size_t{16}, bytes.size() - from, bytes.size() - at});
        std::memmove(bytes.data() + at, bytes.data() + from, n);
      }
    }
  }
}

struct Outcome {
  int decoded = 0, refused = 0;
};

template <typename T>
void attack(Prng& prng, Outcome& outcome) {
  T value{};
  make(prng, value);
  std::vector<std::byte> bytes = bytesOf(value);
  ASSERT_EQ(decode<T>(bytes), value);
  for (int i = 0; i < 20; ++i) {
    std::vector<std::byte> bad = bytes;
    damage(prng, bad);
    bad.shrink_to_fit();  // so that a sanitizer sees a read past the end
    largest = 0;
    try {
      T got = decode<T>(bad);
      EXPECT_LE(largest, 64 * bad.size() + 8192);
      ++outcome.decoded;
      // Compared as bytes: what was decoded may hold a NaN.
      std::vector<std::byte> again = bytesOf(got);
      EXPECT_EQ(bytesOf(decode<T>(again)), again);
    } catch (const BadArgumentsError&) {
      EXPECT_LE(largest, 64 * bad.size() + 8192);
      ++outcome.refused;
    }
  }
}

TEST(EncodeFuzz, ValuesSurviveAndDamagedBytesAreRefusedOrDecode) {
  std::uint64_t first = 1, last = 400;
  if (const char* seed = std::getenv("ALNILAM_SEED")) {
    first = last = std::strtoull(seed, nullptr, 10);
  }
  Outcome outcome;
  for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE("ALNILAM_SEED=" + std::to_string(seed));
    Prng prng(seed);
    attack<bool>(prng, outcome);
    attack<Sample>(prng, outcome);
    attack<std::string>(prng, outcome);
    attack<std::vector<float>>(prng, outcome);
    attack<std::vector<bool>>(prng, outcome);
    attack<std::vector<Sample>>(prng, outcome);
    attack<std::vector<std::string>>(prng, outcome);
    attack<std::vector<std::vector<int>>>(prng, outcome);
    attack<std::deque<std::string>>(prng, outcome);
    attack<std::set<std::string>>(prng, outcome);
    attack<std::map<std::string, int>>(prng, outcome);
    attack<std::optional<std::vector<char>>>(prng, outcome);
    attack<std::tuple<int, std::string>>(prng, outcome);
    attack<Record>(prng, outcome);
    attack<std::vector<Record>>(prng, outcome);
    attack<Tree>(prng, outcome);
  }
  // Both must happen often, or the damage is too rough, or too gentle.
  if (first != last) {
    EXPECT_GT(outcome.decoded, 10'000);
    EXPECT_GT(outcome.refused, 10'000);
  }
}

TEST(EncodeFuzz, HashedContainersSurvive) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    std::unordered_map<std::string, std::vector<int>> map;
    std::unordered_set<std::string> set;
    make(prng, map);
    make(prng, set);
    EXPECT_EQ(decode<decltype(map)>(bytesOf(map)), map);
    EXPECT_EQ(decode<decltype(set)>(bytesOf(set)), set);
  }
}

}  // namespace
}  // namespace alnilam
