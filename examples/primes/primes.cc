// primes [--count N] [--bits B] [--seed S]: tests random numbers for being prime, some urgently.
//
// One in ten tasks is urgent (priority 10), three in ten can wait (priority -10).  Prints how many
// tasks ended a second, and for each priority the time from submit to result.

#include <alnilam/alnilam.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <random>
#include <utility>
#include <vector>

// Miller-Rabin with the first twelve primes, which is exact for 64 bits.
// Source: Sorenson and Webster, Strong pseudoprimes to twelve prime bases (2015).
bool isPrime(std::uint64_t number) {
  constexpr std::array<std::uint64_t, 12> kBases = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  for (std::uint64_t base : kBases) {
    if (number % base == 0) return number == base;
  }
  if (number < 2) return false;
  __extension__ using Wide = unsigned __int128;
  auto times = [&](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::uint64_t>(static_cast<Wide>(a) * b % number);
  };
  std::uint64_t odd = number - 1;
  int twos = 0;
  for (; odd % 2 == 0; odd /= 2) ++twos;
  for (std::uint64_t base : kBases) {
    std::uint64_t power = 1, square = base;
    for (std::uint64_t left = odd; left > 0; left /= 2, square = times(square, square)) {
      if (left % 2 == 1) power = times(power, square);
    }
    bool passes = power == 1 || power == number - 1;
    for (int i = 1; i < twos && !passes; ++i) {
      power = times(power, power);
      passes = power == number - 1;
    }
    if (!passes) return false;
  }
  return true;
}

ALNILAM_TASK(isPrime);

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

struct Urgency {
  const char* name;
  int priority;
  std::vector<double> latencies;  // microseconds
};

double percentile(const std::vector<double>& sorted, double part) {
  auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[at];
}

void print(Urgency& urgency) {
  if (urgency.latencies.empty()) return;
  std::sort(urgency.latencies.begin(), urgency.latencies.end());
  std::printf("%-8s %8zu tasks   p50 %10.0f us   p95 %10.0f us   p99 %10.0f us\n", urgency.name,
              urgency.latencies.size(), percentile(urgency.latencies, 0.50),
              percentile(urgency.latencies, 0.95), percentile(urgency.latencies, 0.99));
}

void run(alnilam::Cluster& cluster, std::size_t count, unsigned bits, std::uint64_t seed) {
  std::array<Urgency, 3> urgencies = {
      {{"urgent", 10, {}}, {"normal", 0, {}}, {"patient", -10, {}}}};
  struct Pending {
    alnilam::Ref<bool> result;
    std::size_t urgency;
    Clock::time_point submitted;
  };
  std::vector<Pending> pending;
  pending.reserve(count);
  std::mt19937_64 random(seed);
  Clock::time_point start = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t number = random() >> (64 - bits);
    std::size_t urgency = i % 10 == 0 ? 0 : i % 10 < 7 ? 1 : 2;
    alnilam::Options options{.priority = urgencies[urgency].priority};
    pending.push_back({cluster.submit(options, isPrime, number), urgency, Clock::now()});
  }

  // Each turn takes all that has ended since the last one.
  std::size_t primes = 0;
  while (!pending.empty()) {
    std::vector<alnilam::Ref<bool>> refs;
    for (const Pending& task : pending) refs.push_back(task.result);
    alnilam::Waited<bool> waited = cluster.wait(refs, 1);
    Clock::time_point now = Clock::now();
    std::vector<Pending> left;  // in order, as waited.pending is
    for (Pending& task : pending) {
      if (left.size() < waited.pending.size() && waited.pending[left.size()] == task.result) {
        left.push_back(std::move(task));
        continue;
      }
      Microseconds latency = now - task.submitted;
      urgencies[task.urgency].latencies.push_back(latency.count());
      primes += cluster.get(task.result);
    }
    pending = std::move(left);
  }
  std::chrono::duration<double> took = Clock::now() - start;

  std::printf("%zu of %zu numbers of %u bits are prime\n", primes, count, bits);
  std::printf("%.0f tasks/s\n", static_cast<double>(count) / took.count());
  Urgency all{"all", 0, {}};
  for (Urgency& urgency : urgencies) {
    print(urgency);
    all.latencies.insert(all.latencies.end(), urgency.latencies.begin(), urgency.latencies.end());
  }
  print(all);
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Tests random numbers for being prime, by priority"};
  std::size_t count = 20'000;
  unsigned bits = 48;
  std::uint64_t seed = 1;
  app.add_option("--count", count, "how many numbers")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--bits", bits, "their size")->check(CLI::Range(2, 64))->capture_default_str();
  app.add_option("--seed", seed, "which numbers")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::cerr << "primes: " << error.what() << '\n';
    return 2;
  }
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  run(cluster, count, bits, seed);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "primes: " << error.what() << '\n';
  return 1;
}
