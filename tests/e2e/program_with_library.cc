// A program that needs a shared library besides itself.

#include <alnilam/alnilam.h>

#include <chrono>
#include <iostream>

int partOfTheProgram(int number);

int calls(int number) { return partOfTheProgram(number); }

ALNILAM_TASK(calls);

int main(int argc, char** argv) try {
  alnilam::Cluster cluster = alnilam::connect(argc, argv);
  return cluster.get(cluster.submit(calls, 41), std::chrono::seconds(20)) == 42 ? 0 : 3;
} catch (const alnilam::TaskError& error) {
  bool named = error.failure().kind == alnilam::FailureKind::executorFailed;
  std::cerr << (named ? "" : "another kind: ") << error.what() << '\n';
  return 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 2;
}
