#pragma once
// An array read where it lies.
//
// View<const float> is to std::vector<float> what std::string_view is to std::string, except that
// one from Cluster::view also keeps the bytes alive: in this process, or mapped from the node's
// store.  Copying a View copies a pointer.
//
// A task function that takes View<const T> reads its input in the store, without a copy.  Such a
// View is valid while the function runs and must not be kept.
//
// Threading: a value; what it shows never changes.
// Errors: View::over throws BadArgumentsError for bytes that are not an array of T.

#include "core/api/encode.h"
#include "core/api/wire_type.h"
#include "core/base/blob.h"

#include <memory>
#include <span>
#include <vector>

namespace alnilam {

template <typename T>
class View {
  static_assert(std::is_const_v<T>, "alnilam: objects never change: write View<const T>");
  using Element = std::remove_const_t<T>;
  static_assert(Plain<Element> && !std::is_same_v<Element, bool>,
                "alnilam: only arrays of plain elements (numbers, plain structs without pointers; "
                "not bool) can be viewed in place");

 public:
  using value_type = Element;
  using iterator = T*;
  using const_iterator = T*;

  View() = default;

  // The array encoded in `object`; `keeper`, which may be null, owns those bytes.
  static View over(std::span<const std::byte> object, std::shared_ptr<const void> keeper);

  // The array that is the whole of `blob`.
  static View over(Blob blob) {
    auto keeper = std::make_shared<const Blob>(std::move(blob));
    std::span<const std::byte> object = keeper->bytes();
    return over(object, std::move(keeper));
  }

  // Elements owned by somebody else, who must outlive the view.
  static View of(std::span<T> elements) { return View(elements, nullptr); }

  T* data() const { return elements_.data(); }
  std::size_t size() const { return elements_.size(); }
  bool empty() const { return elements_.empty(); }
  T* begin() const { return data(); }
  T* end() const { return data() + size(); }
  T& operator[](std::size_t i) const { return elements_[i]; }
  T& front() const { return elements_.front(); }
  T& back() const { return elements_.back(); }
  std::span<T> span() const { return elements_; }

  std::vector<Element> copy() const { return {begin(), end()}; }
  explicit operator std::vector<Element>() const { return copy(); }

 private:
  View(std::span<T> elements, std::shared_ptr<const void> keeper)
      : elements_(elements), keeper_(std::move(keeper)) {}

  std::span<T> elements_;
  // Owners: this view, its copies, and the other users of a mapping.  Null inside a task.
  std::shared_ptr<const void> keeper_;
};

template <typename T>
View<T> View<T>::over(std::span<const std::byte> object, std::shared_ptr<const void> keeper) {
  ArrayPart part = readArray(object, sizeof(Element));
  const std::byte* from = object.data() + part.offset;
  detail::checkBools<Element>(from, part.count);
  if (reinterpret_cast<std::uintptr_t>(from) % alignof(Element) != 0) {
    // Only elements that want more than 8 bytes of alignment, and only inside a message.
    auto copied = std::make_shared<const std::vector<Element>>(
        detail::runAt<std::vector<Element>>(from, part.count));
    std::span<T> elements(copied->data(), copied->size());
    return View(elements, std::move(copied));
  }
  return View(std::span<T>(reinterpret_cast<T*>(from), part.count), std::move(keeper));
}

namespace detail {

template <typename T>
inline constexpr bool isView = false;
template <typename T>
inline constexpr bool isView<View<T>> = true;

}  // namespace detail
}  // namespace alnilam
