#pragma once
// The filters on CPUs, and what both kinds of them agree on.
//
// filters.cu has the same arithmetic, in integers, so that the results are the same bits.
//
// Threading: pure functions.

#include "image_files.h"

#include <cstdint>
#include <span>
#include <vector>

namespace image_pipeline {

// A Gaussian's 2 * radius + 1 weights, in 65536ths that add up to 65536; its standard deviation is
// half the radius.
std::vector<std::uint32_t> gaussianWeights(unsigned radius);

constexpr unsigned kMostRadius = 64;

// RGB to RGB, along rows and then along columns.
std::vector<std::uint8_t> blurred(std::span<const std::uint8_t> rgb, Size size,
                                  std::span<const std::uint32_t> weights);

// RGB to gray: half the sum of Sobel's two slopes of the luma.
std::vector<std::uint8_t> edges(std::span<const std::uint8_t> rgb, Size size);

}  // namespace image_pipeline
