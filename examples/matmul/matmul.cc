// matmul [-n N] [--tile T] [--on auto|cpu|gpu]: C = A B in tiles, over all GPUs.
//
// Each tile of C is a task of its own, which takes a row of A's tiles and a column of B's.  Nobody
// says where it runs: the cluster deals the tiles out to its GPUs, or to its CPUs where it has no
// GPU.

#include "matmul.ptx.h"
#include "tiles.h"

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace matmul {

namespace gpu = alnilam::gpu;
using alnilam::Ref;

constexpr unsigned kSide = 16;  // of a block of threads, as matmul.cu has it

const gpu::Kernel<void(const float* a, const float* b, float* c, unsigned rows, unsigned inner,
                       unsigned columns)>
    kMultiplyAdd{alnilam_kernels::matmul_ptx, "multiplyAdd"};

// The numbers of a matrix within two cuts.
Tile makeTile(std::uint64_t seed, const Cut& rows, const Cut& columns) {
  Tile tile(rows.size * columns.size);
  for (std::size_t i = 0; i < rows.size; ++i) {
    for (std::size_t j = 0; j < columns.size; ++j) {
      tile[i * columns.size + j] = element(seed, rows.first + i, columns.first + j);
    }
  }
  return tile;
}

// A tile of C: the sum of left[k] right[k], which are `inner` times as wide and as high.
gpu::Array<float> multiplyOnGpu(gpu::Context& device,
                                const std::vector<gpu::View<const float>>& left,
                                const std::vector<gpu::View<const float>>& right, std::size_t rows,
                                std::size_t columns) {
  auto c = device.allocate<float>(rows * columns);
  device.fill(c, 0);
  gpu::Dim grid{gpu::blocksFor(columns, kSide), gpu::blocksFor(rows, kSide)};
  for (std::size_t k = 0; k < left.size(); ++k) {
    kMultiplyAdd(grid, {kSide, kSide})(device, left[k], right[k], c, rows, left[k].size() / rows,
                                       columns);
  }
  return c;
}

Tile multiplyOnCpu(const std::vector<alnilam::View<const float>>& left,
                   const std::vector<alnilam::View<const float>>& right, std::size_t rows,
                   std::size_t columns) {
  Tile c(rows * columns);
  for (std::size_t k = 0; k < left.size(); ++k) {
    std::size_t inner = left[k].size() / rows;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t m = 0; m < inner; ++m) {
        float a = left[k][i * inner + m];
        const float* b = &right[k][m * columns];
        for (std::size_t j = 0; j < columns; ++j) c[i * columns + j] += a * b[j];
      }
    }
  }
  return c;
}

// Succeeds where there is a GPU.
void touch(gpu::Context& device) { device.synchronize(); }

ALNILAM_TASK(makeTile);
ALNILAM_TASK(multiplyOnGpu);
ALNILAM_TASK(multiplyOnCpu);
ALNILAM_TASK(touch);

namespace {

constexpr std::uint64_t kSeedA = 1, kSeedB = 2;

struct Settings {
  std::size_t n = 1024, tile = 256;
  std::string on = "auto";
};

Ref<Tile> submitTile(alnilam::Cluster& cluster, const Settings& settings,
                     const std::vector<Ref<Tile>>& left, const std::vector<Ref<Tile>>& right,
                     std::size_t rows, std::size_t columns) {
  if (settings.on == "cpu") return cluster.submit(multiplyOnCpu, left, right, rows, columns);
  // A row and a column of tiles, and the one that is made.
  std::uint64_t bytes = ((rows + columns) * settings.n + rows * columns) * sizeof(float);
  alnilam::Options onGpu{.gpus = 1, .gpuMemory = bytes + (1 << 20)};
  auto tile = cluster.submit(onGpu, multiplyOnGpu, left, right, rows, columns);
  return Ref<Tile>(tile.handle());  // one array, on a device or not
}

bool hasGpu(alnilam::Cluster& cluster) {
  try {
    cluster.get(cluster.submit({.gpus = 1}, touch));
    return true;
  } catch (const alnilam::InfeasibleError&) {
    return false;
  }
}

// C, row after row.
std::vector<float> multiplyAll(alnilam::Cluster& cluster, const Settings& settings) {
  std::vector<Cut> all = cuts(settings.n, settings.tile);
  std::vector<std::vector<Ref<Tile>>> rowsOfA(all.size()), columnsOfB(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const Cut& inner : all) {
      rowsOfA[i].push_back(cluster.submit(makeTile, kSeedA, all[i], inner));
      columnsOfB[i].push_back(cluster.submit(makeTile, kSeedB, inner, all[i]));
    }
  }
  std::vector<Ref<Tile>> tiles;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < all.size(); ++j) {
      tiles.push_back(submitTile(cluster, settings, rowsOfA[i], columnsOfB[j], all[i].size,
                                 all[j].size));
    }
  }
  std::vector<float> c(settings.n * settings.n);
  for (std::size_t t = 0; t < tiles.size(); ++t) {
    auto tile = cluster.view(tiles[t]);
    const Cut &rows = all[t / all.size()], &columns = all[t % all.size()];
    for (std::size_t i = 0; i < rows.size; ++i) {
      std::copy_n(&tile[i * columns.size], columns.size,
                  &c[(rows.first + i) * settings.n + columns.first]);
    }
  }
  return c;
}

int run(alnilam::Cluster& cluster, Settings settings) {
  if (settings.on == "auto") settings.on = hasGpu(cluster) ? "gpu" : "cpu";
  auto start = std::chrono::steady_clock::now();
  std::vector<float> c = multiplyAll(cluster, settings);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  constexpr unsigned kRounds = 20;
  if (!isProduct(kSeedA, kSeedB, c, settings.n, kRounds)) {
    std::cerr << "matmul: the result is wrong\n";
    return 1;
  }
  double n = static_cast<double>(settings.n);
  std::printf("%zux%zu in tiles of %zu: right, %.3f s, %.3g GFLOP/s\n", settings.n, settings.n,
              settings.tile, took.count(), 2 * n * n * n / took.count() / 1e9);
  for (const alnilam::UsageRow& row : cluster.usage()) {
    std::printf("  %s %s: %llu tasks, %.3f s\n", row.node.c_str(), row.device.c_str(),
                static_cast<unsigned long long>(row.tasks),
                std::chrono::duration<double>(row.busy).count());
  }
  return 0;
}

}  // namespace
}  // namespace matmul

int main(int argc, char** argv) try {
  CLI::App app{"Multiplies two matrices in tiles, on all GPUs of a cluster"};
  matmul::Settings settings;
  app.add_option("-n", settings.n, "rows and columns of the matrices")
      ->check(CLI::Range(std::size_t{1}, matmul::kMostSize))
      ->capture_default_str();
  app.add_option("--tile", settings.tile, "rows and columns of a tile")
      ->check(CLI::Range(std::size_t{16}, matmul::kMostSize))
      ->capture_default_str();
  app.add_option("--on", settings.on, "auto (GPUs where there are any), cpu or gpu")
      ->check(CLI::IsMember({"auto", "cpu", "gpu"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "matmul: " << error.what() << '\n';
    return 2;
  }
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  return matmul::run(cluster, settings);
} catch (const std::exception& error) {
  std::cerr << "matmul: " << error.what() << '\n';
  return 1;
}
