#include "filters.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace image_pipeline {

std::vector<std::uint32_t> gaussianWeights(unsigned radius) {
  double deviation = std::max(radius / 2.0, 0.5), sum = 0;
  std::vector<double> exact(2 * radius + 1);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    double away = static_cast<double>(i) - radius;
    exact[i] = std::exp(-away * away / (2 * deviation * deviation));
    sum += exact[i];
  }
  std::vector<std::uint32_t> weights(exact.size());
  std::uint32_t given = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    weights[i] = static_cast<std::uint32_t>(65536 * exact[i] / sum);
    given += weights[i];
  }
  weights[radius] += 65536 - given;  // what was cut off; the middle stays the largest
  return weights;
}

namespace {

std::size_t clamped(std::ptrdiff_t at, std::uint32_t size) {
  return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at, 0, std::ptrdiff_t{size} - 1));
}

}  // namespace

std::vector<std::uint8_t> blurred(std::span<const std::uint8_t> rgb, Size size,
                                  std::span<const std::uint32_t> weights) {
  auto radius = static_cast<std::ptrdiff_t>(weights.size() / 2);
  std::size_t rowSamples = std::size_t{3} * size.width;
  std::vector<std::uint16_t> between(rgb.size());  // 8 bits before and 8 behind the point
  std::vector<std::uint32_t> sums(rowSamples);
  for (std::size_t y = 0; y < size.height; ++y) {
    std::fill(sums.begin(), sums.end(), 128);
    const std::uint8_t* row = rgb.data() + y * rowSamples;
    for (std::ptrdiff_t k = -radius; k <= radius; ++k) {
      std::uint32_t weight = weights[static_cast<std::size_t>(k + radius)];
      for (std::size_t x = 0; x < size.width; ++x) {
        const std::uint8_t* from =
            row + 3 * clamped(static_cast<std::ptrdiff_t>(x) + k, size.width);
        for (std::size_t c = 0; c < 3; ++c) sums[3 * x + c] += weight * from[c];
      }
    }
    for (std::size_t x = 0; x < rowSamples; ++x) {
      between[y * rowSamples + x] = static_cast<std::uint16_t>(sums[x] >> 8);
    }
  }
  std::vector<std::uint8_t> result(rgb.size());
  for (std::size_t y = 0; y < size.height; ++y) {
    std::fill(sums.begin(), sums.end(), 1u << 23);
    for (std::ptrdiff_t k = -radius; k <= radius; ++k) {
      std::size_t from = clamped(static_cast<std::ptrdiff_t>(y) + k, size.height);
      std::uint32_t weight = weights[static_cast<std::size_t>(k + radius)];
      const std::uint16_t* row = between.data() + from * rowSamples;
      for (std::size_t x = 0; x < rowSamples; ++x) sums[x] += weight * row[x];
    }
    for (std::size_t x = 0; x < rowSamples; ++x) {
      result[y * rowSamples + x] = static_cast<std::uint8_t>(sums[x] >> 24);
    }
  }
  return result;
}

std::vector<std::uint8_t> edges(std::span<const std::uint8_t> rgb, Size size) {
  std::vector<std::uint8_t> gray(size.pixels());
  for (std::size_t i = 0; i < gray.size(); ++i) {
    const std::uint8_t* pixel = &rgb[3 * i];
    gray[i] = static_cast<std::uint8_t>(
        (77u * pixel[0] + 150u * pixel[1] + 29u * pixel[2] + 128) >> 8);
  }
  std::vector<std::uint8_t> result(gray.size());
  for (std::size_t y = 0; y < size.height; ++y) {
    for (std::size_t x = 0; x < size.width; ++x) {
      auto at = [&](std::ptrdiff_t dx, std::ptrdiff_t dy) {
        return int{gray[clamped(static_cast<std::ptrdiff_t>(y) + dy, size.height) * size.width +
                        clamped(static_cast<std::ptrdiff_t>(x) + dx, size.width)]};
      };
      int across = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1);
      int down = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1);
      result[y * size.width + x] =
          static_cast<std::uint8_t>(std::min((std::abs(across) + std::abs(down)) / 2, 255));
    }
  }
  return result;
}

}  // namespace image_pipeline
