// How fast the emulator executes PTX: instructions (each counted once for each thread) a second of
// one core, on the comparison of signatures and on a tiled matrix product.  The limit is the same
// work as plain C++ on one core, counted in the PTX instructions that it stands for.

#include "gpu/driver/handle.h"
#include "gpu/driver/loader.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
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
                             work.block[1], 1, 0, nullptr, work.arguments.data(), nullptr),
         "cuLaunchKernel");
    need(driver.streamSynchronize(nullptr), "cuStreamSynchronize");
    executed = instructions() - before;
    best = std::max(best, static_cast<double>(executed) / (cpuSeconds() - start));
    start = cpuSeconds();
    native();
    nativeBest = std::min(nativeBest, cpuSeconds() - start);
  }
  double limit = static_cast<double>(executed) / nativeBest;
  std::printf(
      "{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"PTX instructions/s a core\",\"limit\":%.4g,"
      "\"limitName\":\"the same in C++ on one core\",\"ratio\":%.3f,\"emulated\":true}\n",
      work.name, best, limit, best / limit);
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
  std::ifstream file(ALNILAM_TESTDATA "/planar.ptx");
  std::stringstream ptx;
  ptx << file.rdbuf();
  std::string log;
  auto module = loadModule(driver, ptx.str().c_str(), log);
  if (!module) fail(log);

  int rows = 512, values = 128;
  std::mt19937 generator(1);
  std::vector<unsigned> left(static_cast<std::size_t>(rows * values)), right(left.size());
  for (auto& value : left) value = generator() % 3;
  for (auto& value : right) value = generator() % 3;
  std::vector<unsigned short> equal(static_cast<std::size_t>(rows * rows));
  CUdeviceptr dl = upload(driver, left.data(), left.size() * 4);
  CUdeviceptr dr = upload(driver, right.data(), right.size() * 4);
  CUdeviceptr de = upload(driver, equal.data(), equal.size() * 2);
  auto comparison = findFunction(driver, module.value(), "signatureEqual");
  measure(driver,
          {"ptx_signatures",
           comparison.value(),
           {16, 64},
           {32, 8},
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
  auto gemm = findFunction(driver, module.value(), "gemm");
  measure(driver, {"ptx_gemm", gemm.value(), {32, 32}, {16, 16}, {&da, &db, &dc, &n, &n, &n}}, [&] {
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
}
