// Tasks with variants through the typed API: what becomes of the options, and that they run.

#include "core/api/variants.h"

#include "core/api/cluster.h"
#include "core/api/fake_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace alnilam {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::vector<int> doubled(View<const int> values, int times) {
  std::vector<int> result;
  for (int value : values) result.push_back(value * 2 * times);
  return result;
}
std::vector<int> doubledAgain(const std::vector<int>& values, int times) {
  return doubled(View<const int>::of(values), times);
}
std::vector<int> doubledThere(gpu::Context&, View<const int> values, int times) {
  return doubled(values, times);
}

ALNILAM_VARIANTS(twice, cpu(doubled), cuda(doubledThere));
ALNILAM_VARIANTS(needy, cpu(doubled, {.cpus = 4, .memory = 1_GiB}),
                 cuda(doubledThere, {.cpus = 0.5, .gpus = 0.25, .gpuMemory = 512_MiB}),
                 cpu(doubledAgain));

std::string shown(const TaskClass& made) {
  std::string text = made.function + ":";
  for (const Variant& one : made.variants) {
    text += " " + one.kind + " " + one.function + " " + show(one.needs) + ";";
  }
  return text;
}

struct Row {
  const char* name;
  const VariantSet& set;
  Options options;
  const char* want;
};

TEST(Variants, OptionsSayWhatIsAskedForWhich) {
  const Row kRows[] = {
      {"nothing said", twice.set(), {}, "twice: cpu doubled cpu=1; cuda doubledThere gpu=1;"},
      {"as it stands beside them", needy.set(), {},
       "needy: cpu doubled cpu=4,memory=1GiB; cuda doubledThere cpu=0.5,gpu=0.25,"
       "gpu.memory=512MiB; cpu doubledAgain cpu=1;"},
      {"cpus are for cpu variants", needy.set(), {.cpus = 2},
       "needy: cpu doubled cpu=2,memory=1GiB; cuda doubledThere cpu=0.5,gpu=0.25,"
       "gpu.memory=512MiB; cpu doubledAgain cpu=2;"},
      {"gpus and their memory for cuda variants", twice.set(), {.gpus = 2, .gpuMemory = 1_GiB},
       "twice: cpu doubled cpu=1; cuda doubledThere gpu=2,gpu.memory=1GiB;"},
      {"memory and named resources for all", needy.set(),
       {.memory = 2_GiB, .resources = {{"license", 1}}},
       "needy: cpu doubled cpu=4,memory=2GiB,license=1; cuda doubledThere cpu=0.5,gpu=0.25,"
       "gpu.memory=512MiB,memory=2GiB,license=1; cpu doubledAgain cpu=1,memory=2GiB,license=1;"},
  };
  for (const Row& row : kRows) {
    TaskClass made = taskClass(row.set, row.options);
    EXPECT_EQ(shown(made), row.want) << row.name;
    EXPECT_EQ(made.needs, made.variants.front().needs) << row.name;
  }
  TaskClass urgent = taskClass(twice.set(), {.priority = 7, .retries = 1, .retryExceptions = true,
                                            .delay = 1s, .deadline = 2s, .preemptible = true});
  EXPECT_EQ(urgent.priority, 7);
  EXPECT_EQ(urgent.delay, 1s);
  EXPECT_EQ(urgent.deadline, 2s);
  EXPECT_TRUE(urgent.preemptible);
  EXPECT_EQ(urgent.retries, 1u);
  EXPECT_TRUE(urgent.retryExceptions);
}

TEST(Variants, WhatNoClusterCouldMeanIsRefused) {
  EXPECT_THROW(taskClass(twice.set(), {.cpus = -1}), InvalidError);
  EXPECT_THROW(taskClass(twice.set(), {.gpus = -1}), InvalidError);
  EXPECT_THROW(taskClass(twice.set(), {.gpus = 1.5}), InvalidError);
  EXPECT_THROW(taskClass(twice.set(), {.retries = 5000}), InvalidError);
}

struct VariantsTest : testing::Test {
  std::shared_ptr<FakeBackend> backend = std::make_shared<FakeBackend>();
  Cluster cluster{backend};
};

TEST_F(VariantsTest, TheyAreSubmittedLikeAFunction) {
  Ref<std::vector<int>> once = cluster.submit(twice, std::vector<int>{1, 2}, 1);
  Ref<std::vector<int>> again = cluster.submit({.cpus = 2}, twice, once, 10);
  EXPECT_EQ(cluster.get(again), (std::vector<int>{40, 80}));
  ASSERT_EQ(backend->classes().size(), 2u);
  EXPECT_EQ(backend->classes()[0], taskClass(twice.set(), {}));
  EXPECT_THAT(cluster.explain(again), HasSubstr("(twice)"));
}

TEST_F(VariantsTest, TheirClassIsRemembered) {
  for (int i = 0; i < 100; ++i) cluster.submit(twice, std::vector<int>{1}, i);
  EXPECT_EQ(backend->classes().size(), 1u);
  EXPECT_EQ(backend->classLookups(), 1);
}

TEST_F(VariantsTest, TheirFunctionsAreTasksAsWell) {
  EXPECT_NE(findTask("doubled"), nullptr);
  EXPECT_TRUE(findTask("doubledThere")->wantsGpu);
  EXPECT_EQ(cluster.get(cluster.submit(doubledAgain, std::vector<int>{1}, 1)),
            std::vector<int>{2});
}

}  // namespace
}  // namespace alnilam
