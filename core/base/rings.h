#pragma once
// Many lists, most of them short, in one pool: "when this is there, look at those".
//
// A list is a ring, known by the place of its last element, 0 if it is empty; so whoever has a list
// keeps one number, appending is first in, first out, and there is no allocation for each list.
// Lists are read from the front and freed whole.
//
// Complexity: append O(1) amortised, each and drain O(length).

#include <cstdint>
#include <vector>

namespace alnilam {

template <typename T>
class Rings {
 public:
  // Appends to the ring whose last element is `last`; returns the new last.
  std::uint32_t append(std::uint32_t last, T value) {
    std::uint32_t place = free_;
    if (place != 0) {
      free_ = pool_[place].next;
    } else {
      place = static_cast<std::uint32_t>(pool_.size());
      pool_.emplace_back();
    }
    pool_[place].value = value;
    if (last == 0) {
      pool_[place].next = place;
    } else {
      pool_[place].next = pool_[last].next;
      pool_[last].next = place;
    }
    return place;
  }

  // Calls `see(value)` for each element, oldest first, while it answers true.  `see` may append to
  // other rings.
  template <typename See>
  void each(std::uint32_t last, See&& see) const {
    if (last == 0) return;
    for (std::uint32_t place = pool_[last].next;; place = pool_[place].next) {
      T value = pool_[place].value;
      if (!see(value) || place == last) break;
    }
  }

  // Calls `see(value)` for each element, oldest first, and frees the ring.
  template <typename See>
  void drain(std::uint32_t last, See&& see) {
    if (last == 0) return;
    each(last, [&see](const T& value) {
      see(value);
      return true;
    });
    std::uint32_t first = pool_[last].next;
    pool_[last].next = free_;
    free_ = first;
  }

 private:
  struct Element {
    T value{};
    std::uint32_t next = 0;
  };
  std::vector<Element> pool_ = std::vector<Element>(1);  // place 0 is "none"
  std::uint32_t free_ = 0;
};

}  // namespace alnilam
