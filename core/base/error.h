#pragma once
// What can go wrong, sorted by who can do something about it.
//
//   refusal   the request is well-formed and the answer is no      -> Refusal, returned
//   fault     a machine, link, driver or user function failed      -> an Input to a brain
//   bug       this program contradicts itself                      -> ALNILAM_ASSERT, which aborts
//
// Brains and codecs do not throw.  The public API (core/api) turns a refusal or a failure into a
// typed exception; kj::Exception lives only in transport/ and daemons/.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace alnilam {

// Programs look at the code, people read the sentence.  Mirrored by schema/common.capnp.
enum class RefusalCode : std::uint16_t {
  invalid = 1,           // malformed or out of range; the sentence names the value
  unknown = 2,           // no such job, task, object, function or node
  infeasible = 3,        // no node could ever run it
  overloaded = 4,        // a bounded queue or store is full; later may work
  staleIncarnation = 5,  // the caller was declared lost or replaced; it must join again
  notAllowed = 6,        // wrong secret, wrong role
  unavailable = 7,       // what is asked for is missing on this machine (a driver, a file)
};

struct Refusal {
  RefusalCode code;
  std::string why;  // one sentence for a person, with the value that was refused
};

// The value, or why not.  Stands in for std::expected, which the clang 14 tools cannot parse.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Refusal refusal) : state_(std::in_place_index<1>, std::move(refusal)) {}

  bool hasValue() const { return state_.index() == 0; }
  explicit operator bool() const { return hasValue(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T value() && { return std::get<0>(std::move(state_)); }
  const Refusal& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Refusal> state_;
};

// Prints the condition and ends the process: a program that contradicts itself must not go on.
[[noreturn]] void bug(const char* condition, const char* file, int line);

}  // namespace alnilam

// Checked in every build, release included.
#define ALNILAM_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::alnilam::bug(#condition, __FILE__, __LINE__))
