// The first program: one task, then tasks that wait for tasks.

#include <alnilam/alnilam.h>

#include <iostream>
#include <numeric>
#include <string>
#include <vector>

int add(int left, int right) { return left + right; }

std::string spell(int number) { return "the answer is " + std::to_string(number); }

int sum(const std::vector<int>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0);
}

ALNILAM_TASK(add);
ALNILAM_TASK(spell);
ALNILAM_TASK(sum);

int main(int argc, char** argv) try {
  alnilam::Cluster cluster = alnilam::connect(argc, argv);

  // submit returns at once; get waits for the value.
  alnilam::Ref<int> answer = cluster.submit(add, 10, 32);
  std::cout << "10 + 32 = " << cluster.get(answer) << '\n';

  // A Ref goes where its value is wanted: spell starts when add has ended, wherever that was.
  std::cout << cluster.get(cluster.submit(spell, answer)) << '\n';

  // A vector of Refs becomes a vector of values.
  std::vector<alnilam::Ref<int>> squares;
  for (int i = 1; i <= 10; ++i) {
    alnilam::Ref<int> square = cluster.put(0);
    for (int k = 0; k < i; ++k) square = cluster.submit(add, square, i);
    squares.push_back(square);
  }
  std::cout << "the squares of 1 to 10 add up to " << cluster.get(cluster.submit(sum, squares))
            << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << "quickstart: " << error.what() << '\n';
  return 1;
}
