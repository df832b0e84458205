// What the typed API adds to a submission: submit(f, int) and dropping its Ref, against a backend
// that does nothing.  The limit is the one heap allocation that a Ref needs.

#include "core/api/cluster.h"
#include "core/api/task.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

using namespace alnilam;

namespace {

int same(int x) { return x; }
ALNILAM_TASK(same);

std::string joined(const std::string& text, const std::vector<double>& values, int x);
std::string joined(const std::string& text, const std::vector<double>&, int) { return text; }
ALNILAM_TASK(joined);

class NullBackend final : public Backend {
 public:
  Result<ClassIndex> classFor(const TaskClass&) override { return ClassIndex{0}; }
  Result<TaskId> submit(ClassIndex, Blob, std::vector<ObjectId>) override {
    return ObjectId::make(JobId{1}, ++drawn_);
  }
  Result<ObjectId> put(Bytes, const std::function<void(std::span<std::byte>)>&) override {
    return ObjectId::make(JobId{1}, ++drawn_);
  }
  Result<Value> get(ObjectId, std::optional<Duration>) override { return Value{}; }
  Result<std::vector<bool>> wait(std::span<const ObjectId>, std::size_t,
                                 std::optional<Duration>) override {
    return std::vector<bool>{};
  }
  void want(std::span<const ObjectId>) override {}
  Result<std::vector<UsageRow>> usage() override { return std::vector<UsageRow>{}; }
  Result<std::string> explain(TaskId) override { return std::string(); }
  void cancel(TaskId) override {}
  void retain(ObjectId) override {}
  void release(ObjectId) override {}

 private:
  std::uint32_t drawn_ = 0;
};

template <typename Work>
double leastNanoseconds(Work&& work) {
  constexpr int kRounds = 40, kRepeats = 50'000;
  double least = 1e18;
  for (int i = 0; i < kRounds; ++i) {
    auto start = std::chrono::steady_clock::now();
    for (int j = 0; j < kRepeats; ++j) work(j);
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count() / kRepeats);
  }
  return least;
}

void print(const char* name, double value, double limit) {
  std::printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"ns\",\"limit\":%.4g,"
              "\"limitName\":\"new and delete of 40 bytes\",\"ratio\":%.3g,\"emulated\":false}\n",
              name, value, limit, value / limit);
}

}  // namespace

int main() {
  Cluster cluster(std::make_shared<NullBackend>());
  double limit = leastNanoseconds([](int) {
    auto* memory = new std::byte[40];
    asm volatile("" : : "g"(memory) : "memory");
    delete[] memory;
  });
  print("submit_int", leastNanoseconds([&](int i) { cluster.submit(same, i); }), limit);
  Options options{.cpus = 2, .memory = 1_GiB, .priority = 5};
  print("submit_int_options", leastNanoseconds([&](int i) { cluster.submit(options, same, i); }),
        limit);
  Ref<int> ref = cluster.submit(same, 1);
  print("submit_ref", leastNanoseconds([&](int) { cluster.submit(same, ref); }), limit);
  std::string text = "some text";
  std::vector<double> values(20, 1.5);
  print("submit_string_vector_int",
        leastNanoseconds([&](int i) { cluster.submit(joined, text, values, i); }), limit);
  return 0;
}
