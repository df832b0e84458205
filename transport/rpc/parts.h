#pragma once
// What the codecs are made of: bounds, texts, bytes.
//
// Inside the codecs a struct that breaks a bound is thrown as `Broken`, because a bound may lie
// five structs deep; `guarded` catches it, and what Cap'n Proto throws about a malformed message,
// at each codec's door.  So nothing that came from outside ever leaves a codec as an exception.
//
// Only the codecs' own .cc files include this.

#include "core/base/blob.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/graph/failure.h"
#include "schema/common.capnp.h"

#include <kj/exception.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alnilam::rpc {

struct Broken {
  Refusal refusal;
};

[[noreturn]] void breaks(std::string why);  // throws Broken with RefusalCode::invalid

inline void require(bool holds, const char* why) {
  if (!holds) [[unlikely]] breaks(why);
}

// "too many tasks: 70000 of at most 65536", if so.
inline void atMost(std::uint64_t count, std::uint64_t most, const char* what) {
  if (count > most) [[unlikely]] {
    breaks("too many " + std::string(what) + ": " + std::to_string(count) + " of at most " +
           std::to_string(most));
  }
}

// What `parse` returns, or the refusal that it threw.
template <typename Parse>
auto guarded(Parse&& parse) -> Result<decltype(parse())> {
  try {
    return parse();
  } catch (Broken& broken) {
    return std::move(broken.refusal);
  } catch (const kj::Exception& malformed) {
    return Refusal{RefusalCode::invalid,
                   "the message is malformed: " + std::string(malformed.getDescription().cStr())};
  }
}

// Longer than `most` bytes is refused, naming `what`; what is not UTF-8 becomes "?".
std::string textOf(capnp::Text::Reader text, std::size_t most, const char* what);
std::vector<std::string> textsOf(capnp::List<capnp::Text>::Reader texts, std::size_t mostTexts,
                                 std::size_t mostBytes, const char* what);

inline capnp::Text::Reader textFor(const std::string& text) {
  return capnp::Text::Reader(text.c_str(), text.size());
}

inline capnp::Data::Reader dataFor(std::span<const std::byte> bytes) {
  return capnp::Data::Reader(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
}

inline std::span<const std::byte> spanOf(capnp::Data::Reader data) {
  return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}

// A copy; more than kInlineLimit and a little is refused.
Blob blobOf(capnp::Data::Reader data, const char* what);

inline ObjectId objectOf(std::uint64_t value) {
  require(value != 0, "an id is zero");
  return ObjectId{value};
}

// The enumerator of the same number, at least `first` and at most `last`.
template <typename Core, typename Wire>
Core enumOf(Wire wire, Core first, Core last, const char* what) {
  auto number = static_cast<std::uint16_t>(wire);
  if (number < static_cast<std::uint16_t>(first) || number > static_cast<std::uint16_t>(last))
      [[unlikely]] {
    breaks("unknown " + std::string(what) + ": " + std::to_string(number));
  }
  return static_cast<Core>(number);
}

template <typename Wire, typename Core>
Wire wireOf(Core value) {
  return static_cast<Wire>(static_cast<std::uint16_t>(value));
}

// Durations are never negative; what is longer than a century is refused.
inline std::uint64_t nanosecondsFor(Duration time) {
  return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}
inline Duration durationOf(std::uint64_t nanoseconds) {
  constexpr std::uint64_t kCentury = 100ull * 366 * 24 * 3600 * 1'000'000'000;
  require(nanoseconds <= kCentury, "a duration is longer than a century");
  return Duration(static_cast<std::int64_t>(nanoseconds));
}

// Lists of plain numbers and of ids that are one number.
template <typename IdType, typename List>
std::vector<IdType> idsOf(List list, std::uint64_t most, const char* what) {
  atMost(list.size(), most, what);
  std::vector<IdType> ids;
  ids.reserve(list.size());
  for (auto value : list) {
    require(value != 0, "an id is zero");
    ids.push_back(IdType{value});
  }
  return ids;
}

template <typename Ids, typename Init>
void writeIds(const Ids& ids, Init&& init) {
  if (ids.empty()) return;
  auto list = init(static_cast<unsigned>(ids.size()));
  unsigned at = 0;
  for (auto id : ids) list.set(at++, id.value);
}

// Every list of a batch is bounded by this; messages of 64 MiB hold no more.
inline constexpr std::uint64_t kMaxListed = 8'000'000;
inline constexpr std::size_t kMaxName = 255;
inline constexpr std::size_t kMaxArgument = 1 << 20;
inline constexpr std::size_t kMaxArguments = 10'000;

// A list whose elements are themselves structs is reserved no further than this before its elements
// have been looked at, so that a short message cannot ask for much memory.
inline constexpr std::size_t kMostReserved = 65'536;

}  // namespace alnilam::rpc
