// The program that the end-to-end tests run: e2e_program SCENARIO [ARGUMENTS...]

#include "tests/e2e/scenario.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace e2e {

void tell(const std::string& line) { std::cout << line << std::endl; }

void hear() {
  std::string line;
  check(static_cast<bool>(std::getline(std::cin, line)), "the driver has gone");
}

std::vector<std::uint8_t> pattern(std::size_t size, std::uint32_t seed) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

Gate::Gate() {
  directory_ = "/tmp/alnilam-e2e-XXXXXX";
  check(mkdtemp(directory_.data()) != nullptr, "a directory can be made");
  path_ = directory_ + "/gate";
  check(mkfifo(path_.c_str(), 0600) == 0, "a FIFO can be made");
}

Gate::~Gate() {
  open();
  close(fd_);
  unlink(path_.c_str());
  rmdir(directory_.c_str());
}

// Both ends at once, so that it neither waits for readers nor loses later ones.
void Gate::open() {
  if (fd_ < 0) fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
}

void passGate(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
}

}  // namespace e2e

int main(int argc, char** argv) try {
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  e2e::Scenarios scenarios;
  e2e::addRequestScenarios(scenarios);
  e2e::addFailureScenarios(scenarios);
  e2e::addObjectScenarios(scenarios);
  e2e::addGraphScenarios(scenarios);
  e2e::addDeviceScenarios(scenarios);
  e2e::addPlacingScenarios(scenarios);
  e2e::addVariantScenarios(scenarios);
  auto scenario = scenarios.find(argc > 1 ? argv[1] : "");
  if (scenario == scenarios.end()) {
    std::cerr << "e2e_program: no such scenario; there are:";
    for (auto& [name, run] : scenarios) std::cerr << ' ' << name;
    std::cerr << '\n';
    return 2;
  }
  scenario->second(cluster, {argv + 2, argv + argc});
  e2e::tell("passed " + scenario->first);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "e2e_program: " << std::string(error.what()).substr(0, 2000) << '\n';
  return 1;
}
