// The PTX that alnilam_add_kernels puts into a program, and the types of kernels' parameters.

#include "gpu/device/kernel.h"
#include "vectors.ptx.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace alnilam::gpu {
namespace {

TEST(Kernels, PtxIsInTheProgramAsTextWithAZeroAtItsEnd) {
  std::string_view ptx = alnilam_kernels::vectors_ptx.ptx;
  EXPECT_NE(ptx.find(".visible .entry scale("), std::string_view::npos);
  EXPECT_NE(ptx.find(".target sm_75"), std::string_view::npos);
  EXPECT_EQ(ptx.data()[ptx.size()], '\0');
  EXPECT_EQ(ptx.back(), '\n');
}

using detail::Passes;

TEST(Kernels, PointersTakeArraysAndViewsOfTheirElementAndKeepConst) {
  static_assert(Passes<const float*, View<const float>>);
  static_assert(Passes<const float*, View<float>>);
  static_assert(Passes<const float*, Array<float>>);
  static_assert(Passes<float*, Array<float>>);
  static_assert(Passes<float*, View<float>>);
  static_assert(Passes<float*, float*>);
  static_assert(Passes<const float*, float*>);
  static_assert(!Passes<float*, View<const float>>);
  static_assert(!Passes<float*, const float*>);
  static_assert(!Passes<float*, Array<int>>);
  static_assert(!Passes<float*, int>);
  EXPECT_EQ((detail::Pass<unsigned>::from(7)), 7u);
}

TEST(Kernels, BlocksCoverEverything) {
  EXPECT_EQ(blocksFor(0, 256), 0u);
  EXPECT_EQ(blocksFor(1, 256), 1u);
  EXPECT_EQ(blocksFor(256, 256), 1u);
  EXPECT_EQ(blocksFor(257, 256), 2u);
}

}  // namespace
}  // namespace alnilam::gpu
