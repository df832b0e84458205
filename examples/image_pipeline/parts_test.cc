// The arithmetic of the example: filters, image files, the contact sheet.

#include "contact_sheet.h"
#include "filters.h"
#include "image_files.h"
#include "progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <sstream>
#include <string>

namespace image_pipeline {
namespace {

using Samples = std::vector<std::uint8_t>;

Samples noise(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Samples samples(n);
  for (auto& sample : samples) sample = static_cast<std::uint8_t>(random());
  return samples;
}

std::span<const std::byte> asBytes(const Samples& file) { return std::as_bytes(std::span(file)); }

std::string whyBad(std::span<const std::byte> file) {
  try {
    sizeOf(file);
    decodeRgb(file);
  } catch (const BadImage& bad) {
    return bad.what();
  }
  return "";
}

TEST(Filters, WeightsAddUpAndFallOffToBothSides) {
  for (unsigned radius = 1; radius <= kMostRadius; ++radius) {
    auto weights = gaussianWeights(radius);
    ASSERT_EQ(weights.size(), 2 * radius + 1);
    EXPECT_EQ(std::accumulate(weights.begin(), weights.end(), 0u), 65536u) << radius;
    for (unsigned i = 0; i < radius; ++i) {
      EXPECT_LE(weights[i], weights[i + 1]) << radius;
      EXPECT_EQ(weights[i], weights[2 * radius - i]) << radius;
    }
  }
}

// The definition, a sample at a time.
Samples plainBlur(const Samples& rgb, Size size, const std::vector<std::uint32_t>& weights) {
  int radius = static_cast<int>(weights.size() / 2);
  auto at = [](int i, std::uint32_t n) { return std::clamp(i, 0, static_cast<int>(n) - 1); };
  std::vector<std::uint64_t> rows(rgb.size());
  Samples result(rgb.size());
  for (int pass = 0; pass < 2; ++pass) {
    for (int y = 0; y < static_cast<int>(size.height); ++y) {
      for (int x = 0; x < static_cast<int>(size.width); ++x) {
        for (int c = 0; c < 3; ++c) {
          auto place = [&](int px, int py) {
            return static_cast<std::size_t>(
                3 * (at(py, size.height) * static_cast<int>(size.width) + at(px, size.width)) + c);
          };
          std::uint64_t sum = 0;
          for (int k = -radius; k <= radius; ++k) {
            std::uint64_t weight = weights[static_cast<std::size_t>(k + radius)];
            sum += weight * (pass == 0 ? rgb[place(x + k, y)] : rows[place(x, y + k)]);
          }
          if (pass == 0) rows[place(x, y)] = (sum + 128) / 256;
          else result[place(x, y)] = static_cast<std::uint8_t>((sum + (1 << 23)) / (1 << 24));
        }
      }
    }
  }
  return result;
}

TEST(Filters, TheBlurIsWhatItsDefinitionSays) {
  for (Size size : {Size{1, 1}, Size{7, 1}, Size{1, 9}, Size{33, 21}}) {
    for (unsigned radius : {1u, 4u, 30u}) {
      Samples rgb = noise(3 * size.pixels(), radius);
      auto weights = gaussianWeights(radius);
      EXPECT_EQ(blurred(rgb, size, weights), plainBlur(rgb, size, weights))
          << size.width << "x" << size.height << " by " << radius;
    }
  }
}

TEST(Filters, WhiteStaysWhiteAndHasNoEdges) {
  Size size{20, 10};
  Samples white(3 * size.pixels(), 255);
  EXPECT_EQ(blurred(white, size, gaussianWeights(64)), white);
  EXPECT_EQ(edges(white, size), Samples(size.pixels(), 0));
}

TEST(Filters, EdgesAreWhereTheLumaChanges) {
  Size size{5, 3};  // black, and white from column 3 on
  Samples rgb(3 * size.pixels(), 0);
  for (std::size_t y = 0; y < 3; ++y) {
    std::fill_n(rgb.begin() + static_cast<std::ptrdiff_t>(3 * (y * 5 + 3)), 6, 255);
  }
  Samples row = {0, 0, 255, 255, 0};  // 4 * 255 / 2, at most 255
  Samples want;
  for (int y = 0; y < 3; ++y) want.insert(want.end(), row.begin(), row.end());
  EXPECT_EQ(edges(rgb, size), want);
  // A slope of 10 a pixel across and of 3 down is 8 * (10 + 3) / 2 inside.
  size = {6, 6};
  rgb.clear();
  for (int i = 0; i < 36; ++i) {
    rgb.insert(rgb.end(), 3, static_cast<std::uint8_t>(10 * (i % 6) + 3 * (i / 6)));
  }
  EXPECT_EQ(edges(rgb, size)[2 * 6 + 2], 52);
}

TEST(ImageFiles, PngComesBackAsItWasWritten) {
  Size size{37, 11};
  Samples rgb = noise(3 * size.pixels(), 1), gray = noise(size.pixels(), 2);
  Samples colour = encodePng(rgb, size, 3), grays = encodePng(gray, size, 1);
  EXPECT_EQ(sizeOf(asBytes(colour)), size);
  EXPECT_EQ(decodeRgb(asBytes(colour)), rgb);
  Samples back = decodeRgb(asBytes(grays));
  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_EQ(back[i], gray[i / 3]);
  EXPECT_THROW(encodePng(rgb, size, 1), std::invalid_argument);
}

TEST(ImageFiles, WhatIsWrongWithAFileIsTold) {
  Samples good = encodePng(noise(3 * 40 * 30, 3), {40, 30}, 3);
  auto cut = [&](std::size_t bytes) { return Samples(good.data(), good.data() + bytes); };
  auto sized = [&](std::uint32_t width, std::uint32_t height) {
    Samples file = good;
    for (std::size_t i = 0; i < 4; ++i) {
      file[16 + i] = static_cast<std::uint8_t>(width >> (24 - 8 * i));
      file[20 + i] = static_cast<std::uint8_t>(height >> (24 - 8 * i));
    }
    return file;
  };
  Samples damaged = good;
  damaged[good.size() / 2] ^= 0x55;
  Samples headless = good;
  headless[12] = 'J';

  EXPECT_EQ(whyBad(asBytes(good)), "");
  EXPECT_EQ(whyBad({}), "an empty file");
  EXPECT_EQ(whyBad(asBytes(Samples{'n', 'o', 't', 'h', 'i', 'n', 'g'})),
            "not a PNG or JPEG image");
  for (std::size_t bytes : {good.size() - 20, good.size() / 2, std::size_t{60}, std::size_t{33},
                            std::size_t{8}}) {
    EXPECT_EQ(whyBad(asBytes(cut(bytes))), "a PNG file that is cut off") << bytes;
  }
  EXPECT_EQ(whyBad(asBytes(sized(0, 30))), "an image of 0x30 pixels");
  EXPECT_EQ(whyBad(asBytes(sized(100'000, 100'000))),
            "an image of 100000x100000 pixels; 64000000 are the most");
  EXPECT_EQ(whyBad(asBytes(sized(0xffffffff, 0xffffffff))),
            "an image of 4294967295x4294967295 pixels; 64000000 are the most");
  EXPECT_NE(whyBad(asBytes(damaged)).find("a damaged PNG file"), std::string::npos);
  EXPECT_NE(whyBad(asBytes(headless)).find("a damaged PNG file"), std::string::npos);
  Samples jpeg = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F'};
  EXPECT_EQ(whyBad(asBytes(jpeg)), "a JPEG file that is cut off");
}

TEST(ImageFiles, BytesOfAnyKindAreRefusedAndNotFollowed) {
  std::mt19937_64 random(5);
  Samples good = encodePng(noise(3 * 16 * 16, 3), {16, 16}, 3);
  for (int i = 0; i < 2000; ++i) {
    Samples file = good;
    for (int k = 0; k < 1 + i % 4; ++k) {
      file[random() % file.size()] = static_cast<std::uint8_t>(random());
    }
    static_cast<void>(whyBad(asBytes(file)));
  }
}

TEST(ContactSheet, AStripHasThreeTilesInTheMiddleOfTheirPlaces) {
  Size size{400, 100};  // made 160 by 40
  Samples rgb(3 * size.pixels(), 200), soft(3 * size.pixels(), 100), lines(size.pixels(), 50);
  Samples pixels = strip(rgb, soft, lines, size);
  ASSERT_EQ(pixels.size(), 3 * kStrip.pixels());
  auto at = [&](std::size_t x, std::size_t y) { return pixels[3 * (y * kStrip.width + x)]; };
  for (auto [left, value] : {std::pair<std::size_t, int>{0, 200}, {164, 100}, {328, 50}}) {
    EXPECT_EQ(at(left, 39), 32);
    EXPECT_EQ(at(left, 40), value);
    EXPECT_EQ(at(left + 159, 79), value);
    EXPECT_EQ(at(left + 159, 80), 32);
  }
  EXPECT_EQ(at(160, 60), 32);
  EXPECT_EQ(at(163, 60), 32);
}

TEST(ContactSheet, EveryShapeFitsItsTile) {
  for (Size size : {Size{1, 1}, Size{160, 120}, Size{161, 120}, Size{1, 5000}, Size{5000, 1},
                    Size{3, 121}}) {
    Samples rgb(3 * size.pixels(), 255), lines(size.pixels(), 255);
    Samples pixels = strip(rgb, rgb, lines, size);
    EXPECT_TRUE(std::all_of(pixels.begin(), pixels.end(),
                            [](std::uint8_t p) { return p == 255 || p == 32; }));
    EXPECT_GE(std::count(pixels.begin(), pixels.end(), 255), 9);
  }
}

TEST(ContactSheet, StripsLieTwoInARowInTheirOrder) {
  std::vector<Samples> strips;
  for (std::uint8_t i = 1; i <= 3; ++i) strips.emplace_back(3 * kStrip.pixels(), i);
  std::vector<std::span<const std::uint8_t>> views(strips.begin(), strips.end());
  Samples pixels = sheet(views);
  Size size = sheetSize(3);
  ASSERT_EQ(size, (Size{16 + 2 * (488 + 16), 16 + 2 * (120 + 16)}));
  ASSERT_EQ(pixels.size(), 3 * size.pixels());
  auto at = [&](std::size_t x, std::size_t y) { return pixels[3 * (y * size.width + x)]; };
  EXPECT_EQ(at(15, 16), 32);
  EXPECT_EQ(at(16, 16), 1);
  EXPECT_EQ(at(16 + 488 + 16, 16), 2);
  EXPECT_EQ(at(16, 16 + 120 + 16), 3);
  EXPECT_EQ(at(16 + 488 + 16, 16 + 120 + 16), 32);
  EXPECT_EQ(sheetSize(1), (Size{16 + 488 + 16, 16 + 120 + 16}));
}

TEST(Progress, ABarIsDrawnOnATerminalOnlyAndMakesRoomForOtherLines) {
  std::ostringstream terminal, file;
  {
    Progress bar(terminal, true), none(file, false);
    bar.show(1, 2);
    none.show(1, 2);
    bar.leaveOut("a\nb.png", "bad");
    none.leaveOut("a\nb.png", "bad");
    bar.show(2, 2);
  }
  std::string half = "[###############...............] images 1/2";
  std::string full = "[##############################] images 2/2";
  EXPECT_EQ(terminal.str(), "\r" + half + "\x1b[K\r\x1b[Kimage_pipeline: a?b.png: bad\n\r" + full +
                                "\x1b[K\r\x1b[K");
  EXPECT_EQ(file.str(), "image_pipeline: a?b.png: bad\n");
}

}  // namespace
}  // namespace image_pipeline
