#pragma once
// The exceptions that users of the public API meet.  Each carries the facts as members, so that
// programs need not read what().

#include "core/base/error.h"
#include "core/base/units.h"
#include "core/graph/failure.h"

#include <stdexcept>
#include <string>

namespace alnilam {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A request that cannot be right anywhere: a negative amount, an unregistered function.
class InvalidError : public Error {
 public:
  using Error::Error;
};

// A task has no result; the failure says which function, on which node, at which attempt, and why.
class TaskError : public Error {
 public:
  explicit TaskError(FailurePtr failure);
  const Failure& failure() const { return *failure_; }

 private:
  FailurePtr failure_;
};

// No node could ever run it; what() names the resource, the amount and the largest there is.
class InfeasibleError : public TaskError {
 public:
  using TaskError::TaskError;
};

class CancelledError : public TaskError {
 public:
  using TaskError::TaskError;
};

// A task's deadline passed before it started.
class DeadlineError : public TaskError {
 public:
  using TaskError::TaskError;
};

// The bytes of an object are gone and cannot be made again.
class ObjectLostError : public TaskError {
 public:
  using TaskError::TaskError;
};

class TimeoutError : public Error {
 public:
  using Error::Error;
};

// The cluster cannot be reached, or refused this program (the secret, the version).
class ConnectionError : public Error {
 public:
  using Error::Error;
};

// A bounded queue or store is full; the same request may work later.
class OverloadedError : public Error {
 public:
  using Error::Error;
};

// A store has no room for a value.
class StoreFullError : public OverloadedError {
 public:
  using OverloadedError::OverloadedError;
};

// Bytes that do not decode to the type asked for.
class BadArgumentsError : public Error {
 public:
  using Error::Error;
};

// The GPU has less free memory than was asked for, or the task's bound is reached.
class OutOfDeviceMemory : public Error {
 public:
  using Error::Error;
};

// A CUDA call failed; what() names call and error.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// Throws the exception that fits.
[[noreturn]] void throwRefusal(const Refusal& refusal);
[[noreturn]] void throwFailure(FailurePtr failure);

}  // namespace alnilam
