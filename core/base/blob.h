#pragma once
// An immutable run of bytes that is cheap to pass on.
//
// Arguments and results of most tasks are a few bytes: up to kSmall of them are kept inside the
// Blob and copying is a memcpy.  Longer ones live in one shared, counted allocation, so that an
// object which a thousand tasks read exists once in a process.
//
// A Blob may also stand for bytes owned by somebody else (a mapped arena): `adopt` takes an owner
// whose destruction gives the bytes back.
//
// Threading: a Blob is a value; copies in different threads may share bytes, which never change.
// Alignment: bytes() of a long Blob made by `allocate` is aligned to 64; a small one to 8.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace alnilam {

class Blob {
 public:
  static constexpr std::size_t kSmall = 40;

  Blob() = default;

  // A copy of `bytes`.
  static Blob copyOf(std::span<const std::byte> bytes) {
    return fill(bytes.size(), [&](std::span<std::byte> room) {
      if (!bytes.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
    });
  }

  // `size` bytes, written once by `write(std::span<std::byte>)` before anybody reads them.  What
  // `write` leaves alone is undefined.
  template <typename Write>
  static Blob fill(std::size_t size, Write&& write) {
    Blob blob;
    blob.size_ = size;
    if (size <= kSmall) {
      write(std::span<std::byte>(blob.small_, size));
    } else {
      auto* block = new (std::align_val_t{kAlign}) std::byte[size];
      blob.become(std::shared_ptr<const std::byte>(block, Free{}));
      write(std::span<std::byte>(block, size));
    }
    return blob;
  }

  // Bytes that `owner` keeps alive and unchanged for as long as it exists.
  static Blob adopt(std::shared_ptr<const std::byte> owner, std::size_t size) {
    Blob blob;
    blob.size_ = size;
    blob.become(std::move(owner));
    return blob;
  }

  Blob(const Blob& other) { copyFrom(other); }
  Blob(Blob&& other) noexcept { moveFrom(other); }
  Blob& operator=(const Blob& other) {
    if (this != &other) {
      drop();
      copyFrom(other);
    }
    return *this;
  }
  Blob& operator=(Blob&& other) noexcept {
    if (this != &other) {
      drop();
      moveFrom(other);
    }
    return *this;
  }
  ~Blob() { drop(); }

  std::span<const std::byte> bytes() const {
    return {shared_ ? owner()->get() : small_, size_};
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  bool operator==(const Blob& other) const {
    return size_ == other.size_ &&
           (size_ == 0 || std::memcmp(bytes().data(), other.bytes().data(), size_) == 0);
  }

 private:
  static constexpr std::size_t kAlign = 64;
  using Owner = std::shared_ptr<const std::byte>;
  struct Free {
    void operator()(const std::byte* block) const {
      ::operator delete[](const_cast<std::byte*>(block), std::align_val_t{kAlign});
    }
  };

  Owner* owner() { return std::launder(reinterpret_cast<Owner*>(small_)); }
  const Owner* owner() const { return std::launder(reinterpret_cast<const Owner*>(small_)); }
  void become(Owner bytes) {
    ::new (static_cast<void*>(small_)) Owner(std::move(bytes));
    shared_ = true;
  }
  void drop() {
    if (shared_) owner()->~Owner();
    shared_ = false;
    size_ = 0;
  }
  void copyFrom(const Blob& other) {
    size_ = other.size_;
    if (other.shared_) become(*other.owner());
    else std::memcpy(small_, other.small_, kSmall);
  }
  void moveFrom(Blob& other) {
    size_ = other.size_;
    if (other.shared_) {
      become(std::move(*other.owner()));
      other.drop();
    } else {
      std::memcpy(small_, other.small_, kSmall);
      other.size_ = 0;
    }
  }

  std::size_t size_ = 0;
  alignas(8) std::byte small_[kSmall] = {};
  bool shared_ = false;
};

}  // namespace alnilam
