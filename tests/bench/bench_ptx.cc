// How fast the emulator executes PTX: instructions (each counted once for each thread) a second of
// one core, from code that runs straight on (comparison of signatures, a tiled matrix product) over
// shared memory, shuffles and atomics (reduction, scan, histogram, sort) to lanes that part
// (Collatz steps).  The limit is the same work as plain C++ on one core, counted in the PTX
// instructions that it stands for.  Where threads of a block share work, that is the serial
// algorithm, which needs less of it.

#include "gpu/driver/handle.h"
#include "gpu/driver/loader.h"
#include "tests/bench/figure.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using namespace alnilam;
using namespace alnilam::gpu;

namespace {

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "bench_ptx: %s\n", why.c_str());
  std::exit(1);
}
void need(CUresult code, const char* call) {
  if (code != CUDA_SUCCESS) fail(std::string(call) + " returned " + std::to_string(code));
}

double cpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;  // of all threads of this process
}

std::uint64_t (*instructions)() = nullptr;

struct Case {
  const char* name;
  CUfunction function;
  unsigned grid[2], block[2];
  unsigned shared;
  std::vector<void*> arguments;
};

template <typename Native>
void measure(const Driver& driver, Case work, Native native) {
  double best = 0, nativeBest = 1e9;
  std::uint64_t executed = 0;
  for (int round = 0; round < 5; ++round) {
    std::uint64_t before = instructions();
    double start = cpuSeconds();
    need(driver.launchKernel(work.function, work.grid[0], work.grid[1], 1, work.block[0],
                             work.block[1], 1, work.shared, nullptr, work.arguments.data(),
                             nullptr),
         "cuLaunchKernel");
    need(driver.streamSynchronize(nullptr), "cuStreamSynchronize");
    executed = instructions() - before;
    best = std::max(best, static_cast<double>(executed) / (cpuSeconds() - start));
    start = cpuSeconds();
    native();
    nativeBest = std::min(nativeBest, cpuSeconds() - start);
  }
  bench::print(work.name, best, "PTX instructions/s a core",
               static_cast<double>(executed) / nativeBest, "the same in C++ on one core", true);
}

CUdeviceptr upload(const Driver& driver, const void* from, std::size_t bytes) {
  CUdeviceptr at = 0;
  need(driver.memAlloc(&at, bytes), "cuMemAlloc");
  need(driver.memcpyHtoD(at, from, bytes), "cuMemcpyHtoD");
  return at;
}

}  // namespace

int main() {
  auto loaded = loadEmulator(ALNILAM_EMULATOR, "1x1GiB");
  if (!loaded) fail(loaded.error().why);
  const Driver& driver = loaded.value().driver;
  instructions = reinterpret_cast<std::uint64_t (*)()>(
      dlsym(dlopen(ALNILAM_EMULATOR, RTLD_NOW), "alnilamEmulatedInstructions"));
  auto context = PrimaryContext::retain(driver, 0);
  CurrentContext current(driver, context.value().get());
  std::map<std::string, Module> modules;
  auto find = [&](const char* file, const char* kernel) {
    if (!modules.contains(file)) {
      std::ifstream text(std::string(ALNILAM_TESTDATA "/") + file);
      std::stringstream ptx;
      ptx << text.rdbuf();
      std::string log;
      auto module = loadModule(driver, ptx.str().c_str(), log);
      if (!module) fail(log);
      modules.emplace(file, std::move(module).value());
    }
    auto function = findFunction(driver, modules.at(file), kernel);
    if (!function) fail(std::string("no kernel ") + kernel);
    return function.value();
  };

  int rows = 512, values = 128;
  std::mt19937 generator(1);
  std::vector<unsigned> left(static_cast<std::size_t>(rows * values)), right(left.size());
  for (auto& value : left) value = generator() % 3;
  for (auto& value : right) value = generator() % 3;
  std::vector<unsigned short> equal(static_cast<std::size_t>(rows * rows));
  CUdeviceptr dl = upload(driver, left.data(), left.size() * 4);
  CUdeviceptr dr = upload(driver, right.data(), right.size() * 4);
  CUdeviceptr de = upload(driver, equal.data(), equal.size() * 2);
  measure(driver,
          {"ptx_signatures",
           find("planar.ptx", "signatureEqual"),
           {16, 64},
           {32, 8},
           0,
           {&dl, &dr, &de, &rows, &rows, &values}},
          [&] {
            for (int l = 0; l < rows; ++l) {
              for (int r = 0; r < rows; ++r) {
                const unsigned *a = &left[static_cast<std::size_t>(l * values)],
                               *b = &right[static_cast<std::size_t>(r * values)];
                unsigned short count = 0;
                for (int i = 0; i < values; ++i) count += a[i] == b[i];
                equal[static_cast<std::size_t>(l * rows + r)] = count;
              }
            }
          });

  int n = 512;
  std::vector<float> a(static_cast<std::size_t>(n * n), 0.5f), b(a), c(a);
  CUdeviceptr da = upload(driver, a.data(), a.size() * 4),
              db = upload(driver, b.data(), b.size() * 4);
  CUdeviceptr dc = upload(driver, c.data(), c.size() * 4);
  CUfunction gemm = find("planar.ptx", "gemm");
  measure(driver, {"ptx_gemm", gemm, {32, 32}, {16, 16}, 0, {&da, &db, &dc, &n, &n, &n}}, [&] {
    std::fill(c.begin(), c.end(), 0.0f);
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < n; ++k) {
        float x = a[static_cast<std::size_t>(i * n + k)];
        for (int j = 0; j < n; ++j) {
          c[static_cast<std::size_t>(i * n + j)] += x * b[static_cast<std::size_t>(k * n + j)];
        }
      }
    }
  });
  int count = 1 << 20;
  std::vector<int> ints(static_cast<std::size_t>(count)), prefix(ints.size());
  for (int& value : ints) value = static_cast<int>(generator() % 1000);
  CUdeviceptr di = upload(driver, ints.data(), ints.size() * 4);
  CUdeviceptr dp = upload(driver, prefix.data(), prefix.size() * 4);
  CUdeviceptr none = 0;
  measure(driver,
          {"ptx_reduction", find("linear.ptx", "blockSum"), {64, 1}, {256, 1}, 1024,
           {&di, &dp, &count}},
          [&] {
            int sum = 0;
            for (int value : ints) sum += value;
            prefix[0] = sum;
          });
  measure(driver,
          {"ptx_scan", find("linear.ptx", "scanBlock"), {4096, 1}, {256, 1}, 0,
           {&di, &dp, &none, &count}},
          [&] { std::partial_sum(ints.begin(), ints.end(), prefix.begin()); });

  std::vector<unsigned char> bytes(ints.size());
  for (auto& value : bytes) value = static_cast<unsigned char>(generator());
  std::vector<unsigned> bins(256);
  CUdeviceptr dy = upload(driver, bytes.data(), bytes.size());
  CUdeviceptr dn = upload(driver, bins.data(), bins.size() * 4);
  measure(driver,
          {"ptx_histogram", find("linear.ptx", "histogram"), {64, 1}, {256, 1}, 0,
           {&dy, &dn, &count}},
          [&] {
            for (unsigned char value : bytes) ++bins[value];
          });

  std::vector<float> keys(1 << 18), sorted;
  for (float& key : keys) key = static_cast<float>(generator() % 100'000);
  CUdeviceptr dk = upload(driver, keys.data(), keys.size() * 4);
  measure(driver,
          {"ptx_sort", find("sorting.ptx", "bitonicSort"), {256, 1}, {1024, 1}, 4096, {&dk}}, [&] {
            sorted = keys;
            for (std::size_t i = 0; i < sorted.size(); i += 1024) {
              auto first = sorted.begin() + static_cast<std::ptrdiff_t>(i);
              std::sort(first, first + 1024);
            }
          });

  int starts = 1 << 14;
  std::vector<unsigned> seeds(static_cast<std::size_t>(starts)), steps(seeds.size());
  std::iota(seeds.begin(), seeds.end(), 1);
  CUdeviceptr ds = upload(driver, seeds.data(), seeds.size() * 4);
  CUdeviceptr dt = upload(driver, steps.data(), steps.size() * 4);
  measure(driver,
          {"ptx_divergent", find("control.ptx", "collatz"), {64, 1}, {256, 1}, 0,
           {&ds, &dt, &starts}},
          [&] {
            for (std::size_t i = 0; i < seeds.size(); ++i) {
              unsigned taken = 0;
              for (unsigned long long x = seeds[i]; x != 1; ++taken) {
                x = x & 1 ? 3 * x + 1 : x / 2;
              }
              steps[i] = taken;
            }
          });
}
