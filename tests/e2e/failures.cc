// Tasks that throw, and tasks that take their process along.

#include "tests/e2e/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

using namespace std::chrono_literals;
using alnilam::Cluster;
using alnilam::FailureKind;
using alnilam::Ref;
using alnilam::TaskError;

namespace e2e {

class Surprise : public std::exception {
 public:
  const char* what() const noexcept override { return "a surprise of one's own"; }
};

int throws(const std::string& what) {
  if (what == "out_of_range") throw std::out_of_range("index 7 of 3");
  if (what == "custom") throw Surprise();
  if (what == "int") throw 42;
  if (what == "long") throw std::runtime_error(std::string(10 << 20, 'a') + "z");
  if (what == "binary") throw std::runtime_error("caf\xe9 \xff\xfe end");
  return 0;
}

int successor(int number) { return number + 1; }
int successorOfSuccessor(int number) { return number + 1; }

// Throws until `path` has that many bytes, of which it adds one at each call.
int throwsUntil(const std::string& path, int times) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  off_t size = lseek(fd, 0, SEEK_END);
  bool written = write(fd, "x", 1) == 1;
  close(fd);
  if (!written || size < times) throw std::runtime_error("not yet");
  return static_cast<int>(size);
}

volatile int depth = 0;
int dive(int level) {
  volatile char room[4096];
  room[0] = static_cast<char>(level);
  depth = level;
  int below = dive(level + 1);
  return below + room[0];
}

// What the machine says of it is wanted, not what a sanitizer does.
__attribute__((no_sanitize("undefined"))) void storeToNull() {
  *reinterpret_cast<volatile int*>(static_cast<std::uintptr_t>(depth)) = 1;
}

int dies(const std::string& how) {
  if (how == "exit") std::exit(3);
  if (how == "_exit") _exit(4);
  if (how == "abort") std::abort();
  if (how == "segv") raise(SIGSEGV);
  if (how == "null") storeToNull();
  if (how == "overflow") return dive(1);
  if (how == "kill") raise(SIGKILL);
  return 0;
}

// A while of real work; its result shows that it was done to the end.
std::uint64_t collatz(std::uint32_t from, std::uint32_t count) {
  std::uint64_t steps = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint64_t n = from + i; n > 1; n = n % 2 == 0 ? n / 2 : 3 * n + 1) ++steps;
  }
  return steps;
}

ALNILAM_TASK(throws);
ALNILAM_TASK(successor);
ALNILAM_TASK(successorOfSuccessor);
ALNILAM_TASK(throwsUntil);
ALNILAM_TASK(dies);
ALNILAM_TASK(collatz);

namespace {

void exceptions(Cluster& cluster, const Arguments&) {
  struct Case {
    const char* what;
    const char* type;
    const char* message;
  };
  const Case cases[] = {
      {"out_of_range", "std::out_of_range", "index 7 of 3"},
      {"custom", "e2e::Surprise", "a surprise of one's own"},
      {"int", "int", ""},
      {"long", "std::runtime_error", "aaaaaaaa"},
      {"binary", "std::runtime_error", "caf? ?? end"},
  };
  for (const Case& one : cases) {
    Ref<int> bad = cluster.submit(throws, one.what);
    TaskError error = thrown<TaskError>(one.what, [&] { cluster.get(bad, 20s); });
    const alnilam::Failure& failure = error.failure();
    check(failure.kind == FailureKind::exception, std::string(one.what) + ": its kind");
    checkEqual(failure.type, std::string(one.type), "the type");
    checkEqual(failure.function, std::string("throws"), "the function");
    checkContains(failure.message, one.message);
    check(failure.message.size() <= alnilam::Failure::kMaxMessage, "the message is bounded");
    checkEqual(failure.attempt.value, 1u, "exceptions are not retried unasked");
    checkContains(error.what(), one.type);
  }
}

void chains(Cluster& cluster, const Arguments&) {
  Ref<int> bad = cluster.submit(throws, "out_of_range");
  Ref<int> next = cluster.submit(successor, bad);
  Ref<int> last = cluster.submit(successorOfSuccessor, next);

  TaskError error = thrown<TaskError>("a dependent", [&] { cluster.get(last, 20s); });

  checkEqual(error.failure().function, std::string("throws"), "where it began");
  const std::vector<std::string> wanted = {"successor", "successorOfSuccessor"};
  check(error.failure().chain == wanted, "the chain, nearest last: " + std::string(error.what()));
  checkContains(error.what(), "index 7 of 3");
  // The same for who comes later.
  thrown<TaskError>("submitted later", [&] { cluster.get(cluster.submit(successor, last), 20s); });
}

void retriesOfExceptions(Cluster& cluster, const Arguments&) {
  Gate directory;  // for its directory
  std::string first = directory.path() + "-first", second = directory.path() + "-second";

  int attempts = cluster.get(
      cluster.submit({.retries = 3, .retryExceptions = true}, throwsUntil, first, 2), 20s);
  TaskError error = thrown<TaskError>("too few retries", [&] {
    cluster.get(cluster.submit({.retries = 1, .retryExceptions = true}, throwsUntil, second, 5),
                20s);
  });

  checkEqual(attempts, 2, "attempts that failed");
  checkEqual(error.failure().attempt.value, 2u, "the last attempt");
  unlink(first.c_str());
  unlink(second.c_str());
}

// dies HOW KIND: the culprit is named after its retries, all others have their results.
void deaths(Cluster& cluster, const Arguments& arguments) {
  const std::string& how = arguments.at(0);
  FailureKind kind = arguments.at(1) == "exited" ? FailureKind::exited : FailureKind::crashed;
  constexpr std::uint32_t kOthers = 60, kWork = 20'000;
  std::vector<Ref<std::uint64_t>> others;
  std::vector<Ref<int>> culprits;
  std::vector<Ref<int>> finished;
  for (int i = 0; i < 20; ++i) finished.push_back(cluster.submit(successor, i));
  for (std::uint32_t i = 0; i < kOthers; ++i) {
    others.push_back(cluster.submit({.cpus = 0.5}, collatz, i * kWork + 1, kWork));
    if (i == 10) culprits.push_back(cluster.submit({.cpus = 0.5, .retries = 0}, dies, how));
    if (i == 30) culprits.push_back(cluster.submit({.cpus = 0.5, .retries = 1}, dies, how));
  }

  for (unsigned retries : {0u, 1u}) {
    TaskError error = thrown<TaskError>(how, [&] { cluster.get(culprits[retries], 40s); });
    const alnilam::Failure& failure = error.failure();
    check(failure.kind == kind, "its kind: " + std::string(error.what()));
    checkEqual(failure.function, std::string("dies"), "the culprit");
    checkEqual(failure.attempt.value, retries + 1, "the attempt");
    check(!failure.node.empty(), "the node is named");
  }
  std::vector<std::uint64_t> values = cluster.get(others, 50s);
  for (std::uint32_t i = 0; i < kOthers; ++i) {
    checkEqual(values[i], collatz(i * kWork + 1, kWork), "another one's result");
  }
  for (int i = 0; i < 20; ++i) {
    checkEqual(cluster.get(finished[static_cast<std::size_t>(i)], 20s), i + 1, "an early result");
  }
}

}  // namespace

void addFailureScenarios(Scenarios& scenarios) {
  scenarios["exceptions"] = exceptions;
  scenarios["chains"] = chains;
  scenarios["retries_of_exceptions"] = retriesOfExceptions;
  scenarios["deaths"] = deaths;
}

}  // namespace e2e
