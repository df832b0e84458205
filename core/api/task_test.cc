// Thunks on bytes that nobody's submit has made, as a stranger would send them.

#include "core/api/task.h"

#include <gtest/gtest.h>

#include <random>

namespace alnilam {
namespace {

int total(int first, const std::vector<int>& rest) {
  for (int value : rest) first += value;
  return first;
}
ALNILAM_TASK(total);

int measure(gpu::Context&, int x) { return x; }
ALNILAM_TASK(measure);

class Sink final : public ResultSink {
 public:
  std::span<std::byte> room(Bytes size) override {
    bytes.resize(size);
    return bytes;
  }
  std::vector<std::byte> bytes;
};

std::vector<std::byte> bytes(std::initializer_list<int> list) {
  std::vector<std::byte> made;
  for (int b : list) made.push_back(static_cast<std::byte>(b));
  return made;
}

// Calls `total` with these argument bytes and two inputs, the ints 10 and 20.
int callTotal(std::span<const std::byte> arguments) {
  std::vector<std::byte> ten = bytes({10, 0, 0, 0}), twenty = bytes({20, 0, 0, 0});
  std::vector<std::span<const std::byte>> inputs{ten, twenty};
  Sink sink;
  TaskCall call{arguments, inputs, nullptr, &sink};
  findTask("total")->thunk(call);
  return decode<int>(sink.bytes);
}

TEST(Task, TheRegistryKnowsAFunctionByNameAndByAddress) {
  const TaskFunction* task = findTask("total");
  ASSERT_NE(task, nullptr);
  EXPECT_EQ(findTask(reinterpret_cast<const void*>(&total)), task);
  EXPECT_FALSE(task->wantsGpu);
  EXPECT_TRUE(findTask("measure")->wantsGpu);
  EXPECT_EQ(findTask("nobody"), nullptr);
  EXPECT_EQ(registeredTasks(), (std::vector<std::string>{"measure", "total"}));
}

TEST(Task, ArgumentsAreReadAsTaskCallSays) {
  // One value of 4 bytes from offset 8, then both inputs as a vector.
  EXPECT_EQ(callTotal(bytes({0, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0})), 35);
  // One input, then one that is taken as a run of one.
  EXPECT_EQ(callTotal(bytes({1, 0, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0})), 30);
}

TEST(Task, ArgumentsThatAreNotTheParametersAreRefused) {
  struct Row {
    const char* name;
    std::vector<std::byte> arguments;
  };
  const Row kRows[] = {
      {"nothing", {}},
      {"one argument only", bytes({1, 0, 0, 0, 0})},
      {"one too many", bytes({1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})},
      {"an unknown kind", bytes({3, 0, 0, 0, 0})},
      {"a size cut short", bytes({0, 4, 0})},
      {"a value cut short", bytes({0, 4, 0, 0, 0, 0, 0, 0, 5, 0})},
      {"a value of another size", bytes({0, 2, 0, 0, 0, 0, 0, 0, 5, 0})},
      {"an input that is not there", bytes({1, 2, 0, 0, 0})},
      {"a run beyond the inputs", bytes({1, 0, 0, 0, 0, 2, 2, 0, 0, 0, 1, 0, 0, 0})},
      {"a run that wraps around", bytes({1, 0, 0, 0, 0, 2, 255, 255, 255, 255, 2, 0, 0, 0})},
      {"a run for one value", bytes({2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0})},
      {"an int for a vector", bytes({1, 0, 0, 0, 0, 1, 0, 0, 0, 0})},
  };
  for (const Row& row : kRows) {
    EXPECT_THROW(callTotal(row.arguments), BadArgumentsError) << row.name;
  }
}

TEST(Task, RandomArgumentsAreRefusedOrRead) {
  std::vector<std::byte> good =
      bytes({0, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0});
  for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 prng(seed);
    std::vector<std::byte> bad = good;
    for (int i = 0; i < 3; ++i) bad[prng() % bad.size()] = static_cast<std::byte>(prng() % 6);
    bad.resize(prng() % 4 == 0 ? prng() % bad.size() : bad.size());
    bad.shrink_to_fit();
    try {
      callTotal(bad);
    } catch (const BadArgumentsError&) {
    }
  }
}

TEST(Task, AGpuFunctionWithoutADeviceSaysSo) {
  std::vector<std::byte> arguments = bytes({0, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0});
  Sink sink;
  TaskCall call{arguments, {}, nullptr, &sink};
  EXPECT_THROW(findTask("measure")->thunk(call), DeviceError);
}

}  // namespace
}  // namespace alnilam
