#pragma once
// A scenario is what the program of the end-to-end tests does with a cluster when it is named on
// the command line.  It checks what it gets itself; the drivers in Python start it, disturb it, and
// read its exit code and what it prints.
//
// A task that is to run until something happens waits at a gate: a FIFO that the driver (or the
// scenario) opens for writing.  So nothing here waits for time to pass.
//
// Errors: a check that does not hold throws, which ends the program with 1 and a line on stderr.

#include <alnilam/alnilam.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace e2e {

using Arguments = std::vector<std::string>;  // what stands behind the scenario's name
using Scenario = void (*)(alnilam::Cluster& cluster, const Arguments& arguments);
using Scenarios = std::map<std::string, Scenario>;

void addRequestScenarios(Scenarios& scenarios);
void addFailureScenarios(Scenarios& scenarios);
void addObjectScenarios(Scenarios& scenarios);
void addGraphScenarios(Scenarios& scenarios);
void addDeviceScenarios(Scenarios& scenarios);
void addPlacingScenarios(Scenarios& scenarios);
void addVariantScenarios(Scenarios& scenarios);

inline void check(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error("check failed: " + what);
}

template <typename T, typename U>
void checkEqual(const T& got, const U& wanted, const std::string& what) {
  if (got == wanted) return;
  if constexpr (requires { std::to_string(got); }) {
    throw std::logic_error("check failed: " + what + ": " + std::to_string(got) + " and not " +
                           std::to_string(wanted));
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    throw std::logic_error("check failed: " + what + ": \"" + std::string(got) + "\"");
  } else {
    throw std::logic_error("check failed: " + what);
  }
}

inline void checkContains(const std::string& text, const std::string& part) {
  check(text.find(part) != std::string::npos,
        "\"" + text.substr(0, 1000) + "\" does not name \"" + part + "\"");
}

// What `act` throws, which must be an E.
template <typename E>
E thrown(const std::string& what, const std::function<void()>& act) {
  try {
    act();
  } catch (const E& error) {
    return error;
  } catch (const std::exception& error) {
    throw std::logic_error("check failed: " + what + " threw something else: " +
                           std::string(error.what()).substr(0, 1000));
  }
  throw std::logic_error("check failed: " + what + " threw nothing");
}

// Prints a line for the driver, at once.
void tell(const std::string& line);
// Waits for a line from the driver.
void hear();

// Bytes that look random and are the same for the same seed anywhere.
std::vector<std::uint8_t> pattern(std::size_t size, std::uint32_t seed);
// A FIFO of its own, in a directory that is removed with it; closed until open() is called.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  const std::string& path() const { return path_; }
  void open();  // whoever waits passes, and whoever comes later

 private:
  std::string directory_, path_;
  int fd_ = -1;
};

// Returns when the gate at `path` is open; for tasks.
void passGate(const std::string& path);

}  // namespace e2e
