// pi [--tasks N] [--samples M]: throws darts at a square and counts those inside the circle.
//
// Thousands of small independent tasks.  Each draws from a generator seeded by its number, so the
// answer depends on N and M and on nothing else.

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <random>
#include <vector>

std::uint64_t hits(std::uint64_t seed, std::uint64_t samples) {
  std::mt19937_64 random(seed);
  std::uint64_t inside = 0;
  for (std::uint64_t i = 0; i < samples; ++i) {
    // 31 bits each: the sum of the squares fits and is exact.
    std::uint64_t x = random() >> 33, y = random() >> 33;
    inside += x * x + y * y < (std::uint64_t{1} << 62);
  }
  return inside;
}

ALNILAM_TASK(hits);

int main(int argc, char** argv) try {
  CLI::App app{"Estimates pi by Monte Carlo"};
  std::uint64_t tasks = 4000, samples = 10'000;
  app.add_option("--tasks", tasks, "how many tasks")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--samples", samples, "samples of a task")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "pi: " << error.what() << '\n';
    return 2;
  }

  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  std::vector<alnilam::Ref<std::uint64_t>> parts;
  parts.reserve(tasks);
  for (std::uint64_t seed = 1; seed <= tasks; ++seed) {
    parts.push_back(cluster.submit(hits, seed, samples));
  }
  std::vector<std::uint64_t> counts = cluster.get(parts);
  std::uint64_t inside = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  double estimate = 4.0 * static_cast<double>(inside) / static_cast<double>(tasks * samples);
  std::cout << inside << " of " << tasks * samples << " samples are inside: pi is about "
            << std::fixed << std::setprecision(6) << estimate << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << "pi: " << error.what() << '\n';
  return 1;
}
