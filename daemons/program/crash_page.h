#pragma once
// One page shared by a node and an executor: whose task ended the process.
//
// A signal handler (or an exit handler) of the executor writes the id of the task on whose thread
// it runs; the node reads it after the process has gone.  That is all: the page is never waited on.
//
// Threading: `blame` is async-signal-safe; the first blame stays.
// Lifetime: the mapping is the object's; the descriptor may be closed after map().

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/graph/failure.h"

#include <atomic>
#include <cstdint>
#include <string>

namespace alnilam {

class CrashPage {
 public:
  // A new page in a memfd; `fd` is for the executor to inherit and is owned by the object.
  static Result<CrashPage> create();
  static Result<CrashPage> map(int fd);

  CrashPage(CrashPage&& other) noexcept;
  CrashPage& operator=(CrashPage&& other) noexcept;
  ~CrashPage();

  int fd() const { return fd_; }

  void blame(TaskId task, FailureKind how);

  // None if nobody was blamed (a kill from outside, the loader).
  TaskId culprit() const;
  FailureKind how() const;

 private:
  struct Page {
    std::atomic<std::uint64_t> task;
    std::atomic<std::uint32_t> how;
  };
  CrashPage(int fd, Page* page) : fd_(fd), page_(page) {}

  int fd_ = -1;
  Page* page_ = nullptr;
};

}  // namespace alnilam
