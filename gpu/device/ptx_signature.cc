#include "gpu/device/ptx_signature.h"

#include <algorithm>
#include <charconv>

namespace alnilam::gpu {
namespace {

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

// Words, numbers and single other characters; comments and white space are left out.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) {}

  // Empty at the end.
  std::string_view next() {
    skip();
    std::size_t length = 0;
    while (length < rest_.size() && isNameCharacter(rest_[length])) ++length;
    if (length == 0 && !rest_.empty()) length = 1;
    std::string_view token = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return token;
  }

 private:
  void skip() {
    while (!rest_.empty()) {
      if (std::string_view(" \t\r\n\f\v").find(rest_[0]) != std::string_view::npos) {
        rest_.remove_prefix(1);
      } else if (rest_.starts_with("//")) {
        rest_.remove_prefix(std::min(rest_.size(), rest_.find('\n')));
      } else if (rest_.starts_with("/*")) {
        std::size_t end = rest_.find("*/", 2);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
      } else {
        return;
      }
    }
  }

  std::string_view rest_;
};

// The bytes of ".u64", ".f16x2", ".b8"; 0 if it is no type.
std::size_t typeBytes(std::string_view token) {
  if (token.size() < 3 || token[0] != '.') return 0;
  if (std::string_view("usfb").find(token[1]) == std::string_view::npos) return 0;
  unsigned bits = 0;
  const char* end = token.data() + token.size();
  auto [stopped, error] = std::from_chars(token.data() + 2, end, bits);
  if (error != std::errc() || bits % 8 != 0 || bits > 128) return 0;
  if (std::string_view(stopped, static_cast<std::size_t>(end - stopped)) == "x2") bits *= 2;
  else if (stopped != end) return 0;
  return bits / 8;
}

std::optional<std::size_t> number(std::string_view token) {
  std::size_t value = 0;
  const char* end = token.data() + token.size();
  auto [stopped, error] = std::from_chars(token.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

// From after "(" to ")".
std::optional<std::vector<std::size_t>> readList(Tokens& tokens) {
  std::vector<std::size_t> sizes;
  std::size_t size = 0;  // of the parameter that is being read; 0: its type was not seen yet
  for (std::string_view token = tokens.next(); !token.empty(); token = tokens.next()) {
    if (token == "," || token == ")") {
      if (size != 0) sizes.push_back(size);
      else if (token == "," || !sizes.empty()) return std::nullopt;
      if (token == ")") return sizes;
      size = 0;
    } else if (token == ".align") {
      tokens.next();
    } else if (token == "[") {
      auto count = number(tokens.next());
      if (!count || size == 0 || __builtin_mul_overflow(size, *count, &size) || size == 0) {
        return std::nullopt;
      }
      if (tokens.next() != "]") return std::nullopt;
    } else if (std::size_t bytes = typeBytes(token); bytes != 0) {
      if (size != 0) return std::nullopt;
      size = bytes;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::size_t>> parameterSizes(std::string_view ptx,
                                                       std::string_view entry) {
  Tokens tokens(ptx);
  for (std::string_view token = tokens.next(); !token.empty(); token = tokens.next()) {
    if (token != ".entry" || tokens.next() != entry) continue;
    if (tokens.next() == "(") return readList(tokens);
    return std::vector<std::size_t>();  // without a list there are no parameters
  }
  return std::nullopt;
}

}  // namespace alnilam::gpu
