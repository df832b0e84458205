// The task functions that run on CPUs.

#include "tasks.h"

#include "contact_sheet.h"
#include "filters.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace image_pipeline {
namespace {

std::vector<std::byte> readFile(const std::string& path) {
  std::error_code error;
  std::uint64_t size = std::filesystem::file_size(path, error);
  if (error) throw BadImage("it cannot be read: " + error.message());
  if (size > kMostFileBytes) throw BadImage("a file of more than 512 MiB");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw BadImage("it cannot be read: " + std::string(std::strerror(errno)));
  std::vector<std::byte> bytes(size);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

}  // namespace

Look look(const std::string& path) {
  try {
    return {sizeOf(readFile(path)), ""};
  } catch (const BadImage& bad) {
    return {{}, bad.what()};
  }
}

Samples decode(const std::string& path, const Size& size) {
  std::vector<std::byte> file = readFile(path);
  if (sizeOf(file) != size) throw BadImage("it changed while it was read");
  return decodeRgb(file);
}

Samples blurOnCpu(SamplesView rgb, const Size& size, const Weights& weights) {
  return blurred(rgb.span(), size, weights);
}

Samples traceOnCpu(SamplesView rgb, const Size& size) { return edges(rgb.span(), size); }

Samples encode(SamplesView samples, const Size& size, unsigned channels) {
  return encodePng(samples.span(), size, channels);
}

Samples makeStrip(SamplesView rgb, SamplesView soft, SamplesView edges, const Size& size) {
  return strip(rgb.span(), soft.span(), edges.span(), size);
}

Samples makeSheet(const std::vector<SamplesView>& strips) {
  std::vector<std::span<const std::uint8_t>> spans;
  for (const SamplesView& one : strips) spans.push_back(one.span());
  return encodePng(sheet(spans), sheetSize(spans.size()), 3);
}

}  // namespace image_pipeline
