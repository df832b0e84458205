// What it costs to write and to read {int, string, vector<float> of 4 MiB, map}, against one memcpy
// of the same number of bytes between two warm buffers in the same run.  Then small values, against
// a memcpy of theirs.
//
// Each figure is the least of many rounds: other work on the machine only ever adds.

#include "core/api/encode.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

using namespace alnilam;

namespace {

struct Frame {
  int number = 0;
  std::string camera;
  std::vector<float> pixels;
  std::map<std::string, int> marks;
};

struct Order {
  std::int64_t id = 0;
  double price = 0;
  std::string name;
};

// Keeps the compiler from leaving out what made `value`.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

template <typename Work>
double leastNanoseconds(int rounds, int repeats, Work&& work) {
  double least = 1e18;
  for (int i = 0; i < rounds; ++i) {
    auto start = std::chrono::steady_clock::now();
    for (int j = 0; j < repeats; ++j) work();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count() / repeats);
  }
  return least;
}

void print(const char* name, double value, double limit, const char* unit, double perUnit) {
  std::printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"limit\":%.4g,"
              "\"limitName\":\"memcpy of the same bytes\",\"ratio\":%.3g,\"emulated\":false}\n",
              name, value / perUnit, unit, limit / perUnit, value / limit);
}

template <typename T>
void measure(const std::string& name, const T& value, int rounds, int repeats, const char* unit,
             double perUnit) {
  std::size_t size = encodedSize(value);
  std::vector<std::byte> object(size), other(size);
  double write = leastNanoseconds(rounds, repeats, [&] {
    encode(value, object);
    keep(object);
  });
  double read = leastNanoseconds(rounds, repeats, [&] { keep(decode<T>(object)); });
  double copy = leastNanoseconds(rounds, repeats, [&] {
    std::memcpy(other.data(), object.data(), size);
    keep(other);
  });
  print((name + "_write").c_str(), write, copy, unit, perUnit);
  print((name + "_read").c_str(), read, copy, unit, perUnit);
}

}  // namespace

int main() {
  Frame frame{7, "north", std::vector<float>((4 << 20) / sizeof(float), 0.5f), {}};
  for (int i = 0; i < 100; ++i) frame.marks["mark " + std::to_string(i)] = i;
  measure("encode_frame_4MiB", frame, 300, 1, "us", 1e3);
  measure("encode_floats_4MiB", frame.pixels, 300, 1, "us", 1e3);
  measure("encode_order", Order{1, 2.5, "a name that is not short"}, 50, 20'000, "ns", 1);
  measure("encode_marks_100", frame.marks, 50, 1'000, "us", 1e3);
  return 0;
}
