#include "core/graph/failure.h"

#include <algorithm>

namespace alnilam {
namespace {

// The length of the UTF-8 character at the start of `text`, 0 if there is none.
// Source: the well-formed byte sequences, Unicode 15, table 3-7.
std::size_t characterAt(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto in = [&](std::size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return in(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    unsigned high = first == 0xed ? 0x9f : 0xbf;
    return in(1, low, high) && in(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    unsigned low = first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return in(1, low, high) && in(2, 0x80, 0xbf) && in(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

}  // namespace

const char* name(FailureKind kind) {
  switch (kind) {
    case FailureKind::exception: return "exception";
    case FailureKind::crashed: return "crashed";
    case FailureKind::exited: return "exited";
    case FailureKind::nodeLost: return "nodeLost";
    case FailureKind::infeasible: return "infeasible";
    case FailureKind::cancelled: return "cancelled";
    case FailureKind::objectLost: return "objectLost";
    case FailureKind::unknownFunction: return "unknownFunction";
    case FailureKind::badArguments: return "badArguments";
    case FailureKind::storeFull: return "storeFull";
    case FailureKind::executorFailed: return "executorFailed";
    case FailureKind::outOfDeviceMemory: return "outOfDeviceMemory";
    case FailureKind::device: return "device";
    case FailureKind::deadlinePassed: return "deadlinePassed";
  }
  return "unknown";
}

std::string cleanMessage(std::string_view text) {
  std::string clean;
  clean.reserve(std::min(text.size(), Failure::kMaxMessage));
  while (!text.empty()) {
    std::size_t length = characterAt(text);
    if (clean.size() + std::max<std::size_t>(length, 1) > Failure::kMaxMessage) break;
    if (length == 0) clean += '?';
    else clean += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return clean;
}

}  // namespace alnilam
