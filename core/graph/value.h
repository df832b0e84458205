#pragma once
// The state of an object, as told by one part to another.
//
//   pending   its task has not finished
//   held      its bytes are in this Value
//   stored    its bytes lie in the stores of `holders`
//   failed    there will be none, and why

#include "core/base/blob.h"
#include "core/base/units.h"
#include "core/graph/failure.h"

#include <cstdint>
#include <vector>

namespace alnilam {

struct Value {
  enum class State : std::uint8_t { pending, held, stored, failed };

  State state = State::pending;
  Blob held;
  Bytes size = 0;               // of a stored object
  std::vector<NodeId> holders;  // of a stored object; any of them will do
  FailurePtr failure;

  static Value of(Blob bytes) {
    Value value;
    value.state = State::held;
    value.held = std::move(bytes);
    return value;
  }
  static Value at(Bytes size, std::vector<NodeId> holders) {
    Value value;
    value.state = State::stored;
    value.size = size;
    value.holders = std::move(holders);
    return value;
  }
  static Value failed(FailurePtr why) {
    Value value;
    value.state = State::failed;
    value.failure = std::move(why);
    return value;
  }
};

}  // namespace alnilam
