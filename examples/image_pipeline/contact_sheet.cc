#include "contact_sheet.h"

#include <algorithm>

namespace image_pipeline {
namespace {

constexpr std::uint8_t kGround = 32;

// The size of an image that is made to fit into a tile.
Size fitted(Size size) {
  if (size.width <= kTile.width && size.height <= kTile.height) return size;
  std::uint64_t width = kTile.width;
  std::uint64_t height = width * size.height / size.width;
  if (height > kTile.height) {
    height = kTile.height;
    width = height * size.width / size.height;
  }
  return {static_cast<std::uint32_t>(std::max<std::uint64_t>(width, 1)),
          static_cast<std::uint32_t>(std::max<std::uint64_t>(height, 1))};
}

// Where the pixels lie that become pixel `at` of `of`; never nothing, since of <= size.
struct Range {
  std::size_t from, to;
};
Range share(std::uint32_t at, std::uint32_t of, std::uint32_t size) {
  return {std::size_t{at} * size / of, std::max((std::size_t{at} + 1) * size / of,
                                                std::size_t{at} * size / of + 1)};
}

// Writes an image, averaged down, into the middle of the tile that begins at column `left`.
void draw(std::span<const std::uint8_t> samples, Size size, unsigned channels, std::uint32_t left,
          std::vector<std::uint8_t>& into) {
  Size fit = fitted(size);
  left += (kTile.width - fit.width) / 2;
  std::uint32_t top = (kTile.height - fit.height) / 2;
  for (std::uint32_t y = 0; y < fit.height; ++y) {
    Range rows = share(y, fit.height, size.height);
    for (std::uint32_t x = 0; x < fit.width; ++x) {
      Range columns = share(x, fit.width, size.width);
      std::uint64_t sums[3] = {};
      for (std::size_t row = rows.from; row < rows.to; ++row) {
        for (std::size_t column = columns.from; column < columns.to; ++column) {
          const std::uint8_t* pixel = &samples[(row * size.width + column) * channels];
          for (unsigned c = 0; c < 3; ++c) sums[c] += pixel[channels == 1 ? 0 : c];
        }
      }
      std::uint64_t count = (rows.to - rows.from) * (columns.to - columns.from);
      std::uint8_t* to = &into[3 * (std::size_t{top + y} * kStrip.width + left + x)];
      for (unsigned c = 0; c < 3; ++c) {
        to[c] = static_cast<std::uint8_t>((sums[c] + count / 2) / count);
      }
    }
  }
}

}  // namespace

std::vector<std::uint8_t> strip(std::span<const std::uint8_t> rgb,
                                std::span<const std::uint8_t> soft,
                                std::span<const std::uint8_t> edges, Size size) {
  std::vector<std::uint8_t> pixels(3 * kStrip.pixels(), kGround);
  draw(rgb, size, 3, 0, pixels);
  draw(soft, size, 3, kTile.width + kGap, pixels);
  draw(edges, size, 1, 2 * (kTile.width + kGap), pixels);
  return pixels;
}

Size sheetSize(std::size_t strips) {
  auto across = static_cast<std::uint32_t>(std::min(strips, kStripsAcross));
  auto rows = static_cast<std::uint32_t>((strips + kStripsAcross - 1) / kStripsAcross);
  return {kMargin + across * (kStrip.width + kMargin), kMargin + rows * (kStrip.height + kMargin)};
}

std::vector<std::uint8_t> sheet(std::span<const std::span<const std::uint8_t>> strips) {
  Size size = sheetSize(strips.size());
  std::vector<std::uint8_t> pixels(3 * size.pixels(), kGround);
  for (std::size_t i = 0; i < strips.size(); ++i) {
    std::size_t left = kMargin + i % kStripsAcross * (kStrip.width + kMargin);
    std::size_t top = kMargin + i / kStripsAcross * (kStrip.height + kMargin);
    for (std::size_t y = 0; y < kStrip.height; ++y) {
      auto row = strips[i].subspan(3 * y * kStrip.width, 3 * kStrip.width);
      std::copy(row.begin(), row.end(), pixels.begin() + static_cast<std::ptrdiff_t>(
                                                             3 * ((top + y) * size.width + left)));
    }
  }
  return pixels;
}

}  // namespace image_pipeline
