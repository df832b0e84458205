#include "core/placement/placer.h"

#include <gtest/gtest.h>

namespace alnilam::placement {
namespace {

// `count` nodes of one kind, of which row i has i + 1 parts of a processor in use.
NodeIndex filled(std::uint32_t count) {
  NodeIndex index;
  std::uint32_t kind = index.addKind({64 * kWhole, 1_TiB, {}, "", {}});
  for (std::uint32_t i = 0; i < count; ++i) {
    Request used;
    used.cpu = i + 1;
    index.take(index.add(kind, i), used, -1);
  }
  return index;
}

Request small() {
  Request request;
  request.cpu = kWhole;
  return request;
}

TEST(Placer, ScoresEveryStateForARequestThatComesOnce) {
  NodeIndex index = filled(Placer::kMostScanned);
  Placer placer(index, *findPolicy("default"), 1);
  EXPECT_EQ(placer.choose(small())->row, 0u) << "without devices the least loaded is the best";
}

TEST(Placer, ScoresTheFullestThatFitWhereStatesAreTooMany) {
  NodeIndex index = filled(Placer::kMostScanned + 1);
  Placer placer(index, *findPolicy("default"), 1);
  EXPECT_EQ(placer.choose(small())->row, Placer::kMostScanned + 1 - Placer::kFullestScored)
      << "the least loaded of those that are scored";
  EXPECT_EQ(placer.choose(small())->row, 0u) << "what comes again is scored everywhere";
}

TEST(Placer, FindsNoneWhereNothingFits) {
  NodeIndex index = filled(Placer::kMostScanned + 1);
  Placer placer(index, *findPolicy("default"), 1);
  Request huge;
  huge.cpu = 64 * kWhole;
  EXPECT_EQ(placer.choose(huge), std::nullopt);
}

}  // namespace
}  // namespace alnilam::placement
