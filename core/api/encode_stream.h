#pragma once
// The two passes of encoding, and the one of decoding, over untyped bytes.
//
// An encoded object is a body and, behind it, a tail:
//
//   body   what codecs write, one after another, without padding
//   tail   large runs of bytes ("blocks"), each beginning at a multiple of 64 from the object's
//          start, in the order in which the body names them; gaps are zero
//
// The body names a block by its place (u64).  So a 4 MiB vector inside a struct is one memcpy each
// way, and the body stays small.
//
// Measure and Writer have the same methods, so that a codec is written once, as a template over
// both: Measure counts, Writer writes.  `size` is a LEB128 number: a byte for each 7 bits.
//
// Reader trusts nothing.  It never reads outside its bytes, blocks may not overlap or run backwards
// (so the bytes bound what can be allocated), and values may be nested kMaxDepth deep.
//
// Threading: each is used by one thread.
// Errors: Reader throws BadArgumentsError; Measure throws InvalidError for what could not be read
// back (too deep).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace alnilam {

inline constexpr std::size_t kBlockAlign = 64;
inline constexpr std::size_t kLeastBlock = 512;  // shorter runs are written into the body
inline constexpr int kMaxDepth = 500;            // containers in containers

constexpr std::size_t alignedTo64(std::size_t n) {
  return (n + kBlockAlign - 1) & ~(kBlockAlign - 1);
}

// What encoding a value takes, in bytes.
struct Plan {
  std::size_t body = 0;
  std::size_t tail = 0;  // 0 if there are no blocks

  constexpr std::size_t total() const { return tail == 0 ? body : alignedTo64(body) + tail; }
};

[[noreturn]] void throwBadBytes(const char* what);
[[noreturn]] void throwTooDeep();

class Measure {
 public:
  void bytes(const void*, std::size_t n) { plan_.body += n; }
  void byte(std::uint8_t) { plan_.body += 1; }
  void size(std::uint64_t n) {
    do ++plan_.body;
    while (n >>= 7);
  }
  void block(const void*, std::size_t n) {
    plan_.body += sizeof(std::uint64_t);
    plan_.tail = alignedTo64(plan_.tail) + n;
  }
  void enter() {
    if (++depth_ > kMaxDepth) throwTooDeep();
  }
  void leave() { --depth_; }
  const Plan& plan() const { return plan_; }

 private:
  Plan plan_;
  int depth_ = 0;
};

// Writes into `room`, which has the total() bytes of the plan that Measure made of the same value.
class Writer {
 public:
  Writer(const Plan& plan, std::span<std::byte> room);

  void bytes(const void* from, std::size_t n) {
    if (n != 0) std::memcpy(body_, from, n);
    body_ += n;
  }
  void byte(std::uint8_t value) { *body_++ = std::byte{value}; }
  void size(std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) byte(static_cast<std::uint8_t>(n | 0x80));
    byte(static_cast<std::uint8_t>(n));
  }
  void block(const void* from, std::size_t n);
  void enter() {}
  void leave() {}

 private:
  std::byte* start_;
  std::byte* body_;
  std::byte* tail_;  // where the last block ended; at first the end of the body
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> object)
      : start_(object.data()), limit_(object.size()), end_(object.size()) {}

  // The next n bytes of the body.
  const std::byte* take(std::size_t n) {
    if (n > limit_ - at_) throwBadBytes("they end too early");
    const std::byte* taken = start_ + at_;
    at_ += n;
    return taken;
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(*take(1)); }
  std::uint64_t size();

  // The next block, which has n bytes.
  const std::byte* block(std::uint64_t n);

  // A number of elements of which each takes at least `least` (not 0) bytes of the body.
  std::size_t count(std::size_t least) {
    std::uint64_t n = size();
    if (n > remaining() / least) throwBadBytes("a length is more than they can hold");
    return static_cast<std::size_t>(n);
  }
  std::size_t remaining() const { return limit_ - at_; }

  void enter() {
    if (++depth_ > kMaxDepth) throwBadBytes("values are nested too deep");
  }
  void leave() { --depth_; }

  // Call after the last value: something left over is an error.
  void finish() const;

 private:
  const std::byte* start_;
  std::size_t at_ = 0;
  std::size_t limit_;      // the body ends here at the latest
  std::size_t tail_ = 0;   // where the last block ended; 0 before the first
  std::size_t end_;
  int depth_ = 0;
};

}  // namespace alnilam
