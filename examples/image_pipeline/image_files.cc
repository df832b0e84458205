#include "image_files.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

namespace image_pipeline {
namespace {

constexpr std::array<unsigned char, 8> kPngMark = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::array<unsigned char, 3> kJpegMark = {0xff, 0xd8, 0xff};

template <std::size_t n>
bool beginsWith(std::span<const std::byte> file, const std::array<unsigned char, n>& mark) {
  return file.size() >= n && std::memcmp(file.data(), mark.data(), n) == 0;
}

Size checked(std::uint64_t width, std::uint64_t height) {
  std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) throw BadImage("an image of " + size + " pixels");
  // Neither product can overflow once each side is bounded.
  if (width > kMostPixels || height > kMostPixels || width * height > kMostPixels) {
    throw BadImage("an image of " + size + " pixels; " + std::to_string(kMostPixels) +
                   " are the most");
  }
  return {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)};
}

// libpng's own reading of what is wrong, in words for people.
[[noreturn]] void refusePng(const char* said) {
  std::string text = said;
  for (const char* end : {"ead Error", "Not enough image data", "truncated", "read beyond end"}) {
    if (text.find(end) != std::string::npos) throw BadImage("a PNG file that is cut off");
  }
  throw BadImage("a damaged PNG file (" + text + ")");
}

// libpng's simplified interface, which needs no longjmp.
class PngFile {
 public:
  explicit PngFile(std::span<const std::byte> file) {
    image_.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image_, file.data(), file.size())) {
      refusePng(image_.message);
    }
  }
  PngFile(const PngFile&) = delete;
  PngFile& operator=(const PngFile&) = delete;
  ~PngFile() { png_image_free(&image_); }

  std::vector<std::uint8_t> rgb(Size size) {
    image_.format = PNG_FORMAT_RGB;
    std::vector<std::uint8_t> samples(size.pixels() * 3);
    const png_color white{255, 255, 255};
    if (!png_image_finish_read(&image_, &white, samples.data(),
                               static_cast<png_int_32>(size.width * 3), nullptr)) {
      refusePng(image_.message);
    }
    return samples;
  }

 private:
  png_image image_{};
};

// The size in the first chunk, which every PNG file begins with.  libpng would refuse sizes that
// are out of the question as well, and call them all "Invalid IHDR data".
Size pngSize(std::span<const std::byte> file) {
  constexpr std::size_t kHeader = 8 + 4 + 4 + 13 + 4;
  if (file.size() < kHeader) throw BadImage("a PNG file that is cut off");
  if (std::memcmp(file.data() + 12, "IHDR", 4) != 0) {
    throw BadImage("a damaged PNG file (it does not begin with its header)");
  }
  auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::byte byte : file.subspan(at, 4)) value = value << 8 | std::to_integer<unsigned>(byte);
    return value;
  };
  return checked(number(16), number(20));
}

struct EndJpeg {
  void operator()(void* handle) const { tjDestroy(handle); }
};

class JpegFile {
 public:
  explicit JpegFile(std::span<const std::byte> file)
      : file_(file), handle_(tjInitDecompress()) {
    if (!handle_) throw std::bad_alloc();
    int width = 0, height = 0, subsampling = 0, colours = 0;
    if (tjDecompressHeader3(handle_.get(), bytes(), file_.size(), &width, &height, &subsampling,
                            &colours) != 0) {
      refuse();
    }
    // That is how it answers where the file ends before the size is told.
    if (width <= 0 || height <= 0) throw BadImage("a JPEG file that is cut off");
    size_ = checked(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
    if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
      throw BadImage("a JPEG file in CMYK, which is for printing; RGB and gray are read");
    }
  }

  Size size() const { return size_; }

  std::vector<std::uint8_t> rgb() {
    std::vector<std::uint8_t> samples(size_.pixels() * 3);
    // The decoder goes on after damage and says so; half an image is none here.
    if (tjDecompress2(handle_.get(), bytes(), file_.size(), samples.data(),
                      static_cast<int>(size_.width), 0, static_cast<int>(size_.height), TJPF_RGB,
                      TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT) != 0) {
      refuse();
    }
    return samples;
  }

 private:
  // A version of the interface wants its input writable, and writes nothing.
  unsigned char* bytes() const {
    return reinterpret_cast<unsigned char*>(const_cast<std::byte*>(file_.data()));
  }
  [[noreturn]] void refuse() {
    std::string said = tjGetErrorStr2(handle_.get());
    // A file that ends among its tables never gets to its first scan.
    if (said.find("Empty JPEG image") != std::string::npos) {
      throw BadImage("an image of no pixels");
    }
    for (const char* end : {"remature end", "missing SOS"}) {
      if (said.find(end) != std::string::npos) throw BadImage("a JPEG file that is cut off");
    }
    throw BadImage("a damaged JPEG file (" + said + ")");
  }

  std::span<const std::byte> file_;
  std::unique_ptr<void, EndJpeg> handle_;
  Size size_;
};

enum class Kind { png, jpeg };

Kind kindOf(std::span<const std::byte> file) {
  if (file.empty()) throw BadImage("an empty file");
  if (file.size() > kMostFileBytes) throw BadImage("a file of more than 512 MiB");
  if (beginsWith(file, kPngMark)) return Kind::png;
  if (beginsWith(file, kJpegMark)) return Kind::jpeg;
  throw BadImage("not a PNG or JPEG image");
}

}  // namespace

Size sizeOf(std::span<const std::byte> file) {
  return kindOf(file) == Kind::png ? pngSize(file) : JpegFile(file).size();
}

std::vector<std::uint8_t> decodeRgb(std::span<const std::byte> file) {
  if (kindOf(file) == Kind::png) {
    Size size = pngSize(file);
    return PngFile(file).rgb(size);
  }
  return JpegFile(file).rgb();
}

std::vector<std::uint8_t> encodePng(std::span<const std::uint8_t> samples, Size size,
                                    unsigned channels) {
  if (samples.size() != size.pixels() * channels) {
    throw std::invalid_argument("these are not the samples of an image of that size");
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = size.width;
  image.height = size.height;
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  image.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> file(bytes);
  if (!png_image_write_to_memory(&image, file.data(), &bytes, 0, samples.data(), 0, nullptr)) {
    throw std::runtime_error("writing a PNG file: " + std::string(image.message));
  }
  file.resize(bytes);
  return file;
}

}  // namespace image_pipeline
