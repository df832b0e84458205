#include "core/api/cluster.h"

#include "core/api/fake_backend.h"
#include "core/api/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace alnilam {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

struct Histogram {
  std::vector<int> bins;
  std::string label;
};

int add(int a, int b) { return a + b; }
ALNILAM_TASK(add);

double half(double x) noexcept { return x / 2; }
ALNILAM_TASK(half);

std::string greet(const std::string& name) { return "hello " + name; }
ALNILAM_TASK(greet);

std::string join(const std::string& a, const std::string& b) { return a + b; }
ALNILAM_TASK(join);

std::string show(const std::vector<int>& values) {
  std::string text;
  for (int value : values) text += (text.empty() ? "[" : " ") + std::to_string(value);
  return text + "]";
}
std::string list(int a, const std::vector<int>& b, std::string c, const int& d,
                 std::vector<int> e) {
  return std::to_string(a) + " " + show(b) + " " + c + " " + std::to_string(d) + " " + show(e);
}
ALNILAM_TASK(list);

std::vector<float> ramp(int n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0.f);
  return values;
}
ALNILAM_TASK(ramp);

float sumOf(View<const float> values) { return std::accumulate(values.begin(), values.end(), 0.f); }
ALNILAM_TASK(sumOf);

float sumOfAll(const std::vector<View<const float>>& parts) {
  float sum = 0;
  for (const auto& part : parts) sum += sumOf(part);
  return sum;
}
ALNILAM_TASK(sumOfAll);

Histogram merge(std::vector<Histogram>&& parts) {
  Histogram all{{}, "all"};
  for (auto& part : parts) all.bins.insert(all.bins.end(), part.bins.begin(), part.bins.end());
  return all;
}
ALNILAM_TASK(merge);

Histogram bin(int value, std::string label) { return {{value}, std::move(label)}; }
ALNILAM_TASK(bin);

const void* seen = nullptr;  // where the last View's elements lay
View<const float> echo(View<const float> values) {
  seen = values.data();
  return values;
}
ALNILAM_TASK(echo);

int calls = 0;
void count() { ++calls; }
ALNILAM_TASK(count);

int fails(int) { throw std::runtime_error("no such file"); }
ALNILAM_TASK(fails);

int onDevice(gpu::Context&, int x) { return x; }
ALNILAM_TASK(onDevice);

int unregistered(int x) { return x; }

namespace inner {
int twice(int x) { return 2 * x; }
ALNILAM_TASK(twice);
}  // namespace inner
int thrice(int x) { return 3 * x; }
ALNILAM_TASK(alnilam::thrice);

class ClusterTest : public testing::Test {
 protected:
  std::shared_ptr<FakeBackend> backend = std::make_shared<FakeBackend>();
  Cluster cluster{backend};
};

template <typename E, typename F>
std::string messageOf(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another exception: ") + error.what();
  }
  return "nothing was thrown";
}

TEST_F(ClusterTest, AFunctionRunsWithItsArguments) {
  EXPECT_EQ(cluster.get(cluster.submit(add, 10, 32)), 42);
  EXPECT_EQ(cluster.get(cluster.submit(half, 3)), 1.5);  // int to double, as a call would
  EXPECT_EQ(cluster.get(cluster.submit(greet, "you")), "hello you");
  EXPECT_EQ(cluster.get(cluster.submit(inner::twice, 4)), 8);
  EXPECT_EQ(cluster.get(cluster.submit(thrice, 4)), 12);
}

TEST_F(ClusterTest, AVoidFunctionHasARefToWaitFor) {
  int before = calls;
  Ref<void> done = cluster.submit(count);
  cluster.get(done);
  cluster.get(std::vector{done, cluster.submit(count)});
  EXPECT_EQ(calls, before + 2);
}

TEST_F(ClusterTest, ARefGoesWhereItsValueIsWanted) {
  Ref<int> sum = cluster.submit(add, 1, 2);
  EXPECT_EQ(cluster.get(cluster.submit(add, sum, sum)), 6);
  Ref<std::vector<float>> image = cluster.submit(ramp, 5);
  EXPECT_EQ(cluster.get(cluster.submit(sumOf, image)), 10.f);
}

TEST_F(ClusterTest, RefsInAVectorBecomeAVectorOfValuesOrOfViews) {
  std::vector<Ref<Histogram>> parts;
  for (int i = 0; i < 3; ++i) parts.push_back(cluster.submit(bin, i, "x"));
  Histogram all = cluster.get(cluster.submit(merge, parts));
  EXPECT_THAT(all.bins, ElementsAre(0, 1, 2));
  EXPECT_EQ(all.label, "all");
  std::vector images{cluster.submit(ramp, 3), cluster.submit(ramp, 4)};
  EXPECT_EQ(cluster.get(cluster.submit(sumOfAll, images)), 9.f);
  EXPECT_EQ(cluster.get(cluster.submit(sumOfAll, std::vector<Ref<std::vector<float>>>{})), 0.f);
}

TEST_F(ClusterTest, AValueGoesWhereAViewIsWanted) {
  EXPECT_EQ(cluster.get(cluster.submit(sumOf, std::vector<float>{1, 2, 3})), 6.f);
}

TEST_F(ClusterTest, AViewReadsTheObjectInPlace) {
  // Arrange
  Ref<std::vector<float>> image = cluster.submit(ramp, 1000);
  // Act
  View<const float> view = cluster.view(image);
  auto echoed = cluster.submit(echo, image);
  // Assert: client and task saw the very bytes of the object
  const Blob& object = backend->objects().at(image.id()).value.held;
  EXPECT_EQ(static_cast<const void*>(view.data()), object.bytes().data() + kArrayAlign);
  EXPECT_EQ(seen, view.data());
  EXPECT_EQ(view.size(), 1000u);
  EXPECT_EQ(view[999], 999.f);
  EXPECT_EQ(cluster.get(echoed), view.copy());
}

TEST_F(ClusterTest, AViewOutlivesItsRef) {
  Ref<std::vector<float>> image = cluster.submit(ramp, 1000);
  View<const float> view = cluster.view(image);
  image = {};
  EXPECT_TRUE(backend->objects().empty());
  EXPECT_EQ(view[999], 999.f);
}

TEST_F(ClusterTest, PutValuesAreTaken) {
  Ref<std::string> name = cluster.put("you");
  EXPECT_EQ(cluster.get(cluster.submit(greet, name)), "hello you");
  EXPECT_EQ(cluster.get(cluster.put(std::vector<int>{1, 2})), (std::vector<int>{1, 2}));
}

TEST_F(ClusterTest, LargeArgumentsArePutFirst) {
  // Arrange
  std::vector<float> large(kInlineLimit / sizeof(float), 1.f);  // with its header above the limit
  // Act
  Ref<float> sum = cluster.submit(sumOf, large);
  // Assert: passed as an input, and let go once the task held it
  EXPECT_EQ(cluster.get(sum), static_cast<float>(large.size()));
  EXPECT_EQ(backend->submitted()[0].inputs.size(), 1u);
  EXPECT_LT(backend->submitted()[0].arguments.size(), 16u);
  EXPECT_EQ(backend->objects().size(), 1u);
}

TEST_F(ClusterTest, ArgumentsStayBelowTheInlineLimitTogether) {
  // Arrange
  std::string big(40'000, 'a');
  // Act
  Ref<std::string> both = cluster.submit(join, big, big);
  // Assert: the first travels inline, the second did not fit any more
  EXPECT_EQ(cluster.get(both).size(), 80'000u);
  EXPECT_EQ(backend->submitted()[0].inputs.size(), 1u);
  EXPECT_GT(backend->submitted()[0].arguments.size(), 40'000u);
  EXPECT_LT(backend->submitted()[0].arguments.size(), kInlineLimit);
}

TEST_F(ClusterTest, RefsValuesAndRunsMixInOneCall) {
  Ref<int> one = cluster.submit(add, 0, 1);
  std::vector runs{cluster.submit(add, 1, 1), cluster.submit(add, 1, 2)};
  Ref<int> four = cluster.submit(add, 2, 2);
  std::string all = cluster.get(cluster.submit(list, one, runs, "text", four, runs));
  EXPECT_EQ(all, "1 [2 3] text 4 [2 3]");
}

TEST_F(ClusterTest, TheLastRefReleasesItsObject) {
  Ref<int> one = cluster.submit(add, 1, 2);
  {
    Ref<int> two = one;
    one = {};
    EXPECT_EQ(backend->objects().size(), 1u);
  }
  EXPECT_TRUE(backend->objects().empty());
}

TEST_F(ClusterTest, ATaskKeepsItsInputs) {
  // Arrange
  backend->hold(true);
  Ref<int> sum = cluster.submit(add, 1, 2);
  Ref<int> more = cluster.submit(add, sum, 10);
  // Act
  sum = {};
  backend->runHeld();
  // Assert
  EXPECT_EQ(cluster.get(more), 13);
  EXPECT_EQ(backend->objects().size(), 1u);
}

TEST_F(ClusterTest, OneClassServesEqualSubmissions) {
  for (int i = 0; i < 10; ++i) cluster.submit(add, i, i);
  for (int i = 0; i < 10; ++i) cluster.submit({.cpus = 2, .memory = 1_GiB}, add, i, i);
  EXPECT_EQ(backend->classLookups(), 2);
  ASSERT_EQ(backend->classes().size(), 2u);
  EXPECT_EQ(alnilam::show(backend->classes()[0].needs), "cpu=1");
  EXPECT_EQ(backend->classes()[1].needs.memory, 1_GiB);
}

TEST_F(ClusterTest, ManyClassesAreNotMixedUp) {
  backend->hold(true);
  for (int round = 0; round < 2; ++round) {
    for (int priority = 0; priority < 300; ++priority) {
      cluster.submit({.priority = priority}, add, 1, 2);
      const auto& last = backend->submitted().back();
      ASSERT_EQ(backend->classes()[last.taskClass].priority, priority);
    }
  }
  EXPECT_EQ(backend->classes().size(), 300u);
}

TEST_F(ClusterTest, AnotherBackendHasItsOwnClasses) {
  cluster.submit(add, 1, 1);
  auto second = std::make_shared<FakeBackend>();
  Cluster(second).submit(add, 1, 1);
  EXPECT_EQ(second->classLookups(), 1);
}

TEST_F(ClusterTest, AFailureReachesGetWithItsCause) {
  Ref<int> failed = cluster.submit(add, cluster.submit(fails, 1), 2);
  try {
    cluster.get(failed);
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_EQ(error.failure().function, "fails");
    EXPECT_THAT(error.what(), HasSubstr("no such file"));
    EXPECT_THAT(error.failure().chain, ElementsAre("add"));
    EXPECT_THAT(error.what(), HasSubstr("reached through add"));
  }
}

TEST_F(ClusterTest, GetGivesUpAfterItsTimeout) {
  backend->hold(true);
  Ref<int> never = cluster.submit(add, 1, 2);
  EXPECT_THROW(cluster.get(never, 1ms), TimeoutError);
  EXPECT_THROW(cluster.get(std::vector{never}, 1ms), TimeoutError);
}

TEST_F(ClusterTest, WaitTellsReadyFromPending) {
  Ref<int> ready = cluster.submit(add, 1, 2);
  backend->hold(true);
  Ref<int> pending = cluster.submit(add, 1, 2);
  auto [done, rest] = cluster.wait(std::vector{pending, ready}, 1, 5s);
  EXPECT_THAT(done, ElementsAre(ready));
  EXPECT_THAT(rest, ElementsAre(pending));
  EXPECT_THROW(cluster.wait(std::vector{ready}, 2), InvalidError);
}

TEST_F(ClusterTest, ACancelledTaskHasNoValue) {
  backend->hold(true);
  Ref<int> ref = cluster.submit(add, 1, 2);
  cluster.cancel(ref);
  EXPECT_THROW(cluster.get(ref), CancelledError);
}

TEST_F(ClusterTest, GetOfManyAnnouncesThemAndKeepsTheirOrder) {
  std::vector<Ref<int>> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(cluster.submit(add, i, 0));
  EXPECT_THAT(cluster.get(sums), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(backend->wanted().size(), 4u);
}

TEST_F(ClusterTest, RefsOfNothingAndOfOthersAreRefused) {
  Ref<int> nothing;
  auto second = std::make_shared<FakeBackend>();
  Ref<int> foreign = Cluster(second).submit(add, 1, 2);
  EXPECT_THROW(cluster.get(nothing), InvalidError);
  EXPECT_THROW(cluster.submit(add, nothing, 1), InvalidError);
  EXPECT_THROW(cluster.submit(add, foreign, 1), InvalidError);
}

TEST_F(ClusterTest, AnUnregisteredFunctionSaysWhatIsMissing) {
  EXPECT_THAT(messageOf<InvalidError>([&] { cluster.submit(unregistered, 1); }),
              HasSubstr("ALNILAM_TASK"));
}

TEST_F(ClusterTest, AGpuFunctionWantsAGpu) {
  EXPECT_THAT(messageOf<InvalidError>([&] { cluster.submit(onDevice, 1); }), HasSubstr(".gpus"));
  Ref<int> ref = cluster.submit({.gpus = 0.25, .gpuMemory = 1_GiB}, onDevice, 1);
  EXPECT_EQ(backend->classes()[0].needs.cpus.parts, 0);
  EXPECT_THROW(cluster.get(ref), TaskError);  // this backend has no device
}

TEST_F(ClusterTest, OptionsThatCannotBeMeantAreRefusedByName) {
  double nan = std::numeric_limits<double>::quiet_NaN();
  struct Row {
    const char* name;
    Options options;
    std::vector<std::string> says;
  };
  const Row kRows[] = {
      {"a negative amount", {.cpus = -1}, {"cpus", "-1"}},
      {"NaN", {.cpus = nan}, {"cpus", "nan"}},
      {"NaN GPUs", {.gpus = nan}, {"gpus", "nan"}},
      {"infinity", {.gpus = HUGE_VAL}, {"gpus", "inf"}},
      {"absurdly many", {.cpus = 1e12}, {"cpus"}},
      {"one and a half GPUs", {.gpus = 1.5}, {"gpus", "1.5"}},
      {"memory from a negative number", {.memory = Bytes(-1)}, {"memory", "18446744073709551615"}},
      {"GPU memory without a GPU", {.gpuMemory = 1_GiB}, {"gpuMemory", "1GiB"}},
      {"retries", {.retries = 101}, {"retries", "101"}},
      {"a delay", {.delay = Duration(-1)}, {"delay", "negative"}},
      {"a deadline", {.deadline = Duration::max()}, {"deadline", "century"}},
      {"both", {.delay = std::chrono::seconds(2), .deadline = std::chrono::seconds(1)},
       {"deadline: 1.0", "delay, 2.0"}},
      {"a named one without name", {.resources = {{"", 1}}}, {"name"}},
      {"a named one twice", {.resources = {{"licence", 1}, {"licence", 2}}}, {"licence", "twice"}},
      {"a negative named one", {.resources = {{"licence", -2}}}, {"licence", "-2"}},
      {"a placement", {.placement = "best"}, {"placement", "best", "pack", "affinity(KEY)"}},
      {"a placement without key", {.placement = "affinity()"}, {"affinity()", "affinity(KEY)"}},
      {"a rule", {.labels = {"zone"}}, {"labels", "\"zone\"", "zone notin (a, b)"}},
      {"rules", {.labels = {"zone=a", "zone in (b, c)"}},
       {"zone in (a) contradicts zone in (b, c)"}},
      {"nodes", {.labels = {"node!=n1"}, .nodes = {"n1"}},
       {"node in (n1) contradicts node notin (n1)"}},
  };
  for (const Row& row : kRows) {
    std::string message = messageOf<InvalidError>([&] { cluster.submit(row.options, add, 1, 2); });
    for (const std::string& part : row.says) EXPECT_THAT(message, HasSubstr(part)) << row.name;
  }
  EXPECT_TRUE(backend->submitted().empty());
}

TEST_F(ClusterTest, PrioritiesOutOfRangeCountAsTheNearest) {
  struct Row { int asked, is; };
  for (Row row : {Row{0, 0}, {1000, 1000}, {1001, 1000}, {INT_MAX, 1000}, {INT_MIN, -1000}}) {
    EXPECT_EQ(taskClass("f", {.priority = row.asked}).priority, row.is) << row.asked;
  }
}

TEST(JobOptions, BecomeAWeightAndAQuota) {
  JobShare share = jobShare({.weight = 250,
                             .maxCpus = 2.5,
                             .maxGpus = 0,
                             .maxMemory = 1_GiB,
                             .maxResources = {{"license", 2}, {"a", 0}}});
  EXPECT_EQ(share.weight, 250u);
  EXPECT_EQ(show(share.quota), "cpu=2.5,gpu=0,memory=1GiB,a=0,license=2");
  EXPECT_FALSE(jobShare({}).quota.isBounded());
}

TEST(JobOptions, ThatCannotBeMeantAreRefusedByName) {
  auto says = [](const JobOptions& options) {
    return messageOf<InvalidError>([&] { jobShare(options); });
  };
  EXPECT_THAT(says({.weight = 0}), HasSubstr("not 0"));
  EXPECT_THAT(says({.weight = 10'001}), HasSubstr("10001"));
  EXPECT_THAT(says({.maxCpus = -1}), HasSubstr("maxCpus"));
  EXPECT_THAT(says({.maxMemory = Bytes(-1)}), HasSubstr("maxMemory"));
  EXPECT_THAT(says({.maxResources = {{"x", 1}, {"x", 1}}}), HasSubstr("x is named twice"));
}

TEST_F(ClusterTest, RefusalsBecomeTypedExceptions) {
  auto refused = [&](RefusalCode code) {
    backend->refuseNext({code, "because of 42"});
    return [&] { cluster.put(1); };
  };
  EXPECT_THROW(refused(RefusalCode::invalid)(), InvalidError);
  EXPECT_THROW(refused(RefusalCode::unknown)(), InvalidError);
  EXPECT_THROW(refused(RefusalCode::infeasible)(), InfeasibleError);
  EXPECT_THROW(refused(RefusalCode::overloaded)(), StoreFullError);
  EXPECT_THROW(refused(RefusalCode::staleIncarnation)(), ConnectionError);
  EXPECT_THROW(refused(RefusalCode::notAllowed)(), ConnectionError);
  EXPECT_THROW(refused(RefusalCode::unavailable)(), ConnectionError);
  EXPECT_THAT(messageOf<InfeasibleError>(refused(RefusalCode::infeasible)), HasSubstr("42"));
  cluster.submit(add, 1, 2);  // the class is known now
  backend->refuseNext({RefusalCode::overloaded, "full"});
  EXPECT_THROW(cluster.submit(add, 1, 2), OverloadedError);
}

}  // namespace
}  // namespace alnilam
