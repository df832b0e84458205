#pragma once
// Image files as bytes: PNG and JPEG in, PNG out.
//
// Every image is turned into 8-bit RGB without transparency (what shows through is white), so that
// the rest of the program knows one kind of pixels.  What a file claims is checked before memory is
// taken for it: its kind by its first bytes, its size by its header.
//
// Errors: BadImage, with a reason for people: not an image, cut off, damaged, too large.
//
// Threading: pure functions.

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace image_pipeline {

class BadImage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Size {
  std::uint32_t width = 0, height = 0;  // pixels; both at least 1

  constexpr std::size_t pixels() const { return std::size_t{width} * height; }
  bool operator==(const Size&) const = default;
};

constexpr std::size_t kMostPixels = 64'000'000;     // of one image
constexpr std::size_t kMostFileBytes = 512 << 20;

// From the file's header alone.
Size sizeOf(std::span<const std::byte> file);

// Three bytes a pixel, row after row from the top.
std::vector<std::uint8_t> decodeRgb(std::span<const std::byte> file);

// `channels` is 3 for RGB or 1 for gray; `samples` are width * height * channels.
std::vector<std::uint8_t> encodePng(std::span<const std::uint8_t> samples, Size size,
                                    unsigned channels);

}  // namespace image_pipeline
