#pragma once
// A failed driver call, kept as the driver reported it, and what can be done about it.
//
// The severity is decided once, here, and not at each call site: a caller gives work back, rebuilds
// the context, or withdraws the device.
//
// Errors of a kernel are sticky: once a context has seen one, every later call on it returns the
// same code, whatever the call.  So the call named in an error is where it was noticed, which may
// be long after where it happened.

#include "gpu/driver/driver.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace alnilam::gpu {

enum class Severity {
  call,     // this call alone was refused (bad argument, not found): the caller's mistake
  retry,    // out of memory, not ready, busy: give the work back to the queue
  context,  // sticky: every handle of this context is dead, rebuild it
  device,   // the GPU is gone (ECC, off the bus, lost): withdraw it from the inventory
  driver,   // the installation is broken: no device of this machine can be used
};

Severity severityOf(CUresult code);

struct DriverError {
  CUresult code;
  const char* call;  // a string literal, such as "cuStreamCreate"

  Severity severity() const { return severityOf(code); }
};

// "cuStreamCreate: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory", as the driver words it.
std::string describe(const Driver& driver, const DriverError& error);

// Nothing if `code` is success; otherwise the error of `call`.
inline std::optional<DriverError> check(CUresult code, const char* call) {
  if (code == CUDA_SUCCESS) return std::nullopt;
  return DriverError{code, call};
}

// The value, or the failed call.  Same shape as alnilam::Result.
template <typename T>
class [[nodiscard]] DriverResult {
 public:
  DriverResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  DriverResult(DriverError error) : state_(std::in_place_index<1>, error) {}

  bool hasValue() const { return state_.index() == 0; }
  explicit operator bool() const { return hasValue(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T value() && { return std::get<0>(std::move(state_)); }
  const DriverError& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, DriverError> state_;
};

}  // namespace alnilam::gpu
