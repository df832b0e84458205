#include "transport/rpc/parts.h"

#include <algorithm>

namespace alnilam::rpc {
namespace {

// The length of the UTF-8 character that `text` begins with; 0 if it is none.
std::size_t characterLength(std::string_view text) {
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto follows = [&](std::size_t i) { return i < text.size() && (at(i) & 0xc0) == 0x80; };
  unsigned char lead = at(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if (lead == 0xe0 && at(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && at(1) > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xf0 && at(1) < 0x90) return 0;
    if (lead == 0xf4 && at(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

bool isPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

}  // namespace

void breaks(std::string why) { throw Broken{{RefusalCode::invalid, std::move(why)}}; }

std::string textOf(capnp::Text::Reader text, std::size_t most, const char* what) {
  if (text.size() > most) {
    breaks("the " + std::string(what) + " is too long: " + std::to_string(text.size()) +
           " bytes of at most " + std::to_string(most));
  }
  std::string_view raw(text.begin(), text.size());
  if (isPlain(raw)) return std::string(raw);
  std::string clean;
  clean.reserve(raw.size());
  while (!raw.empty()) {
    std::size_t length = characterLength(raw);
    if (length == 0) clean += '?';
    else clean += raw.substr(0, length);
    raw.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return clean;
}

std::vector<std::string> textsOf(capnp::List<capnp::Text>::Reader texts, std::size_t mostTexts,
                                 std::size_t mostBytes, const char* what) {
  atMost(texts.size(), mostTexts, what);
  std::vector<std::string> out;
  std::size_t bytes = 0;
  for (auto text : texts) {
    out.push_back(textOf(text, mostBytes, what));
    bytes += out.back().size();
    atMost(bytes, mostBytes, what);
  }
  return out;
}

Blob blobOf(capnp::Data::Reader data, const char* what) {
  constexpr Bytes kMost = kInlineLimit + 4_KiB;
  if (data.size() > kMost) [[unlikely]] {
    breaks("the " + std::string(what) + " of " + std::to_string(data.size()) +
           " bytes belong into a store: at most " + std::to_string(kMost) + " travel inline");
  }
  return Blob::copyOf(spanOf(data));
}

}  // namespace alnilam::rpc
