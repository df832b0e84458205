#pragma once
// A typed handle to a value that a task makes, or that was put.
//
// A Ref<T> is cheap to copy (a counted pointer) and says nothing about when the value will exist:
// pass it on as an argument, or ask Cluster::get.  When the last copy is gone, the cluster may
// forget the value; a task that was submitted with it holds it itself until it ends.
//
// Threading: copies may be used and dropped in any thread; one Ref object is not to be assigned in
//   one thread while another reads it.
// Lifetime: a Ref keeps the connection to the cluster alive.

#include "core/base/ids.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace alnilam {

class Backend;

// The untyped part of a Ref.
class Handle {
 public:
  Handle() = default;
  // Adopts one reference to `object`, which the backend counted for us.
  Handle(std::shared_ptr<Backend> backend, ObjectId object)
      : state_(new State{1, object, std::move(backend)}) {}

  Handle(const Handle& other) : state_(other.state_) {
    if (state_ != nullptr) state_->count.fetch_add(1, std::memory_order_relaxed);
  }
  Handle(Handle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Handle() {
    if (state_ != nullptr && state_->count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      drop(state_);
    }
  }

  ObjectId id() const { return state_ == nullptr ? ObjectId{} : state_->object; }
  Backend* backend() const { return state_ == nullptr ? nullptr : state_->backend.get(); }

 private:
  struct State {
    std::atomic<std::uint32_t> count;
    ObjectId object;
    std::shared_ptr<Backend> backend;  // owners: the clusters and refs of one connection
  };
  static void drop(State* state);  // gives the reference back

  State* state_ = nullptr;
};

// `T` is what the task function returns; one that returns gpu::Array<float> gives a
// Ref<gpu::Array<float>>, which goes wherever an array of float is wanted (wire_type.h).
template <typename T>
class Ref {
 public:
  using Value = T;

  Ref() = default;  // refers to nothing; any use but assignment throws InvalidError
  explicit Ref(Handle handle) : handle_(std::move(handle)) {}

  // "None" (false) for a Ref that refers to nothing.
  ObjectId id() const { return handle_.id(); }
  explicit operator bool() const { return static_cast<bool>(id()); }
  bool operator==(const Ref& other) const { return id() == other.id(); }

  const Handle& handle() const { return handle_; }

 private:
  Handle handle_;
};

}  // namespace alnilam
