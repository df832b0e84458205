#include "core/api/encode_stream.h"

#include "core/api/array_layout.h"
#include "core/api/errors.h"

#include <string>

namespace alnilam {

void throwBadBytes(const char* what) {
  throw BadArgumentsError(std::string("the bytes do not decode to the type asked for: ") + what);
}

void throwTooDeep() {
  throw InvalidError("a value is nested more than " + std::to_string(kMaxDepth) +
                     " containers deep; it cannot be sent");
}

Writer::Writer(const Plan& plan, std::span<std::byte> room)
    : start_(room.data()), body_(room.data()), tail_(room.data() + plan.body) {
  ALNILAM_ASSERT(room.size() >= plan.total());
}

void Writer::block(const void* from, std::size_t n) {
  auto end = static_cast<std::size_t>(tail_ - start_);
  std::uint64_t place = alignedTo64(end);
  // The room may hold old bytes of somebody else; gaps must not carry them out.
  std::memset(tail_, 0, place - end);
  bytes(&place, sizeof place);
  std::memcpy(start_ + place, from, n);
  tail_ = start_ + place + n;
}

std::uint64_t Reader::size() {
  std::uint64_t n = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    std::uint8_t next = byte();
    if (shift == 63 && next > 1) break;
    n |= static_cast<std::uint64_t>(next & 0x7f) << shift;
    if (next < 0x80) return n;
  }
  throwBadBytes("a length has more than 64 bits");
}

const std::byte* Reader::block(std::uint64_t n) {
  std::uint64_t place;
  std::memcpy(&place, take(sizeof place), sizeof place);
  bool inside = place >= at_ && place >= tail_ && place <= end_ && n <= end_ - place;
  if (!inside || place % kBlockAlign != 0) {
    throwBadBytes("a block lies outside of them");
  }
  if (tail_ == 0) limit_ = place;  // the body ends before the first block
  tail_ = place + n;
  return start_ + place;
}

void Reader::finish() const {
  if (tail_ == 0 ? at_ != end_ : tail_ != end_ || alignedTo64(at_) < limit_) {
    throwBadBytes("something is left over");
  }
}

void writeArrayHeader(std::span<std::byte> object, std::size_t elementSize, std::uint64_t n) {
  ArrayLayout layout = arrayLayout(elementSize, n);
  ALNILAM_ASSERT(object.size() >= layout.total);
  std::memcpy(object.data(), &n, sizeof n);
  std::memset(object.data() + sizeof n, 0, layout.offset - sizeof n);
}

ArrayPart readArray(std::span<const std::byte> object, std::size_t elementSize) {
  std::uint64_t n;
  if (object.size() < sizeof n) throwBadBytes("they end too early");
  std::memcpy(&n, object.data(), sizeof n);
  if (n > object.size() / elementSize) throwBadBytes("a length is more than they can hold");
  ArrayLayout layout = arrayLayout(elementSize, n);
  if (object.size() != layout.total) throwBadBytes("an array's length does not fit them");
  return {n, layout.offset};
}

}  // namespace alnilam
