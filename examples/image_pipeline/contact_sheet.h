#pragma once
// The overview: every image as it was, blurred, and its edges, side by side and small.
//
// A strip is one image's three tiles; a sheet is strips, two in a row, on a dark ground.
//
// Threading: pure functions.

#include "image_files.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace image_pipeline {

constexpr Size kTile{160, 120};
constexpr std::uint32_t kGap = 4;      // between the tiles of a strip
constexpr std::uint32_t kMargin = 16;  // around strips
constexpr Size kStrip{3 * kTile.width + 2 * kGap, kTile.height};
constexpr std::size_t kStripsAcross = 2;
constexpr std::size_t kStripsASheet = 60;

// RGB pixels of a strip: the image, its blur (both RGB) and its edges (gray), each in the middle of
// its tile, made smaller to fit and never larger.
std::vector<std::uint8_t> strip(std::span<const std::uint8_t> rgb,
                                std::span<const std::uint8_t> soft,
                                std::span<const std::uint8_t> edges, Size size);

Size sheetSize(std::size_t strips);

// RGB pixels of a sheet of 1 to kStripsASheet strips.
std::vector<std::uint8_t> sheet(std::span<const std::span<const std::uint8_t>> strips);

}  // namespace image_pipeline
