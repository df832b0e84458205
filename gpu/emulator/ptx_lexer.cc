#include "gpu/emulator/ptx_lexer.h"

namespace alnilam::gpu::emulator {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool startsName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}
bool continuesName(char c) { return startsName(c) || isDigit(c); }

}  // namespace

std::vector<Token> tokenize(std::string_view text) {
  std::vector<Token> tokens;
  std::uint32_t line = 1;
  std::size_t at = 0;
  auto peek = [&text](std::size_t where) { return where < text.size() ? text[where] : '\0'; };
  auto add = [&](Token::Kind kind, std::size_t end) {
    tokens.push_back({kind, text.substr(at, end - at), line});
    at = end;
  };
  while (at < text.size() && text[at] != '\0') {
    char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
      ++at;
    } else if (c == '/' && peek(at + 1) == '/') {
      while (at < text.size() && text[at] != '\n') ++at;
    } else if (c == '/' && peek(at + 1) == '*') {
      std::size_t end = text.find("*/", at + 2);
      end = end == std::string_view::npos ? text.size() : end + 2;
      for (; at < end; ++at) line += text[at] == '\n';
    } else if (startsName(c)) {
      std::size_t end = at + 1;
      while (continuesName(peek(end))) ++end;
      add(Token::Kind::name, end);
    } else if (isDigit(c)) {
      // 12, 0x1f, 0f3F800000, 1.5e3, 7U; a dot belongs to it if a digit follows.
      std::size_t end = at + 1;
      while (continuesName(peek(end)) || (peek(end) == '.' && isDigit(peek(end + 1))) ||
             ((peek(end) == '+' || peek(end) == '-') && (text[end - 1] == 'e') &&
              text.substr(at, 2) != "0x")) {
        ++end;
      }
      add(Token::Kind::number, end);
    } else if (c == '.' && continuesName(peek(at + 1))) {
      std::size_t end = at + 1;
      while (continuesName(peek(end)) || (peek(end) == ':' && peek(end + 1) == ':') ||
             (peek(end) == ':' && peek(end - 1) == ':')) {
        ++end;
      }
      add(Token::Kind::directive, end);
    } else if (c == '"') {
      std::size_t end = at + 1;
      while (end < text.size() && text[end] != '"' && text[end] != '\n') ++end;
      add(Token::Kind::string, end < text.size() ? end + 1 : end);
    } else {
      add(Token::Kind::punctuation, at + 1);
    }
  }
  tokens.push_back({Token::Kind::end, {}, line});
  return tokens;
}

}  // namespace alnilam::gpu::emulator
