#pragma once
// Splits PTX text into words.
//
// A word is a name (with the characters PTX allows: letters, digits, _, $, %, and dots inside
// opcodes are kept apart as their own words), a number, a string, or one punctuation character.
// Comments and white space separate words and vanish.

#include <cstdint>
#include <string_view>
#include <vector>

namespace alnilam::gpu::emulator {

struct Token {
  enum class Kind : std::uint8_t { name, directive, number, string, punctuation, end };
  Kind kind = Kind::end;
  std::string_view text;  // a directive's includes its dot: ".reg", ".f32"
  std::uint32_t line = 0;
};

// The last token is `end`.  What is no PTX character becomes punctuation, for the parser to refuse.
std::vector<Token> tokenize(std::string_view text);

}  // namespace alnilam::gpu::emulator
