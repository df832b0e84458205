#include "progress.h"

#include <algorithm>

namespace image_pipeline {

void Progress::show(std::size_t done, std::size_t of) {
  if (!isTerminal_) return;
  constexpr std::size_t kWidth = 30;
  std::size_t filled = of == 0 ? kWidth : std::min(kWidth, done * kWidth / of);
  std::string line = "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') +
                     "] images " + std::to_string(done) + "/" + std::to_string(of);
  if (line == shown_) return;
  out_ << '\r' << line << "\x1b[K" << std::flush;
  shown_ = line;
}

void Progress::leaveOut(const std::string& name, const std::string& why) {
  clear();
  out_ << "image_pipeline: " << printable(name) << ": " << printable(why) << '\n';
}

void Progress::clear() {
  if (shown_.empty()) return;
  out_ << "\r\x1b[K" << std::flush;
  shown_.clear();
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace image_pipeline
